/** The cluster of a snapshot, as the file that it was taken beside says it. */
import type { Cluster } from '../../encap/cluster.js';
import { parseClusterFile } from '../config/index.js';
import type { SnapshotBundle } from '../snapshot/bundle.js';
import { withWhatIf } from './cluster-file.js';
import { remark } from './output.js';

/** Where the file is not in it, the cluster that was in force; that is told. */
export async function clusterOfBundle(
  { config, cluster }: SnapshotBundle,
  whatIf: readonly string[],
): Promise<Cluster> {
  const read =
    config.text === null ? undefined : parseClusterFile({ text: config.text, file: config.file });
  if (read?.ok !== true)
    remark(
      `the snapshot is without the text of ${config.file} (${config.omitted ?? 'it cannot be read by this release'}): the cluster that was in force is looked at`,
    );
  return withWhatIf(read?.ok === true ? read.cluster : cluster, whatIf);
}
