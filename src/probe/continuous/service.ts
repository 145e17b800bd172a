/**
 * Continuous probes as an agent runs them: as the cluster file says (off, observe or drive, and how
 * much), held while the agent is frozen, told in the log when something is found or is over, and in
 * `status`.
 */
import type { Logger } from 'pino';
import type { Family } from '../../../encap/address.js';
import type { Cluster, PeerProbes, ProbeResults, Snapshot } from '../../../encap/cluster.js';
import { decide } from '../../../encap/decide.js';
import { describeCarriage, describeVerdict } from '../../../encap/describe.js';
import type { CarriageKey, Mode } from '../../../encap/mode.js';
import { defaultProbes } from '../../../encap/probe/settings.js';
import type { Decision } from '../../../encap/trail.js';
import { systemClock } from '../../../routes/reconciler.js';
import type { ProbeEndpoint } from '../endpoint.js';
import type { FindNextHop } from '../hand-over.js';
import type { ProbeCount } from './continuous.js';
import { ContinuousProbes, carriageOf } from './continuous.js';
import { TrainPathProber } from './path-prober.js';
import { scheduleDefaults } from './schedule.js';

export interface ProbesStatus {
  readonly policy: 'off' | 'observe' | 'drive';
  /** Why nothing is probed although the file asks for it; absent: it is, or is off. */
  readonly idle?: string;
  /** What this node sends of its own accord, control included. */
  readonly packetsPerSecond: number;
  /** Nodes that have been probed so far. */
  readonly probed: readonly string[];
  readonly findings: readonly ProbeFinding[];
  /** Packets that peers answered for since the start, by mode; absent in reports of older agents. */
  readonly counts?: Readonly<Partial<Record<Mode, ProbeCount>>>;
}

export interface ProbeFinding {
  readonly node: string;
  /** Of the packets inside. */
  readonly family: Family;
  /** `ipip`, `vxlan over IPv4`, …, or `path MTU over IPv4`. */
  readonly way: string;
  readonly text: string;
  /** Does the decision follow it? */
  readonly acted: boolean;
  /** What is, or with `drive` would be, used. */
  readonly instead: string | null;
}

export interface ContinuousServiceOptions {
  readonly self: string;
  readonly endpoint: ProbeEndpoint | undefined;
  readonly nextHop: FindNextHop;
  readonly log: Logger;
  readonly current: () =>
    { readonly snapshot: Snapshot; readonly decisions: ReadonlyMap<string, Decision> } | undefined;
  /** The facts have changed: decide again. */
  readonly onChange: () => void;
}

export class ContinuousService {
  readonly #options: ContinuousServiceOptions;
  #settings = defaultProbes;
  #probes: ContinuousProbes | undefined;
  #held = false;
  #told = new Set<string>();

  constructor(options: ContinuousServiceOptions) {
    this.#options = options;
  }

  /** For the decision; undefined: nothing was probed. */
  get results(): ProbeResults | undefined {
    const { policy } = this.#settings;
    const peers = this.#probes?.results;
    if (peers === undefined || peers.size === 0 || policy === 'off') return undefined;
    return { policy, peers };
  }

