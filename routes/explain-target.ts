/** Whose an address is: a node's prefix, a pool, or a node's own address on the underlay. */
import type { Address } from '../encap/address.js';
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import { nodeIndex } from '../encap/node-index.js';
import type { Prefix } from '../encap/prefix.js';
import { prefixContains } from '../encap/prefix.js';
import type { DestinationKind } from './explain-report.js';

/** A destination with what was asked for, so that the answer can repeat it. */
export interface Destination {
  readonly asked: string;
  readonly kind: DestinationKind;
  readonly address: Address;
  readonly note: string | undefined;
}

/** The node that has it as an underlay or public address. */
export function nodeByOuterAddress(cluster: Cluster, address: Address): ClusterNode | undefined {
  return nodeIndex(cluster.nodes).byOuterAddress(address);
}

/** The node that owns the longest prefix around an address. */
export function ownerOf(
  cluster: Cluster,
  address: Address,
): { readonly node: ClusterNode; readonly prefix: Prefix } | undefined {
  return nodeIndex(cluster.nodes).ownerOf(address);
}

/** The longest pool around an address. */
export function poolOf(cluster: Cluster, address: Address): Prefix | undefined {
  let found: Prefix | undefined;
  for (const pool of cluster.pools)
    if (prefixContains(pool, address) && (found === undefined || pool.length > found.length))
      found = pool;
  return found;
}
