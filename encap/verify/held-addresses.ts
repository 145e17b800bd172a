/**
 * Underlay addresses that lie inside an overlay prefix: packets to such a node, those of its
 * tunnels too, would be routed into the overlay, which routes them to the node, and so on.
 */
import type { Family } from '../address.js';
import type { Cluster } from '../cluster.js';
import { underlayAddress } from '../cluster.js';
import { Lpm } from '../lpm.js';

export interface HeldAddresses {
  /** Is the address that others reach the node by inside an overlay prefix? */
  has(node: string, family: Family): boolean;
}

export function heldAddresses(cluster: Cluster): HeldAddresses {
  const tries = { 4: new Lpm<true>(4), 6: new Lpm<true>(6) };
  for (const { overlay } of cluster.nodes.values())
    for (const prefix of overlay) tries[prefix.family].set(prefix, true);
  const held = { 4: new Set<string>(), 6: new Set<string>() };
  for (const node of cluster.nodes.values())
    for (const family of [4, 6] as const) {
      const address =
        underlayAddress(node, family)?.address ??
        node.publicAddresses.find((entry) => entry.family === family);
      if (address !== undefined && tries[family].lookup(address.bytes) === true)
        held[family].add(node.name);
    }
  return { has: (node, family) => held[family].has(node) };
}
