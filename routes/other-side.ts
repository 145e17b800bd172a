/**
 * The other configuration of a change that is led: what it may ask to be received here, over the
 * same nodes and the same facts of this machine.
 */
import type { Cluster, LocalFacts } from '../encap/cluster.js';
import type { Terms, TermsHistory } from './changeover.js';
import { admittedVxlan, vxlanKey } from './changeover.js';
import { underlayTerms } from './overlap.js';
import { askable } from './receive.js';
import { Rib } from './rib.js';

export interface OtherSide {
  readonly rib: Rib;
  readonly terms: Terms;
}

/** Undefined when nobody leads a change, or when it is settled. */
export function otherSide(
  cluster: Cluster,
  { self, local }: { readonly self: string; readonly local: LocalFacts },
): OtherSide | undefined {
  const { changeover, nodes } = cluster;
  if (changeover?.other === undefined) return undefined;
  const other: Cluster = { ...changeover.other, nodes };
  const rib = new Rib(self);
  rib.build({ cluster: other, local });
  return {
    rib,
    terms: {
      vxlan: other.vxlan,
      receives: [...askable(other, rib)].sort(),
      underlay: underlayTerms(cluster),
    },
  };
}

/**
 * The terms that are prepared beside this history; undefined in every other phase. A third segment
 * has no slot yet, and then the phase is not carried out: see `isWhole`.
 */
export function preparedTerms(
  history: TermsHistory,
  side: { readonly cluster: Cluster; readonly other: OtherSide | undefined },
): { readonly terms: Terms; readonly isWhole: boolean } | undefined {
  const { cluster, other } = side;
  if (cluster.changeover?.phase !== 'prepare' || other === undefined) return undefined;
  const vxlan = admittedVxlan(history, other.terms.vxlan);
  return {
    terms: { ...other.terms, vxlan },
    isWhole: vxlanKey(vxlan) === vxlanKey(other.terms.vxlan),
  };
}
