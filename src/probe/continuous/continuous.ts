/**
 * Continuous probes: rounds of a few marked packets to peers, along the ways that their traffic takes,
 * counted by the peers. What they find are facts of the snapshot, told to the decision when they
 * change; the decision, and never this, says what follows from them.
 *
 * One step a peer: the way in use carries a train of small packets and one of full size; lost ways
 * whose time has come are tried with packets made for them, beside the traffic and not instead of it.
 */
import type { Family } from '../../../encap/address.js';
import type { Cluster, PeerProbes, ProbeResults } from '../../../encap/cluster.js';
import type { Carriage, CarriageKey, Mode } from '../../../encap/mode.js';
import { carriageKey } from '../../../encap/mode.js';
import { overheadBytes } from '../../../encap/mtu.js';
import type { Decision } from '../../../encap/trail.js';
import { stepOf } from '../../../encap/trail.js';
import type { Clock } from '../../../routes/reconciler.js';
import { PathWatch } from './path-watch.js';
import type { ScheduleOptions } from './schedule.js';
import { jittered, nextRound, scheduleDefaults } from './schedule.js';
import type { WayHealthOptions } from './way-health.js';
import { wayHealthDefaults } from './way-health.js';

/** Packets of one way: sent here, and counted by the peer. */
export interface Count {
  /** 0: this way cannot be probed here. */
  readonly sent: number;
  /** Undefined: the peer did not say. */
  readonly delivered: number | undefined;
}

export interface ProbeCount {
  readonly sent: number;
  readonly lost: number;
}

export interface PathQuestion {
  readonly peer: string;
  /** The way that traffic takes. */
  readonly used: Carriage;
  /** Whole inner IP packets in bytes, never fragmented, sent beside the small ones. */
  readonly fullBytes: number;
  /** Full packets go as traffic does, or are made for the way where its route has a limit. */
  readonly fullPath: 'routed' | 'crafted';
  /** Ways that traffic does not take, to be tried with packets made for them. */
  readonly crafted: readonly Carriage[];
  readonly packets: number;
}

export interface PathCounts {
  readonly small: Count;
  readonly full: Count;
  readonly crafted: ReadonlyMap<CarriageKey, Count>;
}

export interface PathProber {
  probe(question: PathQuestion): Promise<PathCounts>;
  /** Largest inner packet that arrives, up to `upToBytes`; undefined: none did. */
  largest(question: {
    readonly peer: string;
    readonly carriage: Carriage;
    readonly upToBytes: number;
  }): Promise<number | undefined>;
}

export interface ContinuousOptions {
  readonly self: string;
  readonly prober: PathProber;
  readonly clock: Clock;
  readonly random: () => number;
  /** What the node sends by now; undefined: nothing is decided yet. */
  readonly current: () =>
    { readonly cluster: Cluster; readonly decisions: ReadonlyMap<string, Decision> } | undefined;
  readonly onChange: (results: ReadonlyMap<string, PeerProbes>) => void;
  readonly health?: WayHealthOptions;
  readonly schedule?: ScheduleOptions;
}

/** Of each kind; three rounds of them must be lost whole before anything follows. */
const packetsPerTrain = 3;
/** A peer that stopped answering amid a first sign must not keep the others waiting. */
const againMax = 4;

export class ContinuousProbes {
  readonly #options: ContinuousOptions;
  readonly #watches = new Map<string, PathWatch>();
  #results: ReadonlyMap<string, PeerProbes> = new Map();
  #round = 0;
  #queue: string[] = [];
  #stepMs = scheduleDefaults.roundMs;
  #leastStepMs = scheduleDefaults.roundMs;
  /** How often a peer was probed again in this round. */
  readonly #again = new Map<string, number>();
  #packetsPerSecond = 0;
  readonly #sums = new Map<Mode, ProbeCount>();
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  /** While it is held nothing new is concluded, and nothing is sent. */
  #held = false;

  constructor(options: ContinuousOptions) {
    this.#options = options;
  }

  get results(): ProbeResults['peers'] {
    return this.#results;
  }

  get packetsPerSecond(): number {
    return this.#packetsPerSecond;
  }

  /** Packets that peers answered for since the start, by mode. */
  get counts(): ReadonlyMap<Mode, ProbeCount> {
    return this.#sums;
  }

  get watches(): ReadonlyMap<string, PathWatch> {
    return this.#watches;
  }

  start(): void {
    this.#arm(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  hold(held: boolean): void {
    this.#held = held;
  }

