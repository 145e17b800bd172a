/**
 * What a plan receives and sends, in the words in which a node tells the others (`Term`): read off
 * the kernel objects and the guard's specification, so that it is what the kernel has once the plan
 * has been carried out, whatever the configuration wished for.
 */
import type { SpokenPlan, SpokenShare, SpokenTerms } from './spoken-tally.js';
import { SpokenTally } from './spoken-tally.js';

export type { SpokenTerms } from './spoken-tally.js';

/** Of plans that somebody has asked about. */
const tallies = new WeakMap<SpokenPlan, SpokenTally>();

export function spokenTerms(plan: SpokenPlan): SpokenTerms {
  const tally = tallies.get(plan) ?? new SpokenTally(plan);
  tallies.set(plan, tally);
  return tally.terms;
}

/** One plan has become the other by these peers alone: what is known of it holds on. */
export function carrySpoken(
  { from, to }: { readonly from: SpokenPlan; readonly to: SpokenPlan },
  shares: { readonly gone: SpokenShare; readonly come: SpokenShare },
): void {
  const tally = tallies.get(from);
  if (tally === undefined) return;
  tally.exchange(shares);
  tallies.delete(from);
  tallies.set(to, tally);
}
