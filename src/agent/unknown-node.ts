/** The node that is asked for is not in the cluster. */
import type { Cluster } from '../../encap/cluster.js';

export class UnknownNodeError extends Error {
  /** `fleet`: address of the store that the cluster comes from; a file otherwise. */
  constructor(node: string, cluster: Cluster, fleet?: string) {
    super(
      fleet === undefined
        ? `node "${node}" is not in the cluster file, which has ${namesOf(cluster)}: name one with --node`
        : `node "${node}" has no record that counts in ${fleet}: run "selvage node join" on that machine, or name another node with --node`,
    );
  }
}

const shownNames = 8;

function namesOf(cluster: Cluster): string {
  const names = [...cluster.nodes.values()].map(({ name }) => name);
  return names.slice(0, shownNames).join(', ') + (names.length > shownNames ? ', …' : '');
}
