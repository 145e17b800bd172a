/**
 * What would have to be different for another mode to be chosen, as data: the smallest change of
 * the cluster file for each, decided anew before it is told.
 */
import { smallestFlips } from '../encap/counterfactual/flip.js';
import { describeChange, describeFlip } from '../encap/counterfactual/words.js';
import type { ClusterNode, Snapshot } from '../encap/cluster.js';
import type { Decision } from '../encap/trail.js';
import type { UnderlayTable } from '../encap/underlay/index.js';
import type { FlipReport, UnflippableReport } from './explain-report.js';

export interface FlipsInput {
  readonly snapshot: Snapshot;
  readonly from: ClusterNode;
  readonly owner: ClusterNode | undefined;
  readonly facts?: UnderlayTable | undefined;
}

export interface Flips {
  readonly flips: readonly FlipReport[];
  readonly unflippable: readonly UnflippableReport[];
}

export const noFlips: Flips = Object.freeze({ flips: [], unflippable: [] });

/** The last answer about a snapshot: one is asked about many addresses of a prefix. */
const last = new WeakMap<FlipsInput['snapshot'], { readonly key: string; readonly flips: Flips }>();

export function explainFlips(decision: Decision, input: FlipsInput): Flips {
  const { snapshot, from, owner, facts } = input;
  if (owner === undefined) return noFlips;
  // Other facts than the built-in ones are no part of the key.
  if (facts !== undefined) return searchFlips(decision, { ...input, owner });
  const key = `${from.name} ${decision.prefix.text} ${owner.name}`;
  const known = last.get(snapshot);
  if (known?.key === key) return known.flips;
  const flips = searchFlips(decision, { ...input, owner });
  last.set(snapshot, { key, flips });
  return flips;
}

function searchFlips(
  decision: Decision,
  input: FlipsInput & { readonly owner: ClusterNode },
): Flips {
  const { snapshot, from, owner, facts } = input;
  const question = { from, prefix: decision.prefix, owner };
  const flips: FlipReport[] = [];
  const unflippable: UnflippableReport[] = [];
  for (const flip of smallestFlips(snapshot, question, facts === undefined ? {} : { facts })) {
    const text = describeFlip(flip, snapshot.cluster);
    if (!flip.possible) {
      unflippable.push({ mode: flip.mode, text });
      continue;
    }
    const { verdict } = flip.decision;
    flips.push({
      mode: flip.mode,
      text,
      changes: flip.changes.map((change) => describeChange(change, snapshot.cluster)),
      verified: true,
      mtu: verdict.kind === 'forward' ? verdict.mtu : null,
    });
  }
  return { flips, unflippable };
}
