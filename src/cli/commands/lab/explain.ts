/** `lab explain`: route-explain as a node of the lab sees it. */
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { labOption, standingLab } from './support.js';

export function explainCommand() {
  return new Command('explain')
    .summary('route-explain as a node of the lab sees it')
    .description(
      "Asks the agent of a node of the lab, with that node's real kernel. Takes every option of " +
        'route-explain, such as --probe, and hands it on.',
    )
    .argument('<destination>', 'an address, a prefix, or the name of a node')
    .requiredOption('-f, --from <node>', 'the sending node')
    .addOption(labOption())
    .addOption(outputOption())
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab explain 10.64.3.7 --from rack-1
  sudo selvage lab explain az-1 --from rack-1 --probe

The exit code is that of route-explain.`,
    )
    .action(async (destination, options, command) => {
      const { labExplain } = await import('../../../lab/commands.js');
      const lab = await standingLab(options.lab);
      process.exitCode = await labExplain(lab, {
        destination,
        from: options.from,
        options: [
          '--output',
          options.output,
          ...(process.argv.includes('--no-color') ? ['--no-color'] : []),
          // What is no option of this command is one of route-explain's, with its value.
          ...command.args.slice(1),
        ],
      });
    });
}
