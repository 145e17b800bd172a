/**
 * What an agent says of itself: `alive/NODE`, which goes when its lease ends, `status/NODE`, and what
 * it has found out about its machine in `record/NODE`. Renewals of the lease change no key, so nobody
 * hears of them; the status is written when it has changed, or is found missing, and not more than
 * once a second. Nothing here is waited for, and nothing fails: what cannot be written is tried
 * again, later and later.
 *
 * An agent that is replaced leaves its keys to their lease, and its successor writes over them: its
 * peers notice nothing. An agent whose key another one has written over says so and writes no more,
 * since two that fight would both be heard of and none be believed.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../routes/reconciler.js';
import type { Entry, KeyValue, Lease } from '../kv.js';
import { KeyValueError } from '../kv.js';
import type { NodeFindings } from '../store.js';
import type { FleetKeys } from './keys.js';
import type { AliveValue, StatusValue } from './records.js';
import { formatVersion } from './records.js';
import { readAliveValue } from './values.js';

export interface PublisherOptions {
  readonly kv: KeyValue;
  readonly keys: FleetKeys;
  readonly node: string;
  readonly clock: Clock;
  readonly now: () => Date;
  readonly leaseSeconds: () => number;
  /** Is the node one of the fleet? Whoever has left must not come back by its agent. */
  readonly isMember: () => boolean;
  /** The record as it should be; undefined: it is so, or this node has none. */
  readonly recordWith: (found: NodeFindings) => RecordDraft | undefined;
  /** Told when `problem` is another one. */
  readonly onProblem: () => void;
}

export interface RecordDraft {
  readonly value: string;
  /** Of the record that it was made from. */
  readonly ifRevision: number;
}

export type Status = Omit<StatusValue, 'version' | 'at'>;

const betweenStatusesMs = 1_000;
const firstRetryMs = 1_000;
const lastRetryMs = 30_000;
/**
 * Between two writes of the record for the same findings, twice as long after each: whoever writes
 * it in other words again and again is not answered at the same pace.
 */
