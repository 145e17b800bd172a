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
import type { Carriage, CarriageKey } from '../../../encap/mode.js';
import { carriageKey } from '../../../encap/mode.js';
import { overheadBytes } from '../../../encap/mtu.js';
import type { Decision } from '../../../encap/trail.js';
import { stepOf } from '../../../encap/trail.js';
import type { Clock } from '../../../routes/reconciler.js';
import { PathWatch } from './path-watch.js';
import type { ScheduleOptions } from './schedule.js';
import { jittered, nextRound, scheduleDefaults } from './schedule.js';
import type { WayHealthOptions } from './way-health.js';

export interface Train {
  readonly peer: string;
  readonly carriage: Carriage;
  /** As traffic goes, or made for a way that traffic does not take. */
  readonly path: 'routed' | 'crafted';
  readonly packets: number;
  /** Whole inner IP packets in bytes; undefined: small ones. Never fragmented. */
  readonly packetBytes: number | undefined;
}

export interface TrainProber {
  /** `delivered` is the peer's count; undefined: it did not answer. `sent` 0: cannot be sent here. */
  train(train: Train): Promise<{ readonly sent: number; readonly delivered: number | undefined }>;
  /** Largest inner packet that arrives, up to `upToBytes`; undefined: none did. */
  largest(question: {
    readonly peer: string;
    readonly carriage: Carriage;
    readonly upToBytes: number;
  }): Promise<number | undefined>;
}

export interface ContinuousOptions {
  readonly self: string;
  readonly prober: TrainProber;
  readonly clock: Clock;
  readonly random: () => number;
  /** What the node sends by now; undefined: nothing is decided yet. */
  readonly current: () =>
    { readonly cluster: Cluster; readonly decisions: ReadonlyMap<string, Decision> } | undefined;
  readonly onChange: (results: ReadonlyMap<string, PeerProbes>) => void;
  readonly health?: WayHealthOptions;
  readonly schedule?: ScheduleOptions;
}

const smallPackets = 4;
/** Beside small ones that arrived, two lost full-size packets in each of three rounds say enough. */
const fullPackets = 2;

export class ContinuousProbes {
  readonly #options: ContinuousOptions;
  readonly #watches = new Map<string, PathWatch>();
  #results: ReadonlyMap<string, PeerProbes> = new Map();
  #round = 0;
  #queue: string[] = [];
  #stepMs = scheduleDefaults.roundMs;
  #packetsPerSecond = 0;
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
    const { random } = this.#options;
    try {
      const peer = this.#held ? undefined : this.#nextPeer();
      if (peer !== undefined) await this.#probe(peer);
    } finally {
      this.#arm(jittered(this.#stepMs, random));
    }
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
      this.#packetsPerSecond = round.peers.length === 0 ? 0 : round.packetsPerSecond;
    }
    return this.#queue.shift();
  }

  async #probe(peer: string): Promise<void> {
    const watch = this.#watches.get(peer) ?? new PathWatch(this.#options.health);
    this.#watches.set(peer, watch);
    const used = this.#usedWays(peer);
    for (const { carriage, believedBytes, mtu } of used) {
      const arrived = await this.#tryWay(watch, { peer, carriage, path: 'routed' });
      if (arrived) await this.#trySize(watch, { peer, carriage, believedBytes, mtu });
    }
    const now = this.#options.clock.now();
    const inUse = new Set(used.map(({ carriage }) => carriageKey(carriage)));
    for (const key of watch.due(now)) {
      if (inUse.has(key)) continue;
      await this.#tryWay(watch, { peer, carriage: carriageOf(key), path: 'crafted' });
    }
    this.#publish(peer, watch);
  }

  /** True when the peer says that something arrived. */
  async #tryWay(
    watch: PathWatch,
    way: Pick<Train, 'peer' | 'carriage' | 'path'>,
  ): Promise<boolean> {
    const { prober, clock } = this.#options;
    const train = { ...way, packets: smallPackets, packetBytes: undefined };
    const { sent, delivered } = await prober.train(train);
    watch.noteWay(carriageKey(way.carriage), { atMs: clock.now(), sent, delivered });
    return delivered !== undefined && delivered > 0;
  }

  async #trySize(
    watch: PathWatch,
    way: {
      readonly peer: string;
      readonly carriage: Carriage;
      readonly believedBytes: number;
      readonly mtu: number;
    },
  ): Promise<void> {
    const { prober, clock } = this.#options;
    const { peer, carriage, believedBytes } = way;
    const { outer } = carriage;
    const lost = watch.measured(outer) !== undefined;
    // A limit that was measured stands until its next try is due.
    if (lost && !watch.sizeDue(outer, clock.now())) return;
    const train = { peer, carriage, packets: fullPackets, packetBytes: believedBytes } as const;
    const { sent, delivered } = await prober.train({ ...train, path: 'routed' });
    const size = watch.noteSize(outer, { atMs: clock.now(), sent, delivered });
    if (size.state === 'good' || delivered !== 0) return;
    const inner = await prober.largest({ peer, carriage, upToBytes: believedBytes });
    if (inner === undefined || inner >= believedBytes) return;
    const text = `packets of ${inner} bytes arrive, of ${believedBytes} do not`;
    watch.noteMeasured(outer, { bytes: inner + overheadBytes(carriage), text });
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

function carriageOf(key: CarriageKey): Carriage {
  const [mode, outer, inner] = key.split(':') as [Carriage['mode'], '4' | '6', '4' | '6'];
  return { mode, outer: outer === '4' ? 4 : 6, inner: inner === '4' ? 4 : 6 };
}
