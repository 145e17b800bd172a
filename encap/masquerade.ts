/**
 * Which of a node's overlay prefixes leave the overlay under an address of the node's: without
 * that nobody outside can answer a workload.
 *
 * Unless the file says otherwise these are the prefixes of private addresses (RFC 1918, RFC 6598,
 * RFC 4193), for which there are no routes outside. Public ones were given to workloads so that
 * they are seen, and whoever handed them out routes them.
 */
import type { Cluster, ClusterNode, Masquerade } from './cluster.js';
import type { Prefix } from './prefix.js';
import { parsePrefix, prefixCovers } from './prefix.js';

export const privatePrefixes: readonly Prefix[] = Object.freeze(
  ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(parsePrefix),
);

export const everyPrefix: readonly Prefix[] = Object.freeze(['0.0.0.0/0', '::/0'].map(parsePrefix));

export const defaultMasquerade: Masquerade = Object.freeze({
  sources: privatePrefixes,
  exclude: Object.freeze([]),
});

/** Nothing to translate: `sources` is empty. */
export function masqueradeOf(cluster: Cluster, node: ClusterNode): Masquerade {
  const { sources, exclude } = cluster.masquerade ?? defaultMasquerade;
  if (node.masquerade === false) return { sources: [], exclude };
  if (node.masquerade === true) return { sources: node.overlay, exclude };
  return { sources: node.overlay.flatMap((own) => common(own, sources)), exclude };
}

/** What both the prefix and one of the others hold. */
function common(prefix: Prefix, others: readonly Prefix[]): readonly Prefix[] {
  if (others.some((other) => prefixCovers(other, prefix))) return [prefix];
  return others.filter((other) => prefixCovers(prefix, other));
}
