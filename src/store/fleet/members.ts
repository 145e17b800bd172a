/**
 * The cluster of a fleet: what the configuration says, and one node for each record that counts.
 * What happens to one node makes a cluster that shares all the others with the one before.
 */
import type { Cluster, ClusterNode, NodeTable } from '../../../encap/cluster.js';
import { nodeTable, withNode, withoutNode } from '../../../encap/node-table.js';
import type { Ground } from './ground.js';
import type { PresenceState } from './presence.js';
import type { RecordClaims } from './record-claims.js';
import type { Chosen } from './versions.js';

export interface Membership {
  readonly ground: Ground;
  readonly records: RecordClaims;
  /** An agent's own absence is no news to itself. */
  readonly self: string | undefined;
  presenceOf(name: string): PresenceState;
}

/** One table is made anew rather than layered, from this share of changed nodes on. */
const rebuildShare = 1 / 32;

/** All of it, from scratch. */
export function wholeTable(membership: Membership): NodeTable {
  const { ground, records } = membership;
  const nodes = [...ground.listed.values()];
  for (const name of records.names()) {
    const node = ground.listed.has(name) ? undefined : memberOf(name, membership);
    if (node !== undefined) nodes.push(node);
  }
  return nodeTable(nodes);
}

/** The table with these nodes as they are now; and which of them are not what they were. */
export function updatedTable(
  table: NodeTable,
  change: { readonly names: ReadonlySet<string>; readonly membership: Membership },
): { readonly table: NodeTable; readonly changed: readonly string[] } {
  const { names, membership } = change;
  const now = new Map<string, ClusterNode | undefined>();
  for (const name of names) {
    const node = membership.ground.listed.get(name) ?? memberOf(name, membership);
    if (table.get(name) !== node) now.set(name, node);
  }
  const changed = [...now.keys()];
  if (changed.length > 8 && changed.length > table.size * rebuildShare) {
    const kept = [...table.values()].filter(({ name }) => !now.has(name));
    const made = [...now.values()].filter((node) => node !== undefined);
    return { table: nodeTable([...kept, ...made]), changed };
  }
  let next = table;
  for (const [name, node] of now)
    next = node === undefined ? withoutNode(next, name) : withNode(next, node);
  return { table: next, changed };
}

/** The configuration's cluster with these nodes; `revision` is the reader's own count. */
export function clusterOf(
  chosen: Chosen,
  given: { readonly nodes: NodeTable; readonly revision: number },
): Cluster {
  const { phase, other } = chosen;
  return Object.freeze({
    ...chosen.cluster,
    ...given,
    ...(phase === undefined
      ? {}
      : {
          changeover: Object.freeze({
            phase,
            ...(other === undefined ? {} : { other: withoutNodes(other) }),
          }),
        }),
  });
}

function withoutNodes(cluster: Cluster): Omit<Cluster, 'nodes' | 'changeover'> {
  const { nodes: _nodes, changeover: _changeover, ...rest } = cluster;
  return Object.freeze(rest);
}

function memberOf(name: string, membership: Membership): ClusterNode | undefined {
  const node = membership.records.get(name);
  if (node === undefined || name === membership.self) return node;
  const state = membership.presenceOf(name);
  if (state.kind === 'fresh') return node;
  const known = dressed.get(node);
  if (known?.state.kind === state.kind && known.state.since === state.since) return known.node;
  const made = Object.freeze({
    ...node,
    stale: `since ${state.since}`,
    ...(state.kind === 'withdrawn' ? { withdrawn: true } : {}),
  });
  dressed.set(node, { state, node: made });
  return made;
}

/** So that a node that is stale still is the same object until something happens to it. */
const dressed = new WeakMap<
  ClusterNode,
  { readonly state: Exclude<PresenceState, { kind: 'fresh' }>; readonly node: ClusterNode }
>();
