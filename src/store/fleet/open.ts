/**
 * The store of a fleet, for any engine: watches the configuration, the nodes' records, who is alive
 * and whose the blocks are, and makes one cluster of them. Losing the engine changes nothing: what
 * was known stays in force, and `problems` says so.
 *
 * Events only note what they are about; what follows from them is worked out once for all that came
 * together. It depends on what is in the store, never on the way there: a listing of the whole, a
 * thousand events, or the same ones twice, end in the same cluster.
 */
import type { Accepts, Cluster } from '../../../encap/cluster.js';
import type { Clock } from '../../../routes/reconciler.js';
import { systemClock } from '../../../routes/reconciler.js';
import { defaultLeaseSeconds, defaultStaleGraceSeconds } from '../../config/limits.js';
import type { KeyValue, WatchState } from '../kv.js';
import type { ClusterStore, NodeReport, StoreChange } from '../store.js';
import type { FolderHandlers } from './folder.js';
import { Folder } from './folder.js';
import { probedPlanes, recordDraft } from './found.js';
import { type Ground, groundOf } from './ground.js';
import { fleetKeys } from './keys.js';
import type { Membership } from './members.js';
import { clusterOf, updatedTable, wholeTable } from './members.js';
import { Presence } from './presence.js';
import { bounded } from './problem-lines.js';
import { Publisher } from './publisher.js';
import { RecordClaims } from './record-claims.js';
import type { FleetStatus } from './status.js';
import { WatchStates } from './status.js';
import type { Choice, Chosen } from './versions.js';
import { Versions, choiceProblems } from './versions.js';

export interface FleetStoreOptions {
  readonly cluster: string;
  /** The node whose agent this is; absent: somebody who only reads. */
  readonly node?: string;
  /** Of the program, for the others. */
  readonly release?: string;
  readonly clock?: Clock;
  readonly now?: () => Date;
}

export interface FleetStore extends ClusterStore {
  readonly health: FleetStatus;
  /** Resolves when all that has been told so far is in force, or refused. */
  settled(): Promise<void>;
  /** Resolves when everything has been told once and is in force, or refused. */
  read(): Promise<void>;
  publish(report: NodeReport): void;
}

const folders = ['config', 'record', 'alive', 'block'] as const;
type FolderName = (typeof folders)[number];

/** Changes of about the same moment come in several messages. */
const gatherMs = 1;
/** Cluster revisions whose configuration is remembered. */
const rememberedVersions = 32;

export function openFleetStore(kv: KeyValue, options: FleetStoreOptions): FleetStore {
  return new OpenFleetStore(kv, options);
}

class OpenFleetStore implements FleetStore {
  readonly name: string;
  readonly #node: string | undefined;
  readonly #release: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  readonly #folders: Readonly<Record<FolderName, Folder>>;
  readonly #states: WatchStates;
  readonly #known = new Set<FolderName>();
  readonly #versions: Versions;
  readonly #records: RecordClaims;
  readonly #presence: Presence;
  readonly #publisher: Publisher | undefined;
  readonly #closing = new AbortController();
  #choosing: Promise<void> | undefined;
  #chooseAgain = false;
  /** Undefined before the versions have been looked at. */
  #choice: Choice | undefined;
  /** What the records are held against. */
  #inForce: { readonly chosen: Chosen; readonly ground: Ground } | undefined;
  #current: Cluster | undefined;
  #revision = 0;
  #storeRevision = 0;
  /** From which cluster revision on, which version. */
  readonly #history: { readonly from: number; readonly chosen: Chosen }[] = [];
  #timer: { cancel(): void } | undefined;
  #brokenAt: number;
  #problems: readonly string[] | undefined;
  #problemVersion = 0;
  #toldProblems: readonly string[] = [];
  readonly #readers: (() => void)[] = [];