  #arm(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.setTimer(() => void this.#step(), delayMs);
  }

  async #step(): Promise<void> {
    const { random, health = wayHealthDefaults } = this.#options;
    try {
      const peer = this.#held ? undefined : this.#nextPeer();
      if (peer !== undefined) await this.#probe(peer);
      if (peer !== undefined && this.#wantsMore(peer)) {
        this.#queue.unshift(peer);
        this.#arm(jittered(Math.max(this.#leastStepMs, health.confirmMs), random));
        return;
      }
    } catch {
      // The agent is stopping, or the cluster has changed meanwhile: the next step sees it.
    }
    this.#arm(jittered(this.#stepMs, random));
  }

  /** A first sign of a change is looked into at once, and not a round later. */
  #wantsMore(peer: string): boolean {
    if (this.#watches.get(peer)?.undecided !== true) return false;
    const again = (this.#again.get(peer) ?? 0) + 1;
    this.#again.set(peer, again);
    return again <= againMax;
  }

  #nextPeer(): string | undefined {
    const current = this.#options.current();
    if (current === undefined) return undefined;
    if (this.#queue.length === 0) {
      const { cluster } = current;
      this.#forget(cluster);
      const suspects = new Set(
        [...this.#watches].filter(([, watch]) => watch.suspect).map(([name]) => name),
      );
      const question = { cluster, self: this.#options.self, round: this.#round++, suspects };
      const round = nextRound(question, this.#options.schedule ?? scheduleDefaults);
      this.#queue = [...round.peers];
      this.#stepMs = round.stepMs;
      this.#leastStepMs = round.leastStepMs;
      this.#again.clear();
      this.#packetsPerSecond = round.peers.length === 0 ? 0 : round.packetsPerSecond;
    }
    return this.#queue.shift();
  }

  async #probe(peer: string): Promise<void> {
    const watch = this.#watches.get(peer) ?? new PathWatch(this.#options.health);
    this.#watches.set(peer, watch);
    const used = this.#usedWays(peer);
    const inUse = new Set(used.map(({ carriage }) => carriageKey(carriage)));
    const due = watch.due(this.#options.clock.now()).filter((key) => !inUse.has(key));
    for (const way of used) {
      const crafted = due.map(carriageOf).filter(({ inner }) => inner === way.carriage.inner);
      await this.#probeWay(watch, { peer, way, crafted });
    }
    this.#publish(peer, watch);
  }

  async #probeWay(
    watch: PathWatch,
    of: { readonly peer: string; readonly way: UsedWay; readonly crafted: readonly Carriage[] },
  ): Promise<void> {
    const { prober, clock } = this.#options;
    const { peer, way, crafted } = of;
    const { carriage, believedBytes, mtu } = way;
    const { outer } = carriage;
    // A limit that was measured stands until its next try is due.
    const limited = watch.measured(outer) !== undefined;
    const retry = limited && watch.sizeDue(outer, clock.now());
    const counts = await prober.probe({
      peer,
      used: carriage,
      fullBytes: retry ? believedBytes : mtu,
      fullPath: retry ? 'crafted' : 'routed',
      crafted,
      packets: packetsPerTrain,
    });
    const atMs = clock.now();
    watch.noteWay(carriageKey(carriage), { atMs, ...counts.small });
    this.#sum(carriage.mode, counts.small);
    for (const [key, count] of counts.crafted) {
      watch.noteWay(key, { atMs, ...count });
      this.#sum(carriageOf(key).mode, count);
    }
    const arrived = counts.small.delivered !== undefined && counts.small.delivered > 0;
    if (!arrived || (limited && !retry)) return;
    const size = watch.noteSize(outer, { atMs, ...counts.full });
    if (size.state === 'good' || counts.full.delivered !== 0) return;
    const inner = await prober.largest({ peer, carriage, upToBytes: believedBytes });
    if (inner === undefined || inner >= believedBytes) return;
    const text = `packets of ${inner} bytes arrive, of ${believedBytes} do not`;
    watch.noteMeasured(outer, { bytes: inner + overheadBytes(carriage), text });
  }

  #sum(mode: Mode, { sent, delivered }: Count): void {
    if (delivered === undefined) return;
    const before = this.#sums.get(mode) ?? { sent: 0, lost: 0 };
    const lost = Math.max(0, sent - delivered);
    this.#sums.set(mode, { sent: before.sent + sent, lost: before.lost + lost });
  }

  #usedWays(peer: string): readonly UsedWay[] {
    const current = this.#options.current();
    const node = current?.cluster.nodes.get(peer);
    const ways = new Map<Family, UsedWay>();
    for (const prefix of node?.overlay ?? []) {
      const decision = current!.decisions.get(prefix.text);
      if (decision?.owner !== peer || decision.verdict.kind !== 'forward') continue;
      const { carriage, mtu } = decision.verdict;
      const believedBytes = believed(decision) ?? mtu;
      if (!ways.has(carriage.inner)) ways.set(carriage.inner, { carriage, mtu, believedBytes });
    }
    return [...ways.values()];
  }

  #publish(peer: string, watch: PathWatch): void {
    const now = watch.results();
    if (JSON.stringify(now) === JSON.stringify(this.#results.get(peer))) return;
    const results = new Map(this.#results);
    if (now === undefined) results.delete(peer);
    else results.set(peer, now);
    this.#results = results;
    this.#options.onChange(results);
  }

  /** Peers that have left are forgotten. */
  #forget(cluster: Cluster): void {
    const gone = [...this.#watches.keys()].filter((name) => cluster.nodes.get(name) === undefined);
    if (gone.length === 0) return;
    for (const name of gone) this.#watches.delete(name);
    const left = new Map([...this.#results].filter(([name]) => !gone.includes(name)));
    if (left.size === this.#results.size) return;
    this.#results = left;
    this.#options.onChange(left);
  }
}

interface UsedWay {
  readonly carriage: Carriage;
  readonly mtu: number;
  /** Largest inner packet by everything but our own measurements. */
  readonly believedBytes: number;
}

function believed(decision: Decision): number | undefined {
  const ledger = stepOf(decision, 'mtu')?.ledger;
  if (ledger === undefined) return undefined;
  const limits = ledger.limits.filter(({ what }) => what !== 'measured').map(({ bytes }) => bytes);
  const overhead = ledger.overhead.reduce((sum, { bytes }) => sum + bytes, 0);
  return Math.min(...limits) - overhead;
}

export function carriageOf(key: CarriageKey): Carriage {
  const [mode, outer, inner] = key.split(':') as [Carriage['mode'], '4' | '6', '4' | '6'];
  return { mode, outer: outer === '4' ? 4 : 6, inner: inner === '4' ? 4 : 6 };
}
