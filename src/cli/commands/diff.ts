/** `diff`: which pairs of nodes two cluster files send another way, and why. */
import { Argument, Command } from '@commander-js/extra-typings';
import { outputOption, whatIfHelp, whatIfOption } from '../options.js';
import { usageFailure } from '../failure.js';
import { withStoreAccess } from '../store-options.js';

export function diffCommand() {
  const command = new Command('diff')
    .summary('which pairs of nodes go another way by another cluster file, and why')
    .description(
      'Compares what two cluster files, or one file and a change of it, decide for every ordered ' +
        'pair of nodes: which change mode or MTU, which are lost or gained, and the first step of the ' +
        'decision that differs. Then the nodes, prefixes and settings that differ. Nothing but the ' +
        'files is read.',
    )
    .addArgument(new Argument('<old-file>', 'the cluster file as it is, or etcd://…/CLUSTER'))
    .addArgument(new Argument('[new-file]', 'as it would be; default: the same file'))
    .addOption(whatIfOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage diff /etc/selvage/cluster.yaml new.yaml
  selvage diff cluster.yaml --what-if 'link rack-a aws: {mtu: 1400}'
  selvage diff cluster.yaml new.yaml -o json | jq '.groups[] | {from, to, pairs, why: .cause.text}'
${whatIfHelp}

Changes of --what-if are laid over the new file. Exit code 1 means: something differs.`,
    );
  return withStoreAccess(command).action(async (oldFile, newFile, options) => {
    const { whatIf, output } = options;
    if (newFile === undefined && whatIf.length === 0)
      throw usageFailure('nothing to compare with: name a second file, or give --what-if CHANGE');
    const [{ readCluster }, { diffReport }, { printAnswer }, { renderDiff }, { exitCodes }] =
      await Promise.all([
        import('../cluster-file.js'),
        import('../../verify/report.js'),
        import('../output.js'),
        import('../render/diff.js'),
        import('../exit-codes.js'),
      ]);
    const file = newFile ?? oldFile;
    const [old, next] = await Promise.all([
      readCluster(oldFile, { store: options }),
      readCluster(file, { whatIf, store: options }),
    ]);
    const report = diffReport(
      { cluster: old, basis: { file: oldFile } },
      { cluster: next, basis: { file, ...(whatIf.length > 0 ? { whatIf } : {}) } },
    );
    await printAnswer(report, { output, render: renderDiff });
    process.exitCode = report.same ? exitCodes.ok : exitCodes.found;
  });
}
