/** What the rules want of a node's attachment to its cloud. Pure. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { adjacent, siteOf } from '../../encap/relation.js';
import { ruleMismatch } from '../../encap/rules.js';
import { underlayFacts } from '../../encap/underlay/index.js';

/**
 * Does a rule ask for native routing to this node from another subnet of its provider? Then the
 * fabric must know its prefixes. `auto` alone is no reason to write routes: it has other ways.
 */
export function wantsFabricRoutes(cluster: Cluster, self: ClusterNode): boolean {
  if (!cluster.rules.some((rule) => rule.mode === 'native')) return false;
  const to = siteOf(cluster, self);
  const facts = underlayFacts[to.zone.provider];
  for (const node of cluster.nodes.values()) {
    if (node.name === self.name || node.withdrawn) continue;
    const from = siteOf(cluster, node);
    if (from.zone.provider !== to.zone.provider) continue;
    for (const family of new Set(self.overlay.map((prefix) => prefix.family))) {
      const rule = cluster.rules.find(
        (one) => ruleMismatch(one, { from, to, family }) === undefined,
      );
      if (rule?.mode !== 'native') continue;
      if (!adjacent(from, to, { family, factsA: facts, factsB: facts })) return true;
    }
  }
  return false;
}
