/** `verify`: every ordered pair of nodes of a cluster file, without a packet. */
import { Argument, Command } from '@commander-js/extra-typings';
import { defaultConfigPath } from '../../agent/paths.js';
import { outputOption, whatIfHelp, whatIfOption } from '../options.js';

export function verifyCommand() {
  return new Command('verify')
    .summary('check every pair of nodes of a cluster file')
    .description(
      'Asks the decision for every ordered pair of nodes, in both families, and tells what is wrong: ' +
        'pairs that no mode is left for, whose way back is another, that are denied one way, that ' +
        'would loop; rules that never decide; what rests on something that nobody has confirmed. ' +
        'Nothing but the file is read.',
    )
    .addArgument(new Argument('[file]', 'the cluster file').default(defaultConfigPath))
    .addOption(whatIfOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage verify cluster.yaml
  selvage verify cluster.yaml --what-if 'zone eu-west-1a: {sourceDestinationCheck: disabled}'
  selvage verify cluster.yaml -o json | jq '.findings[] | select(.severity == "error")'
${whatIfHelp}

Exit code 1 means: errors or warnings were found, or the file is not valid. Notes exit with 0.`,
    )
    .action(async (file, options) => {
      const [{ readCluster }, { verifyReport }, { printAnswer }, { renderVerify }, { exitCodes }] =
        await Promise.all([
          import('../cluster-file.js'),
          import('../../verify/report.js'),
          import('../output.js'),
          import('../render/verify.js'),
          import('../exit-codes.js'),
        ]);
      const { whatIf, output } = options;
      const cluster = await readCluster(file, { whatIf });
      const report = verifyReport(cluster, { file, ...(whatIf.length > 0 ? { whatIf } : {}) });
      await printAnswer(report, { output, render: renderVerify });
      const { worst } = report;
      process.exitCode = worst === null || worst === 'note' ? exitCodes.ok : exitCodes.found;
    });
}
