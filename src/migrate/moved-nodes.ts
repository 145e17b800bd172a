/**
 * Nodes that a configuration lists at other places than the one before. The phases of a change speak
 * of rules and segments; an address has to be accepted by every peer before anybody sends from it.
 */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';

/** Names that a person reads; the rest is of the same kind. */
const shown = 4;

/** Names of nodes that both list, with other underlay addresses. */
export function movedNodes(old: Cluster, next: Cluster): readonly string[] {
  const moved = [...next.nodes.values()].flatMap(({ name }) => {
    const before = old.nodes.get(name);
    return before === undefined || textOf(before) === textOf(next.nodes.get(name)!) ? [] : [name];
  });
  const rest = moved.length - shown;
  return rest > 0 ? [...moved.slice(0, shown), `${rest} more`] : moved;
}

function textOf({ underlay }: ClusterNode): string {
  return underlay.map(({ address, length }) => `${address.text}/${length}`).join();
}
