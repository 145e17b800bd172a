/**
 * Finds a node among ten thousand by an address: the one that owns the longest prefix around it,
 * and the one that has it on the underlay. Made at the first question about a table of nodes, which
 * never changes after it was made. Its keys are the texts that the nodes' records have already.
 */
import type { Address, Family } from './address.js';
import type { ClusterNode, NodeTable } from './cluster.js';
import type { Prefix } from './prefix.js';
import { prefixOf } from './prefix.js';

export interface NodeIndex {
  /** Of two records with one prefix the later one counts, as in the RIB. */
  ownerOf(address: Address): { readonly node: ClusterNode; readonly prefix: Prefix } | undefined;
  /** By an underlay or public address; of several the first. */
  byOuterAddress(address: Address): ClusterNode | undefined;
}

const indexes = new WeakMap<NodeTable, NodeIndex>();

export function nodeIndex(nodes: NodeTable): NodeIndex {
  let index = indexes.get(nodes);
  if (index === undefined) indexes.set(nodes, (index = indexOf(nodes)));
  return index;
}

function indexOf(nodes: NodeTable): NodeIndex {
  const owners = new Map<string, ClusterNode>();
  const outer = new Map<string, ClusterNode>();
  const lengths: Readonly<Record<Family, Set<number>>> = { 4: new Set(), 6: new Set() };
  for (const node of nodes.values()) {
    for (const { text, length, family } of node.overlay) {
      owners.set(text, node);
      lengths[family].add(length);
    }
    for (const { address } of node.underlay)
      if (!outer.has(address.text)) outer.set(address.text, node);
    for (const { text } of node.publicAddresses) if (!outer.has(text)) outer.set(text, node);
  }
  const longestFirst = {
    4: [...lengths[4]].sort((a, b) => b - a),
    6: [...lengths[6]].sort((a, b) => b - a),
  };
  return {
    ownerOf(address) {
      for (const length of longestFirst[address.family]) {
        const { text } = prefixOf(address, length);
        const node = owners.get(text);
        const prefix = node?.overlay.find((own) => own.text === text);
        if (node !== undefined && prefix !== undefined) return { node, prefix };
      }
      return undefined;
    },
    byOuterAddress: (address) => outer.get(address.text),
  };
}
