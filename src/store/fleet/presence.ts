/**
 * Who is heard of. A node whose key in `alive/` is gone is stale: its agent is gone, and its kernel
 * most likely forwards on, so its paths stay as they are for a grace, and only then it is withdrawn.
 *
 * That counts only while this reader hears anything: a cut of its own says nothing of others, so
 * time stands still until it is synced again. And after an outage everybody's lease may have run
 * out, so everybody gets the time of a lease to come back before anything is made of it.
 */
import type { Clock } from '../../../routes/reconciler.js';

export interface PresenceOptions {
  readonly clock: Clock;
  readonly now: () => Date;
  readonly settings: () => { readonly leaseSeconds: number; readonly staleGraceSeconds: number };
  /** Told when time alone has changed something, see `changed`. */
  readonly onDue: () => void;
}

export type PresenceState =
  { readonly kind: 'fresh' } | { readonly kind: 'stale' | 'withdrawn'; readonly since: string };

interface Absent {
  /** For people. */
  readonly since: string;
  /** On the clock that stands still during outages. */
  readonly goneAtMs: number;
  /** On the same; undefined: not yet. */
  staleAtMs: number | undefined;
  told: PresenceState['kind'];
}

const fresh: PresenceState = Object.freeze({ kind: 'fresh' });

export class Presence {
  readonly #options: PresenceOptions;
  readonly #absent = new Map<string, Absent>();
  #changed = new Set<string>();
  /** What has been heard of before the last outage, in milliseconds. */
  #heardMs = 0;
  #syncedAt: number | undefined;
  /** When the last outage was over. */
  #heardFromMs = 0;
  #timer: { readonly atMs: number; cancel(): void } | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  synced(): void {
    if (this.#syncedAt !== undefined) return;
    this.#syncedAt = this.#options.clock.now();
    this.#heardFromMs = this.#nowMs();
    this.#look();
  }

  broken(): void {
    this.#heardMs = this.#nowMs();
    this.#syncedAt = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The node is registered; is it alive? Undefined: it is not registered. */
  note(name: string, alive: boolean | undefined): void {
    const known = this.#absent.get(name);
    if (alive !== false) {
      if (known === undefined) return;
      this.#absent.delete(name);
      if (known.told !== 'fresh') this.#changed.add(name);
      return;
    }
    if (known !== undefined) return;
    this.#absent.set(name, {
      since: this.#options.now().toISOString(),
      goneAtMs: this.#nowMs(),
      staleAtMs: undefined,
      told: 'fresh',
    });
    this.#lookAt(name);
  }

  /** With other settings everything may be otherwise. */
  lookAgain(): void {
    this.#look();
  }

  of(name: string): PresenceState {
    const absent = this.#absent.get(name);
    if (absent === undefined || absent.told === 'fresh') return fresh;
    return { kind: absent.told, since: absent.since };
  }

  get absentCount(): number {
    return this.#absent.size;
  }

  /** Nodes that are not what they were at the last call. */
  takeChanged(): ReadonlySet<string> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  close(): void {
    this.broken();
  }

  #nowMs(): number {
    const { clock } = this.#options;
    return this.#heardMs + (this.#syncedAt === undefined ? 0 : clock.now() - this.#syncedAt);
  }

  #look(): void {
    for (const name of this.#absent.keys()) this.#lookAt(name);
  }

  #lookAt(name: string): void {
    const absent = this.#absent.get(name)!;
    if (this.#syncedAt === undefined) return;
    const nowMs = this.#nowMs();
    const { leaseSeconds, staleGraceSeconds } = this.#options.settings();
    // Before that nobody's absence means anything.
    const allowedMs = this.#heardFromMs + 1000 * leaseSeconds;
    const dueMs = absent.staleAtMs ?? Math.max(absent.goneAtMs, allowedMs);
    if (nowMs < dueMs) {
      this.#wakeAt(dueMs);
      return;
    }
    absent.staleAtMs = dueMs;
    const withdrawnAtMs = Math.max(dueMs + 1000 * staleGraceSeconds, allowedMs);
    const kind = nowMs < withdrawnAtMs ? 'stale' : 'withdrawn';
    if (kind !== absent.told) this.#changed.add(name);
    absent.told = kind;
    if (kind === 'stale') this.#wakeAt(withdrawnAtMs);
  }

  /** One timer for all, as thousands may go at once. */
  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const { clock, onDue } = this.#options;
    const timer = clock.setTimer(
      () => {
        this.#timer = undefined;
        this.#look();
        if (this.#changed.size > 0) onDue();
      },
      // No earlier than due, by rounding: it would be for nothing.
      Math.min(Math.ceil(atMs - this.#nowMs()) + 1, longestTimerMs),
    );
    this.#timer = { atMs, cancel: () => timer.cancel() };
  }
}

/** More than 2^31 ms would be none at all. */
const longestTimerMs = 24 * 3600 * 1000;
