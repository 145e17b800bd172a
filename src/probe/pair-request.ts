/** From what a node has decided to what its prober is asked about one pair. */
import type { Family } from '../../encap/address.js';
import { modes } from '../../encap/mode.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import { pairOf } from '../../routes/diagnose/index.js';
import type { NodeReading } from '../explain/reading.js';
import type { CraftedWay, PairProbeRequest, Way } from './pair-probe.js';

export interface PairRequestQuestion {
  readonly peer: string;
  readonly family: Family;
  readonly count: number;
  /** Also try packets made by hand, of every mode: what does the underlay carry? */
  readonly craft: boolean;
  /** Native ones too where nothing goes natively: the peer's guard counts them as an attack. */
  readonly native?: boolean;
}

/** Undefined when the peer is not in the cluster. */
export function pairRequest(
  reading: Pick<NodeReading, 'snapshot' | 'node' | 'desired'>,
  question: PairRequestQuestion,
): PairProbeRequest | undefined {
  const { snapshot, node, desired } = reading;
  const { peer, family, count, craft } = question;
  const pair = pairOf({ snapshot, self: node, desired, peer, family, role: 'from' });
  if (pair === undefined) return undefined;
  const ends = pair.out && stepOf(pair.out, 'membership')?.ends;
  // Elsewhere it would only be dropped by the guards, and counted by them as an attack.
  const native =
    question.native === true ||
    [pair.out, pair.back].some((decision) => wayOf(decision)?.mode === 'native');
  const crafted = (ends ?? []).flatMap((end): CraftedWay[] =>
    modes
      .filter((mode) => mode !== 'native' || (native && end.family === family))
      .map((mode) => ({ mode, outerFamily: end.family })),
  );
  return {
    peer,
    family,
    there: wayOf(pair.out),
    back: wayOf(pair.back),
    crafted: craft ? crafted : [],
    ...(ends === undefined ? {} : { ends }),
    count,
  };
}

function wayOf(decision: Decision | undefined): Way | undefined {
  if (decision?.verdict.kind !== 'forward') return undefined;
  const { carriage, mode, mtu } = decision.verdict;
  return { mode, outerFamily: carriage.outer, mtu };
}
