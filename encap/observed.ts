/**
 * What a provider's API says of a node: the switches of its attachment as they are now, what its
 * firewall admits, and what somebody is still waiting for. The file wins where it says something;
 * this fills what it leaves out, and is gone when nobody observes the node.
 */
import type { Cluster, ClusterNode, Switches } from './cluster.js';
import { nodeTable } from './node-table.js';

/** A switch that a native path may depend on. */
export type SwitchName = 'sourceDestinationCheck' | 'ipForwarding' | 'fabricRoutes';

export type FirewallVerdicts = NonNullable<Switches['firewall']>;

export interface ObservedNode {
  /** Only what was read; a switch that could not be read is absent, never guessed. */
  readonly switches: Readonly<Pick<Switches, SwitchName>>;
  /** What to and from the nodes of a zone passes the node's firewall, by zone name. */
  readonly admits: Readonly<Record<string, FirewallVerdicts>>;
  /** Who says so, for explanations: `EC2 API, eni-0a1b2c3d`. */
  readonly source: string;
  /** For a switch that is not as native needs it: what is under way, or what is in the way. */
  readonly waits: Readonly<Partial<Record<SwitchName, string>>>;
}

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
