/**
 * What a provider's API says of a node: the switches of its attachment as they are now, what its
 * firewall admits, and what somebody is still waiting for. The file wins where it says something;
 * this fills what it leaves out, and is gone when nobody observes the node.
 */
import type { CloudSettings, Cluster, ClusterNode, ObservedNode } from './cluster.js';
import { nodeTable } from './node-table.js';

export const defaultCloud: CloudSettings = Object.freeze({
  manage: false,
  refreshMs: 60_000,
  // Few enough for a table with AWS's former quota of 50.
  routeLimit: 45,
});

export type { FirewallVerdicts, ObservedNode, SwitchName } from './cluster.js';

export type Observations = ReadonlyMap<string, ObservedNode>;

/** The cluster with what was observed of its nodes; the same object where nothing was. */
export function withObservations(cluster: Cluster, observations: Observations): Cluster {
  if (observations.size === 0) return cluster;
  const nodes = [...cluster.nodes.values()].map((node): ClusterNode => {
    const observed = observations.get(node.name);
    return observed === undefined ? node : { ...node, observed };
  });
  return { ...cluster, nodes: nodeTable(nodes) };
}
