/** A what-if for a question: the cluster as it would be, or what is wrong with the options. */
import type { Cluster } from '../../encap/cluster.js';
import { applyWhatIf, formatWhatIfProblems } from '../config/what-if.js';

const shownErrors = 5;

/** A text is what is wrong, for a person. The cluster that is given stays as it is. */
export function whatIfCluster(cluster: Cluster, patches: readonly string[]): Cluster | string {
  if (patches.length === 0) return cluster;
  const result = applyWhatIf(cluster, patches);
  if (result.ok) return result.cluster;
  const lines = formatWhatIfProblems(result.problems, patches);
  const more = lines.length - shownErrors;
  return (
    'the cluster file would not be valid with --what-if:\n' +
    lines
      .slice(0, shownErrors)
      .map((line) => line.replace(/^/gm, '  '))
      .join('\n') +
    (more > 0 ? `\n  and ${more} more` : '')
  );
}