  constructor(kv: KeyValue, options: FleetStoreOptions) {
    const { cluster, node, clock = systemClock, now = () => new Date() } = options;
    const keys = fleetKeys(cluster);
    this.name = `${kv.name}/${cluster}`;
    this.#node = node;
    this.#release = options.release ?? '';
    this.#clock = clock;
    this.#brokenAt = clock.now();
    this.#states = new WatchStates({ count: folders.length, now });
    this.#versions = new Versions({
      cluster,
      fileOf: (version) => `${this.name}/config/${version.replace(/^0+(?=\d)/, '')}`,
      signal: this.#closing.signal,
    });
    this.#records = new RecordClaims({ fileOf: (name) => [this.name, 'record', name].join('/') });
    this.#presence = new Presence({
      clock,
      now,
      settings: () => this.#settings,
      onDue: () => this.#flush(),
    });
    if (node !== undefined)
      this.#publisher = new Publisher({
        ...{ kv, keys, node, clock, now },
        leaseSeconds: () => this.#settings.leaseSeconds,
        isMember: () =>
          this.#known.has('record') &&
          (this.#records.has(node) || this.#inForce?.ground.listed.has(node) === true),
        recordWith: (found) =>
          recordDraft(this.#folders.record.kept, found, {
            name: node,
            ground: this.#inForce?.ground,
          }),
        onProblem: () => {
          this.#problems = undefined;
          this.#gather();
        },
      });
    const open = (name: FolderName, handlers: Pick<FolderHandlers, 'put' | 'delete'>): Folder =>
      new Folder(kv, {
        prefix: `${keys.all}${name}/`,
        ...(node === undefined ? {} : { kept: node }),
        handlers: {
          ...handlers,
          told: (revision) => this.#told(name, revision),
          onState: (state) => this.#stateOf(name, state),
        },
      });
    this.#folders = {
      config: open('config', {
        put: (id, entry) => this.#versions.put(id, entry),
        delete: (id) => this.#versions.delete(id),
      }),
      record: open('record', {
        put: (id, entry) => {
          this.#records.putRecord(id, entry);
          this.#notePresence(id);
          if (id === node) this.#publisher?.recordHeard();
        },
        delete: (id) => {
          this.#records.deleteRecord(id);
          this.#notePresence(id);
        },
      }),
      alive: open('alive', {
        put: (id, entry) => {
          this.#notePresence(id);
          if (id === node) this.#publisher?.heard(entry, entry.modRevision);
        },
        delete: (id, revision) => {
          this.#notePresence(id);
          if (id === node) this.#publisher?.heard(undefined, revision);
        },
      }),
      block: open('block', {
        put: (id, entry) => this.#records.putBlock(id, entry),
        delete: (id) => this.#records.deleteBlock(id),
      }),
    };
  }

  get current(): Cluster | undefined {
    return this.#current;
  }

  get problems(): readonly string[] {
    this.#problems ??= this.#allProblems();
    return this.#problems;
  }

  get health(): FleetStatus {
    const { synced, since, outages, problem } = this.#states;
    const chosen = this.#inForce?.chosen;
    const outMs = synced ? 0 : this.#clock.now() - this.#brokenAt;
    return {
      synced,
      since: since.toISOString(),
      outages,
      lagSeconds: Math.round(outMs) / 1000,
      refusedRecords: this.#records.problemCount,
      nodes: this.#current?.nodes.size ?? 0,
      absent: this.#presence.absentCount,
      ...(this.#storeRevision === 0 ? {} : { revision: this.#storeRevision }),
      ...(problem === undefined ? {} : { problem }),
      ...(chosen === undefined ? {} : { config: chosen.version }),
      ...(chosen?.phase === undefined ? {} : { phase: chosen.phase }),
    };
  }

  claimRevision(): number {
    return ++this.#revision;
  }

  onChange(listener: (change: StoreChange) => void): void {
    this.#listeners.add(listener);
  }

  /** The watch has told everything already: nothing is asked for again. */
  async reload(): Promise<void> {
    await this.settled();
  }

  async settled(): Promise<void> {
    while (this.#choosing !== undefined) await this.#choosing;
    this.#flush();
  }

  async read(): Promise<void> {
    if (!this.#isRead) await new Promise<void>((resolve) => this.#readers.push(resolve));
    await this.settled();
  }

  get probedPlanes(): Accepts {
    return probedPlanes(this.#folders.record.kept);
  }

  publish({ revision, findings, ...said }: NodeReport): void {
    const chosen = this.#history.findLast(({ from }) => from <= revision)?.chosen;
    const status = {
      release: this.#release,
      config: chosen?.version ?? 0,
      ...(chosen?.phase === undefined ? {} : { phase: chosen.phase }),
      ...{ ...said, problems: bounded(said.problems) },
    };
    this.#publisher?.publish(status, findings);
  }

  close(): void {
    this.#closing.abort();
    this.#timer?.cancel();
    this.#presence.close();
    this.#publisher?.close();
    for (const folder of Object.values(this.#folders)) folder.close();
  }

  get #isKnown(): boolean {
    return this.#known.size === folders.length;
  }

  get #isRead(): boolean {
    return this.#isKnown && this.#choice !== undefined;
  }

  get #settings(): Chosen['fleet'] {
    return (
      this.#inForce?.chosen.fleet ?? {
        leaseSeconds: defaultLeaseSeconds,
        staleGraceSeconds: defaultStaleGraceSeconds,
      }
    );
  }

  #notePresence(name: string): void {
    const alive = this.#folders.alive.has(name);
    this.#presence.note(name, this.#records.has(name) ? alive : undefined);
  }

  #told(folder: FolderName, revision: number): void {
    this.#known.add(folder);
    this.#storeRevision = Math.max(this.#storeRevision, revision);
    if (folder === 'config') this.#choose();
    this.#gather();
  }

  #stateOf(folder: FolderName, state: WatchState): void {
    const before = this.#states.synced;
    if (!this.#states.note(folder, state)) return;
    if (this.#states.synced) this.#presence.synced();
    else if (before) {
      this.#brokenAt = this.#clock.now();
      this.#presence.broken();
    }
    this.#problems = undefined;
    this.#gather();
  }

  #choose(): void {
    if (this.#closing.signal.aborted) return;
    this.#chooseAgain = true;
    this.#choosing ??= this.#chooseUntilDone().finally(() => {
      this.#choosing = undefined;
      // Asked for after the last look whether somebody asks.
      if (this.#chooseAgain && !this.#closing.signal.aborted) this.#choose();
      else this.#gather();
    });
  }

  async #chooseUntilDone(): Promise<void> {
    while (this.#chooseAgain && !this.#closing.signal.aborted) {
      this.#chooseAgain = false;
      this.#choice = await this.#versions.choose();
      this.#problems = undefined;
    }
  }

  #gather(): void {
    if (this.#closing.signal.aborted) return;
    this.#timer ??= this.#clock.setTimer(() => this.#flush(), gatherMs);
  }

  /** Puts in force what has been told since. */
  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#closing.signal.aborted) return;
    const change = this.#isRead ? this.#putInForce() : undefined;
    if (this.#records.problemVersion !== this.#problemVersion) {
      this.#problemVersion = this.#records.problemVersion;
      this.#problems = undefined;
    }
    const { problems } = this;
    const told =
      problems.length === this.#toldProblems.length &&
      problems.every((line, i) => line === this.#toldProblems[i]);
    this.#toldProblems = problems;
    if (change !== undefined || !told)
      for (const listener of this.#listeners) listener(change ?? { kind: 'nodes', names: [] });
    if (this.#isRead) for (const resolve of this.#readers.splice(0)) resolve();
  }

  /** Undefined: nothing is otherwise but what is wrong. */
  #putInForce(): StoreChange | undefined {
    const configured = this.#adopt();
    const names = new Set([...this.#records.settle(), ...this.#presence.takeChanged()]);
    return configured ? this.#renew() : this.#update(names);
  }

  /** Returns whether another configuration counts now. */
  #adopt(): boolean {
    const chosen = this.#choice?.chosen;
    const before = this.#inForce?.chosen;
    // With no good version left, the one in force stays.
    if (
      chosen === undefined ||
      (before?.version === chosen.version &&
        before.phase === chosen.phase &&
        before.cluster === chosen.cluster &&
        before.other === chosen.other)
    )
      return false;
    const ground = groundOf(chosen.cluster);
    this.#inForce = { chosen, ground };
    this.#records.setGround(ground);
    this.#presence.lookAgain();
    return true;
  }

  #renew(): StoreChange {
    const { chosen, ground } = this.#inForce!;
    const revision = this.claimRevision();
    this.#history.push({ from: revision, chosen });
    if (this.#history.length > rememberedVersions) this.#history.shift();
    this.#current = clusterOf(chosen, { nodes: wholeTable(this.#membership(ground)), revision });
    return { kind: 'all' };
  }

  #update(names: ReadonlySet<string>): StoreChange | undefined {
    const current = this.#current;
    if (current === undefined || this.#inForce === undefined || names.size === 0) return undefined;
    const membership = this.#membership(this.#inForce.ground);
    const { table, changed } = updatedTable(current.nodes, { names, membership });
    if (changed.length === 0) return undefined;
    this.#current = Object.freeze({ ...current, nodes: table, revision: this.claimRevision() });
    return { kind: 'nodes', names: changed };
  }

  #membership(ground: Ground): Membership {
    return {
      ground,
      records: this.#records,
      self: this.#node,
      presenceOf: (name) => this.#presence.of(name),
    };
  }

  #allProblems(): readonly string[] {
    const broken = this.#states.problem;
    const own = this.#publisher?.problem;
    return [
      ...(broken === undefined ? [] : [`${this.name}: ${broken}; what is known stays in force`]),
      ...choiceProblems(this.#choice, { store: this.name, inForce: this.#inForce?.chosen }),
      ...(own === undefined ? [] : [own]),
      ...bounded(this.#records.problems()),
    ];
  }
}
