/** Which prefixes a fabric has to know, and which nodes may have them in a table that is too small. */
import { type ClusterNode, underlayAddress } from '../../encap/cluster.js';
import type { Prefix } from '../../encap/prefix.js';

/** Overlay prefixes whose family the node has an underlay address of: others never travel bare. */
export function routedPrefixes(node: ClusterNode): readonly Prefix[] {
  return node.overlay.filter((prefix) => underlayAddress(node, prefix.family) !== undefined);
}

export interface Claim {
  readonly node: string;
  /** Routes that the node needs, and those of them that the table has already. */
  readonly wanted: number;
  readonly present: number;
}

/**
 * The nodes whose routes fit below the limit. Who is in stays in, as peers send to it natively at
 * this moment; what is left goes by name, so that every node comes to the same answer.
 */
export function admitted(claims: readonly Claim[], limit: number): ReadonlySet<string> {
  const held = (claim: Claim): number =>
    claim.present > 0 && claim.present >= claim.wanted ? 0 : 1;
  const order = [...claims].sort(
    (a, b) => held(a) - held(b) || (a.node < b.node ? -1 : a.node > b.node ? 1 : 0),
  );
  const inside = new Set<string>();
  let left = limit;
  for (const claim of order) {
    if (claim.wanted > left) continue;
    left -= claim.wanted;
    inside.add(claim.node);
  }
  return inside;
}
