/**
 * Whom to probe in a round, and how long a round may take.
 *
 * Every zone is asked in every round, by a few of its nodes; which ones changes from round to round,
 * so that in time each peer has its turn, and differs from node to node, so that no peer is asked by
 * everybody at once. Peers under suspicion come first, and a zone with a suspect is asked by more of
 * its nodes: one dead machine and one closed firewall look alike until a neighbour has been asked.
 *
 * The packets a second are bounded: more peers make a round longer, and never the load higher.
 */
import { createHash } from 'node:crypto';
import type { Cluster } from '../../../encap/cluster.js';

export interface ScheduleOptions {
  readonly perZone: number;
  /** Of a zone that has a suspect. */
  readonly perSuspectZone: number;
  readonly packetsPerPeer: number;
  readonly packetsPerSecond: number;
  readonly roundMs: number;
}

export const scheduleDefaults: ScheduleOptions = {
  perZone: 2,
  perSuspectZone: 6,
  packetsPerPeer: 20,
  packetsPerSecond: 50,
  roundMs: 10_000,
};

export interface Round {
  /** In the order in which to probe them. */
  readonly peers: readonly string[];
  /** From one peer to the next, before jitter. */
  readonly stepMs: number;
  /** What the packets a second allow at best. */
  readonly leastStepMs: number;
  /** What it amounts to, for whoever wants to know. */
  readonly packetsPerSecond: number;
}

export interface RoundQuestion {
  readonly cluster: Cluster;
  readonly self: string;
  /** Counts up. */
  readonly round: number;
  readonly suspects: ReadonlySet<string>;
}

export function nextRound(
  question: RoundQuestion,
  options: ScheduleOptions = scheduleDefaults,
): Round {
  const { cluster, self, suspects } = question;
  const zones = new Map<string, string[]>();
  for (const node of cluster.nodes.values()) {
    if (node.name === self || node.withdrawn || node.overlay.length === 0) continue;
    const names = zones.get(node.zone);
    if (names === undefined) zones.set(node.zone, [node.name]);
    else names.push(node.name);
  }
  const chosen: string[] = [];
  for (const names of zones.values()) {
    const suspected = names.some((name) => suspects.has(name));
    const wanted = suspected ? options.perSuspectZone : options.perZone;
    chosen.push(...turnOf(names, { question, wanted }));
  }
  const first = chosen.filter((name) => suspects.has(name));
  const missing = [...suspects].filter((name) => isPeer(name, question) && !first.includes(name));
  const peers = [...first, ...missing, ...chosen.filter((name) => !suspects.has(name))];
  const leastStepMs = (1_000 * options.packetsPerPeer) / options.packetsPerSecond;
  const stepMs = Math.max(leastStepMs, options.roundMs / Math.max(1, peers.length));
  return {
    peers,
    stepMs,
    leastStepMs,
    packetsPerSecond: (1_000 * options.packetsPerPeer) / stepMs,
  };
}

/** Spread evenly from half to one and a half of the step, so that nodes do not march in step. */
export function jittered(stepMs: number, random: () => number): number {
  return stepMs * (0.5 + random());
}

function isPeer(name: string, { cluster, self }: RoundQuestion): boolean {
  const node = cluster.nodes.get(name);
  return node !== undefined && name !== self && !node.withdrawn && node.overlay.length > 0;
}

/** A window that moves over the zone's nodes, begun at a place of this node's own. */
function turnOf(
  names: readonly string[],
  of: { readonly question: RoundQuestion; readonly wanted: number },
): readonly string[] {
  const { question, wanted } = of;
  if (names.length <= wanted) return names;
  const start = offsetOf(question.self, names.length) + question.round * wanted;
  return Array.from({ length: wanted }, (_, i) => names[(start + i) % names.length]!);
}

function offsetOf(self: string, size: number): number {
  return createHash('sha256').update(self).digest().readUInt32BE(0) % size;
}