  /** After every pass. */
  update(cluster: Cluster, { frozen }: { readonly frozen: boolean }): void {
    const settings = cluster.probes ?? defaultProbes;
    const before = this.#settings;
    this.#settings = settings;
    this.#held = frozen;
    const known = (this.#probes?.results.size ?? 0) > 0;
    if (settings.policy === 'off' || settings.packetsPerSecond !== before.packetsPerSecond)
      this.close();
    if (settings.policy !== 'off') this.#start();
    this.#probes?.hold(frozen);
    // This pass was planned by the policy before; what is known already is to be acted on now.
    if (settings.policy !== before.policy && known) this.#options.onChange();
  }

  close(): void {
    this.#probes?.stop();
    this.#probes = undefined;
  }

  status(): ProbesStatus {
    const { policy } = this.#settings;
    const idle =
      policy === 'off'
        ? undefined
        : this.#options.endpoint === undefined
          ? 'this node has no cluster key, so nobody would count its packets'
          : this.#held
            ? 'the agent is frozen'
            : undefined;
    return {
      policy,
      ...(idle === undefined ? {} : { idle }),
      packetsPerSecond: Math.round((this.#probes?.packetsPerSecond ?? 0) * 10) / 10,
      probed: [...(this.#probes?.watches.keys() ?? [])],
      findings: this.#findings(),
      counts: Object.fromEntries(this.#probes?.counts ?? []),
    };
  }

  #start(): void {
    const { endpoint, self, current, nextHop } = this.#options;
    const { packetsPerSecond } = this.#settings;
    if (this.#probes !== undefined || endpoint === undefined) return;
    this.#probes = new ContinuousProbes({
      self,
      clock: systemClock,
      random: Math.random,
      current: () => {
        const now = current();
        return now && { cluster: now.snapshot.cluster, decisions: now.decisions };
      },
      prober: new TrainPathProber({
        self,
        endpoint,
        nextHop,
        // A round is only begun when there is a plan.
        cluster: () => current()!.snapshot.cluster,
      }),
      onChange: () => {
        this.#tell();
        this.#options.onChange();
      },
      schedule: { ...scheduleDefaults, packetsPerSecond, roundMs: roundMsFor(packetsPerSecond) },
    });
    this.#probes.start();
  }

  #findings(): readonly ProbeFinding[] {
    const found: ProbeFinding[] = [];
    for (const [node, peer] of this.#probes?.results ?? []) {
      const acted = this.#settings.policy === 'drive';
      const instead = this.#instead(node);
      for (const [key, text] of Object.entries(peer.lost)) {
        const carriage = carriageOf(key as CarriageKey);
        const way = describeCarriage(carriage);
        found.push({ node, family: carriage.inner, way, text, acted, instead });
      }
      for (const [outer, { text }] of Object.entries(peer.pathMtu)) {
        const way = `path MTU over IPv${outer}`;
        found.push({ node, family: outer === '4' ? 4 : 6, way, text, acted, instead });
      }
    }
    return found;
  }

  /** The way to a node with all that was found in force. */
  #instead(name: string): string | null {
    const snapshot = this.#options.current()?.snapshot;
    const from = snapshot?.cluster.nodes.get(this.#options.self);
    const owner = snapshot?.cluster.nodes.get(name);
    const [prefix] = owner?.overlay ?? [];
    const local = snapshot?.local;
    if (from === undefined || prefix === undefined || local === undefined) return null;
    const peers: ReadonlyMap<string, PeerProbes> = this.#probes?.results ?? new Map();
    const probes: ProbeResults = { policy: 'drive', peers };
    const driven = { cluster: snapshot!.cluster, local: { ...local, probes } };
    return describeVerdict(decide(driven, { from, prefix, owner }).verdict);
  }

  /** One line when something is found, and one when it is over. */
  #tell(): void {
    const { log } = this.#options;
    const now = new Map(
      this.#findings().map((finding) => [`${finding.node} ${finding.way}`, finding]),
    );
    for (const [key, { node, way, text, acted, instead }] of now) {
      if (this.#told.has(key)) continue;
      const effect = acted
        ? `used from now on: ${instead}`
        : `nothing is changed; "probes: drive" would use ${instead}`;
      log.warn({ node, way }, `probes: ${text}; ${effect}`);
    }
    for (const key of this.#told) if (!now.has(key)) log.info(`probes: ${key} is well again`);
    this.#told = new Set(now.keys());
  }
}

/** Who allows more packets wants to know sooner. */
function roundMsFor(packetsPerSecond: number): number {
  const ms = (scheduleDefaults.roundMs * defaultProbes.packetsPerSecond) / packetsPerSecond;
  return Math.min(60_000, Math.max(1_000, ms));
}
