/** From what was remembered of changes (routes/changeover.ts) to what has to be remembered now. */
import type { Cluster } from '../../encap/cluster.js';
import type { ChangeoverClock, TermsHistory } from '../../routes/changeover.js';
import {
  admittedVxlan,
  pruned,
  vxlanKey,
  withLedTerms,
  withTerms,
  withoutUnmade,
} from '../../routes/changeover.js';
import type { OtherSide } from '../../routes/other-side.js';
import {
  segmentsInKernel,
  termsInKernel,
  underlayTerms,
  vxlanInKernel,
} from '../../routes/overlap.js';
import { askable } from '../../routes/receive.js';
import type { Rib } from '../../routes/rib.js';
import type { KernelState } from '../../tunnel/kernel.js';

export interface RememberQuestion {
  readonly before: TermsHistory;
  /** There is a record that must not be used. */
  readonly refused: boolean;
  readonly cluster: Cluster;
  readonly rib: Rib;
  /** Of a change that is led. */
  readonly other: OtherSide | undefined;
  readonly state: KernelState;
  readonly clock: ChangeoverClock;
}

export function nextHistory(question: RememberQuestion): TermsHistory {
  const { before, refused, cluster, rib, other, state, clock } = question;
  const receives = [...askable(cluster, rib)].sort();
  const underlay = underlayTerms(cluster);
  let known = pruned(before, clock);
  if (known.length === 0 && refused) {
    known = termsInKernel(state, cluster).map((terms) => ({ sinceMs: 0, terms }));
  } else if (known.length === 0) {
    // No record, as after an upgrade: the kernel tells what peers send with.
    const vxlan = vxlanInKernel(state);
    if (vxlan !== undefined && vxlanKey(vxlan) !== vxlanKey(cluster.vxlan))
      known = [{ sinceMs: 0, terms: { vxlan, receives, underlay } }];
  }
  known = withoutUnmade(known, {
    wanted: cluster.vxlan,
    present: segmentsInKernel(state),
    clock,
  });
  const { nowMs, led: phase } = clock;
  // What is sent by at once has its slot.
  const isAgreed = phase === 'switch' || phase === 'settled';
  const vxlan = isAgreed ? cluster.vxlan : admittedVxlan(known, cluster.vxlan);
  const terms = { vxlan, receives, underlay };
  return phase === undefined
    ? withTerms(known, { terms, nowMs })
    : withLedTerms(known, { phase, terms, other: other?.terms, nowMs });
}
