/** `verify`: every ordered pair of nodes of a cluster file, without a packet. */
import { Argument, Command } from '@commander-js/extra-typings';
import type { Cluster } from '../../../encap/cluster.js';
import type { ReadClusterOptions } from '../cluster-file.js';
import {
  configOption,
  oneFile,
  outputOption,
  snapshotOption,
  whatIfHelp,
  whatIfOption,
} from '../options.js';
import { withStoreAccess } from '../store-options.js';

export function verifyCommand() {
  const command = new Command('verify')
    .summary('check every pair of nodes of a cluster file')
    .description(
      'Asks the decision for every ordered pair of nodes, in both families, and tells what is wrong: ' +
        'pairs that no mode is left for, whose way back is another, that are denied one way, that ' +
        'would loop; rules that never decide; what rests on something that nobody has confirmed. ' +
        'Nothing but the file is read.',
    )
    .addArgument(new Argument('[file]', 'the cluster file, or etcd://…/CLUSTER'))
    .addOption(configOption())
    .addOption(whatIfOption())
    .addOption(snapshotOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage verify cluster.yaml
  selvage verify cluster.yaml --what-if 'zone eu-west-1a: {sourceDestinationCheck: disabled}'
  selvage verify -c etcd://10.0.0.1:2379/prod
  selvage verify --snapshot case-17.json.gz
                                          the file of the node that the snapshot was taken on
  selvage verify cluster.yaml -o json | jq '.findings[] | select(.severity == "error")'
${whatIfHelp}

Exit code 1 means: errors or warnings were found, or the file is not valid. Notes exit with 0.`,
    );
  return withStoreAccess(command).action(async (argument, options, self) => {
    const [{ verifyReport }, { printAnswer }, { renderVerify }, { exitCodes }] = await Promise.all([
      import('../../verify/report.js'),
      import('../output.js'),
      import('../render/verify.js'),
      import('../exit-codes.js'),
    ]);
    const { whatIf, output, snapshot, config } = options;
    const isTyped = self.getOptionValueSource('config') === 'cli';
    const { file, cluster } =
      snapshot === undefined
        ? await ofFile(oneFile(argument, { config, isTyped }), { whatIf, store: options })
        : await ofSnapshot(snapshot, { whatIf, file: argument ?? (isTyped ? config : undefined) });
    const report = verifyReport(cluster, { file, ...(whatIf.length > 0 ? { whatIf } : {}) });
    await printAnswer(report, { output, render: renderVerify });
    const { worst } = report;
    process.exitCode = worst === null || worst === 'note' ? exitCodes.ok : exitCodes.found;
  });
}

interface Verified {
  readonly file: string;
  readonly cluster: Cluster;
}

async function ofFile(file: string, options: ReadClusterOptions): Promise<Verified> {
  const { readCluster } = await import('../cluster-file.js');
  return { file, cluster: await readCluster(file, options) };
}

async function ofSnapshot(
  snapshot: string,
  { whatIf, file }: { readonly whatIf: readonly string[]; readonly file: string | undefined },
): Promise<Verified> {
  const [{ bundleOfFile }, { clusterOfBundle }, { usageFailure }] = await Promise.all([
    import('../snapshot-source.js'),
    import('../snapshot-cluster.js'),
    import('../failure.js'),
  ]);
  if (file !== undefined)
    throw usageFailure(
      `a snapshot has a cluster file of its own: give ${file} or --snapshot, not both`,
    );
  const bundle = await bundleOfFile(snapshot);
  return { file: bundle.config.file, cluster: await clusterOfBundle(bundle, whatIf) };
}
