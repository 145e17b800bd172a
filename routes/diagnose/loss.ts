/**
 * Where packets of one direction are missing, and which stages could have taken them.
 *
 * A packet makes five hops, each named by the place that it arrives at:
 *
 *     0 sender-tunnel   1 sender-nic   2 receiver-nic   3 receiver-tunnel   4 delivered
 *
 * A probe that was looked for in some of the places only bounds the loss: between the last place
 * where it was seen and the first where it was not lie one or more hops.
 */
import type { Direction, Place, ProbeEvidence, Stage } from './evidence.js';
import { places } from './evidence.js';

export interface Loss {
  readonly probe: ProbeEvidence;
  /** Null: before the first place, inside of the sender. */
  readonly after: Place | null;
  readonly before: Place;
  readonly hops: ReadonlySet<number>;
  readonly lost: number;
  /** None of them arrived. */
  readonly total: boolean;
}

/** The first place where packets of a one-way probe are missing; undefined when none are. */
export function lossOf(probe: ProbeEvidence): Loss | undefined {
  let after: Place | null = null;
  let reached = probe.sent;
  for (const place of places) {
    const seen = probe.seen[place];
    if (seen === undefined) continue;
    if (seen < reached) {
      const first = after === null ? 0 : places.indexOf(after) + 1;
      const last = places.indexOf(place);
      const hops = new Set<number>();
      for (let hop = first; hop <= last; hop++) hops.add(hop);
      return { probe, after, before: place, hops, lost: reached - seen, total: seen === 0 };
    }
    after = place;
    // Seen twice is a copy, not a gain.
    reached = Math.min(reached, seen);
  }
  return undefined;
}

/** Did all of them arrive, as far as somebody looked at the end? */
export function arrived(probe: ProbeEvidence): boolean {
  if (probe.sent === 0) return false;
  if (probe.direction === 'round-trip') return probe.answered >= probe.sent;
  const end = probe.seen.delivered ?? probe.seen['receiver-tunnel'];
  return end === undefined ? false : end >= probe.sent && lossOf(probe) === undefined;
}

const senderHops: Readonly<Partial<Record<Stage, readonly number[]>>> = {
  forwarding: [0],
  'policy-rule': [0, 1, 2],
  route: [0, 1, 2],
  device: [0, 1, 2, 3],
  address: [0, 1],
  neighbour: [1, 2, 3, 4],
  fdb: [1, 2],
  'own-filter': [0, 1],
  'foreign-filter': [0, 1, 2, 3, 4],
  'underlay-route': [1, 2],
  nic: [1, 2],
  conntrack: [0, 1],
};
const receiverHops: Readonly<Partial<Record<Stage, readonly number[]>>> = {
  nic: [2, 3],
  'own-filter': [3, 4],
  'foreign-filter': [3, 4],
  device: [3, 4],
  address: [3, 4],
  'reverse-path': [3, 4],
  conntrack: [3, 4],
  forwarding: [4],
  'policy-rule': [3, 4],
  route: [3, 4],
  delivery: [4],
};
/** Asked by the reverse-path filter about the way back: they take arrivals, whichever way they lead. */
export const wayBackStages: ReadonlySet<Stage> = new Set(['route', 'policy-rule']);
/** Packets made for the underlay pass none of the stages that lead into a tunnel. */
const craftedStages: ReadonlySet<Stage> = new Set([
  'underlay-route',
  'nic',
  'foreign-filter',
  'own-filter',
  'conntrack',
]);

/** Could a stage in this state, at this end of the direction, have taken these packets? */
export function couldTake(
  loss: Loss,
  at: { readonly stage: Stage; readonly end: 'sender' | 'receiver' },
): boolean {
  if (
    at.end === 'sender' &&
    loss.probe.path === 'crafted' &&
    loss.probe.layer === 'tunnel' &&
    !craftedStages.has(at.stage)
  )
    return false;
  const hops = (at.end === 'sender' ? senderHops : receiverHops)[at.stage] ?? [];
  return hops.some((hop) => loss.hops.has(hop));
}

/** Packets that a probe makes itself come from the node: these stages are for those of workloads. */
export const workloadStages: ReadonlySet<Stage> = new Set(['forwarding', 'foreign-filter']);

export function endOf(side: 'from' | 'to', direction: Direction): 'sender' | 'receiver' {
  return (side === 'from') === (direction === 'there') ? 'sender' : 'receiver';
}

/** `tunnel there: 5 sent, seen 5 sender-nic, 0 receiver-nic`. */
export function probeText(probe: ProbeEvidence): string {
  const what = [
    probe.path === 'crafted' && probe.layer === 'tunnel' ? 'crafted' : '',
    probe.mode ?? '',
    probe.layer === 'tunnel'
      ? 'packets'
      : probe.layer === 'size'
        ? `${probe.packetBytes} B echo`
        : `${probe.layer} probe`,
    probe.direction === 'round-trip' ? '' : probe.direction,
  ].filter((word) => word !== '');
  const seen = places.flatMap((place) => {
    const count = probe.seen[place];
    return count === undefined ? [] : [`${count} at ${place}`];
  });
  const end =
    probe.direction === 'round-trip'
      ? [`${probe.answered} answered`]
      : seen.length > 0
        ? [`seen ${seen.join(', ')}`]
        : [];
  const errors = [...new Set(probe.errors)];
  return `${what.join(' ')}: ${[`${probe.sent} sent`, ...end, ...errors].join(', ')}`;
}
