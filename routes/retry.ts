/**
 * Changes that the kernel refused. Each is tried again after a pause of its own, which grows, so
 * that one object that cannot be had costs little and delays no other; a change of the world
 * (a device came up, an address was added) has all of them tried at once.
 *
 * Time is given by the caller; nothing here reads a clock.
 */
import { sameObject } from './equal.js';
import type { FailedChange } from './apply.js';
import type { Change } from './diff.js';

const firstPauseMs = 250;
const lastPauseMs = 30_000;

interface Entry {
  readonly failed: FailedChange;
  readonly pauseMs: number;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export class Retries {
  readonly #entries = new Map<string, Entry>();

  failed(failed: FailedChange, nowMs: number): void {
    const { key } = failed.change;
    const before = this.#entries.get(key);
    const pauseMs = Math.min(lastPauseMs, Math.max(firstPauseMs, 2 * (before?.pauseMs ?? 0)));
    this.#entries.set(key, { failed, pauseMs, sinceMs: nowMs, untilMs: nowMs + pauseMs });
  }

  /** Is it too early to try this again? Not when what is wanted has changed in the meantime. */
  holds(change: Change, nowMs: number): FailedChange | undefined {
    const entry = this.#entries.get(change.key);
    if (entry === undefined || nowMs >= entry.untilMs || nowMs < entry.sinceMs) return undefined;
    return sameChange(entry.failed.change, change) ? entry.failed : undefined;
  }

  /** Keeps what still failed or waits; everything else has been done or is no longer wanted. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#entries.delete(key);
  }

  /** The next pass tries everything; pauses stay as long as they have become. */
  tryAll(): void {
    for (const [key, entry] of this.#entries) this.#entries.set(key, { ...entry, untilMs: 0 });
  }

  nextMs(): number | undefined {
    let next: number | undefined;
    for (const { untilMs } of this.#entries.values()) next = Math.min(next ?? untilMs, untilMs);
    return next;
  }
}

function sameChange(a: Change, b: Change): boolean {
  if (a.kind === 'delete' || b.kind === 'delete') return a.kind === b.kind;
  return sameObject(a.desired, b.desired);
}
