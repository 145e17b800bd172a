/** What the parts of the diagnosis by probes are asked, and what they have in common. */
import type { Mode } from '../../encap/mode.js';
import type { FindingCode } from './codes.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Direction, Evidence, ProbeEvidence } from './evidence.js';
import type { Suspect } from './from-state.js';
import { arrived, probeText } from './loss.js';

/** What the two nodes are to each other, as the report has it. */
export interface PairFacts {
  readonly from: string;
  readonly to: string;
  readonly modes: Readonly<Record<Direction, Mode | null>>;
  /** Native packets go straight to the other node, through no router. */
  readonly adjacent: boolean;
  /** A provider at either end drops addresses that are not the NIC's own, unless told not to. */
  readonly checksAddresses: boolean;
}

export interface ProbeQuestion {
  readonly evidence: Evidence;
  readonly facts: PairFacts;
  readonly suspects: readonly Suspect[];
  /** The findings of the state, by suspect; evidence is added to them. */
  readonly drafts: ReadonlyMap<Suspect, Draft>;
}

export const directions = ['there', 'back'] as const;

/** Differences that no packet minds. */
const mild: ReadonlySet<FindingCode> = new Set([
  'device-differs',
  'fdb-foreign',
  'nic-mtu-small',
  'path-mtu-learned',
  'reverse-path-differs',
  'host-setting-differs',
  'masquerade-hits-overlay',
  'echo-ignored',
]);

export function isMild(suspect: Suspect): boolean {
  return mild.has(suspect.code);
}

/** Something that could not be judged, and packets are missing right there. */
export function promoted(
  suspect: Suspect,
  base: Pick<Draft, 'direction' | 'evidence' | 'lostBetween'>,
): Draft {
  return draft(suspect.code, {
    ...base,
    place: suspect.side === 'from' ? 14 : 34,
    node: suspect.node,
    stage: suspect.report.stage,
    health: 'BROKEN',
    text: `${suspect.node}: ${suspect.report.actual ?? suspect.report.key}`,
    report: suspect.report,
  });
}

/** What passes the same way all the same, as contrast. */
export function passing(evidence: Evidence, direction: Direction): readonly string[] {
  return evidence.probes
    .filter(
      (probe) =>
        (probe.direction === direction ||
          probe.layer === 'underlay' ||
          probe.layer === 'control') &&
        (probe.direction === 'round-trip' ? probe.answered > 0 : arrived(probe)),
    )
    .map(probeText);
}

/** What chance does more often than this proves nothing. */
const chanceAllowed = 0.01;

/**
 * Could all packets of this probe be lost as others are, some and not all? Judged by those that fare
 * worst: loss may be of one direction only, and of one of several paths.
 */
export function mayBeChance(evidence: Evidence, probe: ProbeEvidence): boolean {
  const rates = evidence.probes
    .filter((other) => other.layer !== 'size' && other.layer !== probe.layer && other.sent > 0)
    .map((other) => passedOf(other) / other.sent)
    .filter((rate) => rate > 0);
  return rates.length > 0 && (1 - Math.min(...rates)) ** probe.sent >= chanceAllowed;
}

function passedOf(probe: ProbeEvidence): number {
  return probe.direction === 'round-trip'
    ? probe.answered
    : (probe.seen['receiver-nic'] ?? probe.seen['receiver-tunnel'] ?? 0);
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
