/** `lab fault`: breaks a lab the way clusters break, and mends it. */
import { Command, Option } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { labOption, standingLab } from './support.js';

export function faultCommand() {
  return new Command('fault')
    .summary('break a lab the way clusters break, and mend it')
    .description(
      'Makes a fault between two nodes of a lab that stands, to see what it does to packets and ' +
        'what route-explain makes of it. Faults of what the agent would repair freeze it first.',
    )
    .addCommand(listCommand())
    .addCommand(injectCommand())
    .addCommand(clearCommand())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab fault list
  sudo selvage lab fault inject vxlan-lost --from rack-1 --to az-1
  sudo selvage lab fault inject stale-fdb --from rack-1 --to az-1 --at az-1
  sudo selvage lab explain az-1 --from rack-1 --probe
  sudo selvage lab fault clear`,
    );
}

function listCommand() {
  return new Command('list')
    .summary('the faults there are')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage lab fault list
  selvage lab fault list -o json`,
    )
    .action(async (options) => {
      const [{ faults }, { printAnswer }] = await Promise.all([
        import('../../../lab/commands.js'),
        import('../../output.js'),
      ]);
      const known = faults.map(({ name, kind, summary }) => ({ name, kind, summary }));
      const width = Math.max(...known.map(({ name }) => name.length));
      await printAnswer(
        { schema: 'selvage.lab-faults/1', faults: known },
        {
          output: options.output,
          render: (report) =>
            report.faults
              .map(
                ({ name, kind, summary }) => `${name.padEnd(width)}  ${kind.padEnd(8)}  ${summary}`,
              )
              .join('\n'),
        },
      );
    });
}

function injectCommand() {
  return new Command('inject')
    .summary('make a fault')
    .argument('<fault>', 'its name, see "selvage lab fault list"')
    .requiredOption('-f, --from <node>', 'the node whose packets are concerned')
    .requiredOption('-t, --to <node>', 'the node that they go to')
    .addOption(new Option('--at <node>', 'where a fault of a node is made (default: at --from)'))
    .addOption(labOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab fault inject vxlan-lost --from rack-1 --to az-1
  sudo selvage lab fault inject stale-fdb --from rack-1 --to az-1 --at az-1`,
    )
    .action(async (fault, options) => {
      const { injectFault } = await import('../../../lab/commands.js');
      const { from, to, at } = options;
      const lab = await standingLab(options.lab, { members: [from, to, at] });
      const made = await injectFault(lab, { fault, from, to, at });
      process.stdout.write(`${made.fault} at ${made.at}; undo with "selvage lab fault clear"\n`);
    });
}

function clearCommand() {
  return new Command('clear')
    .summary('undo all faults')
    .addOption(labOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab fault clear
  sudo selvage lab fault clear --lab demo`,
    )
    .action(async (options) => {
      const { clearFaults } = await import('../../../lab/commands.js');
      const undone = await clearFaults(await standingLab(options.lab));
      const names = undone.map(({ fault, at }) => `${fault} at ${at}`).join(', ');
      process.stdout.write(undone.length === 0 ? 'there was no fault\n' : `undone: ${names}\n`);
    });
}
