/** `lab exec`: a program on a node of the lab. */
import { Command, Option } from '@commander-js/extra-typings';
import { labOption } from './support.js';

export function execCommand() {
  return new Command('exec')
    .summary('run a program on a node of the lab')
    .description(
      'Runs a program on a node of the lab, in the workload behind it, or in the router of a zone. ' +
        "The exit code is the program's.",
    )
    .argument('<node>', 'name of the node (of the zone, with --zone)')
    .argument('<program...>', 'the program and its arguments, after --')
    .addOption(labOption())
    .addOption(new Option('--workload', 'in the workload behind the node').conflicts('zone'))
    .addOption(new Option('--zone', 'in the router of a zone'))
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab exec rack-1 -- ip route
  sudo selvage lab exec --workload rack-1 -- ping -c 3 10.64.3.1`,
    )
    .action(async (name, program, options) => {
      const { labExec } = await import('../../../lab/commands.js');
      const kind = options.workload === true ? 'workload' : options.zone === true ? 'zone' : 'node';
      const argv = program[0] === '--' ? program.slice(1) : program;
      process.exitCode = await labExec({ lab: options.lab, place: { kind, name }, argv });
    });
}
