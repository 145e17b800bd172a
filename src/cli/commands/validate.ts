/** `validate`: is this cluster file right, and if not, where and why? */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import { defaultConfigPath } from '../../agent/paths.js';
import { outputOption } from '../options.js';

export function validateCommand() {
  return new Command('validate')
    .summary('check a cluster file')
    .description(
      'Checks a cluster file: one error a mistake, with file, line, column, the value, and what ' +
        'would be right. Nothing but the file is read.',
    )
    .addArgument(
      new Argument('[file]', 'the cluster file, or a directory of several').default(
        defaultConfigPath,
      ),
    )
    .addOption(
      new Option(
        '--fleet',
        "as a fleet's store takes it: nodes register themselves, so it may list none",
      ).default(false),
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage validate cluster.yaml
  selvage validate cluster.d                the *.yaml of a directory, as one cluster
  selvage validate cluster.yaml -o json | jq '.problems[] | .line'

Exit code 1 means: the file has errors. Warnings alone exit with 0.`,
    )
    .action(async (file, options) => {
      const [{ validateFile }, { printAnswer }, { renderValidate }, { exitCodes }] =
        await Promise.all([
          import('../validate-file.js'),
          import('../output.js'),
          import('../render/validate.js'),
          import('../exit-codes.js'),
        ]);
      const { report, sources } = await validateFile(file, {
        members: options.fleet ? 'registering' : 'listed',
      });
      await printAnswer(report, {
        output: options.output,
        render: (shown, terminal) => renderValidate(shown, { ...terminal, sources }),
      });
      process.exitCode = report.valid ? exitCodes.ok : exitCodes.found;
    });
}
