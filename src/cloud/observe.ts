/**
 * A cluster with what was read of its nodes, for the agent and for commands without one alike. One
 * reading and one cluster make one object, so that whoever compares by identity sees no change.
 */
import type { Cluster, ClusterNode, ObservedNode } from '../../encap/cluster.js';
import { withObservations } from '../../encap/observed.js';
import { type ReadNode, readReading } from './observation-file.js';

export type ReadNodes = ReadonlyMap<string, ReadNode>;
export type Observe = (cluster: Cluster) => Cluster;

export function underlayTexts(node: ClusterNode): readonly string[] {
  return node.underlay.map(({ address }) => address.text);
}

export function observeWith(nodes: (cluster: Cluster) => ReadNodes): Observe {
  let last:
    { readonly cluster: Cluster; readonly nodes: ReadNodes; readonly made: Cluster } | undefined;
  return (cluster) => {
    const known = nodes(cluster);
    if (last?.cluster !== cluster || last.nodes !== known)
      last = { cluster, nodes: known, made: laid(cluster, known) };
    return last.made;
  };
}

/** With the reading that an agent has left on disk. */
export function observeFrom(path: string): Observe {
  return (cluster) => laid(cluster, readReading(path, cluster)?.nodes ?? new Map());
}

function laid(cluster: Cluster, nodes: ReadNodes): Cluster {
  if (cluster.cloud === undefined) return cluster;
  const current = new Map<string, ObservedNode>();
  for (const [name, { addresses, observed }] of nodes) {
    const node = cluster.nodes.get(name);
    if (node !== undefined && String(underlayTexts(node)) === String(addresses))
      current.set(name, observed);
  }
  return withObservations(cluster, current);
}