const firstRecordPauseMs = 1_000;
const lastRecordPauseMs = 600_000;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #instance = randomUUID();
  readonly #since: string;
  #problem: string | undefined;
  #rival: AliveValue | undefined;
  #lease: Lease | undefined;
  /** Of the last `alive` that was written; 0: this instance has written none, or it is gone. */
  #aliveRevision = 0;
  #status: Status | undefined;
  /** As it is in the store; undefined: it is not. */
  #written: { readonly text: string; readonly revision: number } | undefined;
  #writtenAtMs = -Infinity;
  /** When to see whether it still is. */
  #lookMs = Infinity;
  #findings: NodeFindings | undefined;
  #recordPauseMs = firstRecordPauseMs;
  #nextRecordMs = -Infinity;
  #retryMs = firstRetryMs;
  #working = false;
  #again = false;
  #timer: { cancel(): void } | undefined;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#since = options.now().toISOString();
  }

  /** Why nobody hears of this node, or somebody hears of two; one line. */
  get problem(): string | undefined {
    if (this.#rival === undefined) return this.#problem;
    const { instance, since } = this.#rival;
    return `another agent says that it is node ${this.#options.node} (${instance}, since ${since}): stop one of them, or give it the name of another node with --node`;
  }

  publish(status: Status, findings?: NodeFindings): void {
    this.#status = status;
    if (factsOf(findings) !== factsOf(this.#findings)) {
      const soonMs = this.#options.clock.now() + firstRecordPauseMs;
      this.#nextRecordMs = Math.min(this.#nextRecordMs, soonMs);
      this.#recordPauseMs = firstRecordPauseMs;
    }
    this.#findings = findings;
    this.#wake();
  }

  /** The node's record is another one. */
  recordHeard(): void {
    this.#wake();
  }

  /** The node's key in `alive/`, as this node has just heard of it. */
  heard(entry: Entry | undefined, revision: number): void {
    if (this.#aliveRevision === 0 || revision < this.#aliveRevision) return;
    if (entry === undefined) {
      // The lease ran out, or somebody deleted it; most likely the status with it.
      this.#aliveRevision = 0;
      this.#written = undefined;
      this.#setRival(undefined);
      this.#wake();
      return;
    }
    const read = readAliveValue(entry);
    const own = read.ok && read.value.instance === this.#instance;
    this.#setRival(own || !read.ok ? undefined : read.value);
  }

  /** The keys stay until their lease ends: most likely this agent's successor is on its way. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #setRival(rival: AliveValue | undefined): void {
    const before = this.problem;
    this.#rival = rival;
    if (this.problem !== before) this.#options.onProblem();
  }

  #wake(): void {
    if (this.#closed || this.#status === undefined) return;
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#working = true;
    void this.#work().finally(() => {
      this.#working = false;
      if (!this.#again) return;
      this.#again = false;
      this.#wake();
    });
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(() => this.#wake(), delayMs);
  }

  async #work(): Promise<void> {
    const { clock, isMember } = this.#options;
    if (this.#rival !== undefined || !isMember()) return;
    try {
      await this.#beAlive();
      const againMs = Math.min(await this.#tellStatus(), await this.#tellRecord());
      if (againMs !== Infinity) this.#wakeIn(Math.max(0, againMs - clock.now()));
      this.#retryMs = firstRetryMs;
      this.#tellProblem(undefined);
    } catch (error) {
      if (this.#closed) return;
      if (error instanceof KeyValueError && error.failure === 'lease-lost') this.#dropLease();
      this.#tellProblem(
        `the other nodes cannot be told that this agent runs: ${(error as Error).message}`,
      );
      this.#wakeIn(this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, lastRetryMs);
    }
  }

  async #beAlive(): Promise<void> {
    const { kv, keys, node, leaseSeconds } = this.#options;
    if (this.#lease === undefined) {
      const lease = await kv.lease(leaseSeconds());
      this.#lease = lease;
      this.#aliveRevision = 0;
      this.#written = undefined;
      void lease.ended.then(() => {
        if (this.#lease !== lease) return;
        this.#dropLease();
        this.#wake();
      });
    }
    if (this.#aliveRevision !== 0) return;
    const value: AliveValue = {
      version: formatVersion,
      instance: this.#instance,
      since: this.#since,
    };
    const written = await kv.put(keys.alive(node), JSON.stringify(value), { lease: this.#lease });
    if (written.kind === 'written') this.#aliveRevision = written.revision;
  }

  /** Returns when to come again. */
  async #tellStatus(): Promise<number> {
    const { kv, keys, node, clock, now } = this.#options;
    const text = JSON.stringify(this.#status);
    if (this.#lease === undefined) return Infinity;
    if (text === this.#written?.text && (await this.#statusIsThere())) return this.#lookMs;
    const dueMs = this.#writtenAtMs + betweenStatusesMs;
    if (clock.now() < dueMs) return dueMs;
    const value: StatusValue = {
      version: formatVersion,
      ...(JSON.parse(text) as Status),
      at: now().toISOString(),
    };
    this.#writtenAtMs = clock.now();
    const options = { lease: this.#lease };
    const written = await kv.put(keys.status(node), JSON.stringify(value), options);
    if (written.kind === 'written') this.#written = { text, revision: written.revision };
    this.#setLook();
    return this.#lookMs;
  }

  /** Nobody watches the statuses, so one that was deleted is missed by a look now and then. */
  async #statusIsThere(): Promise<boolean> {
    const { kv, keys, node, clock } = this.#options;
    if (clock.now() < this.#lookMs) return true;
    this.#setLook();
    try {
      const entry = await kv.get(keys.status(node));
      if (entry?.modRevision !== this.#written?.revision) this.#written = undefined;
      return this.#written !== undefined;
    } catch {
      // Whether the store answers is the watch's to tell.
      return true;
    }
  }

  #setLook(): void {
    const { clock, leaseSeconds } = this.#options;
    this.#lookMs = clock.now() + 1000 * leaseSeconds();
  }

  /**
   * Writes what was found, and waits for nothing: what came of it is heard by the watch, which also
   * tells of whoever was faster. Returns when to come again.
   */
  async #tellRecord(): Promise<number> {
    const { kv, keys, node, clock, recordWith } = this.#options;
    const draft = this.#findings && recordWith(this.#findings);
    if (draft === undefined) return Infinity;
    if (clock.now() < this.#nextRecordMs) return this.#nextRecordMs;
    this.#nextRecordMs = clock.now() + this.#recordPauseMs;
    this.#recordPauseMs = Math.min(2 * this.#recordPauseMs, lastRecordPauseMs);
    const { value, ifRevision } = draft;
    await kv.put(keys.record(node), value, { ifRevision });
    return Infinity;
  }

  #dropLease(): void {
    this.#lease = undefined;
    this.#aliveRevision = 0;
    this.#written = undefined;
  }

  #tellProblem(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#options.onProblem();
  }
}

function factsOf(findings: NodeFindings | undefined): string {
  return JSON.stringify([findings?.planes, findings?.mtu]);
}
