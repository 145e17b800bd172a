/**
 * The cluster file for a command: the cluster, or a failure with everything that is wrong. The store
 * of a fleet may stand in its place.
 */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { formatProblem, loadClusterFile } from '../config/index.js';
import { cannotOpen } from '../config/load.js';
import { resolveNode } from '../explain/resolve.js';
import { exitCodes } from './exit-codes.js';
import { Failure, unableFailure, usageFailure } from './failure.js';
import { isStoreAddress, readFleetCluster } from './fleet-cluster.js';
import type { StoreAccessFlags } from './store-options.js';

export interface ReadClusterOptions {
  /** Laid over what is read, see `whatIfOption`. */
  readonly whatIf?: readonly string[];
  /** Where the store of a fleet stands in the place of a file. */
  readonly store?: StoreAccessFlags;
}

export async function readCluster(
  file: string,
  options: ReadClusterOptions = {},
): Promise<Cluster> {
  if (isStoreAddress(file))
    return withWhatIf(await readFleetCluster(file, options.store), options.whatIf ?? []);
  const result = await loadClusterFile(file);
  if (result.ok) return withWhatIf(result.cluster, options.whatIf ?? []);
  const errors = result.problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  if (first !== undefined && cannotOpen.includes(first.code))
    throw unableFailure(
      `cannot read the cluster file ${file}: ${first.message}; name another with --config FILE`,
    );
  const lines = errors.slice(0, shownErrors).map((problem) => `  ${formatProblem(problem)}`);
  const rest = errors.length - lines.length;
  throw new Failure(
    `the cluster file is not valid, so there is nothing to work with:\n${lines.join('\n')}` +
      (rest > 0 ? `\n  and ${rest} more: see "selvage validate ${file}"` : ''),
    exitCodes.found,
  );
}

const shownErrors = 5;

export async function withWhatIf(cluster: Cluster, patches: readonly string[]): Promise<Cluster> {
  if (patches.length === 0) return cluster;
  const { whatIfCluster } = await import('../explain/what-if.js');
  const changed = whatIfCluster(cluster, patches);
  if (typeof changed === 'string') throw usageFailure(changed);
  return changed;
}

export interface NodeQuestion {
  /** As typed, or the default of the option. */
  readonly text: string;
  /** The option to name in a message. */
  readonly option: '--node' | '--from';
  /** Nobody typed it: it is this machine's host name. */
  readonly isDefault: boolean;
}

export function requireNode(cluster: Cluster, question: NodeQuestion): ClusterNode {
  const found = resolveNode(cluster, question.text);
  if (typeof found !== 'string') return found;
  throw usageFailure(
    question.isDefault
      ? `this machine's host name is no node of the file: ${found}; name one with ${question.option}`
      : `${question.option}: ${found}`,
  );
}
