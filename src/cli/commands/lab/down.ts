/** `lab down`: removes a lab. */
import { Command, Option } from '@commander-js/extra-typings';
import { defaultLab } from './support.js';

export function downCommand() {
  return new Command('down')
    .summary('remove a lab')
    .description('Removes a lab: its processes, its namespaces and its files.')
    .argument('[lab]', `name of the lab (default: "${defaultLab}")`)
    .addOption(new Option('--lab <name>', 'the same, as the other commands of lab take it'))
    .addHelpText('after', '\nExamples:\n  sudo selvage lab down')
    .action(async (argument, options) => {
      if (argument !== undefined && options.lab !== undefined && argument !== options.lab) {
        const { usageFailure } = await import('../../failure.js');
        throw usageFailure(
          `two labs are named, "${argument}" and "${options.lab}": remove one a time`,
        );
      }
      const name = argument ?? options.lab ?? defaultLab;
      const [{ labDown }, { print }] = await Promise.all([
        import('../../../lab/commands.js'),
        import('../../output.js'),
      ]);
      const { lab, namespaces, processes } = await labDown(name);
      print(`lab "${lab}" removed: ${namespaces} namespaces, ${processes} processes`);
    });
}
