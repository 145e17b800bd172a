/** `lab list`: the labs that stand. */
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';

export function listCommand() {
  return new Command('list')
    .summary('the labs that stand')
    .description('Lists the labs of this machine.')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  selvage lab list')
    .action(async (options) => {
      const [{ labConfigFile, listLabs }, { printAnswer }] = await Promise.all([
        import('../../../lab/commands.js'),
        import('../../output.js'),
      ]);
      const labs = listLabs().map((lab) => ({ lab, configFile: labConfigFile(lab) }));
      await printAnswer(
        { schema: 'selvage.lab-list/1', labs },
        {
          output: options.output,
          render: (report) =>
            report.labs.length === 0
              ? 'no lab stands; build one with "selvage lab up FILE"'
              : report.labs.map(({ lab, configFile }) => `${lab}  ${configFile}`).join('\n'),
        },
      );
    });
}
