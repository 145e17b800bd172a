/** The node that is asked for is not in the cluster. */
import type { Cluster } from '../../encap/cluster.js';

export class UnknownNodeError extends Error {
  constructor(node: string, cluster: Cluster) {
    const names = [...cluster.nodes.values()].map((entry) => entry.name);
    const shown = names.slice(0, 8).join(', ') + (names.length > 8 ? ', …' : '');
    super(`node "${node}" is not in the cluster file, which has ${shown}: name one with --node`);
  }
}
