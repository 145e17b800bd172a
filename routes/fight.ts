/**
 * Somebody else wants an object another way and keeps undoing our repairs. Repairing it on every
 * notification would be a busy loop that nobody wins, so an object that had to be written the same
 * way again and again is left alone for a pause that grows with every further round. Only that
 * object waits; all others are repaired at once. When it has stayed as we want it for long enough
 * the fight is over and forgotten.
 *
 * Time is given by the caller; nothing here reads a clock.
 */
import type { KernelObject } from '../tunnel/kernel.js';
import { sameObject } from './equal.js';

/** What we keep writing: an object, or that it should not be there. */
export type Wish = KernelObject | 'absent';

export interface Contest {
  /** Key of the object, see `objectKey`. */
  readonly key: string;
  readonly wish: Wish;
  /** How often it was written in this fight. */
  readonly repairs: number;
  readonly sinceMs: number;
  /** It is left alone until then. */
  readonly untilMs: number;
}

export interface FightOptions {
  /** More writes of one object than this within the window are a fight. */
  readonly writesMax?: number;
  readonly windowMs?: number;
  /** Left alone for so long, an object is no longer fought over; by default a window. */
  readonly quietMs?: number;
  readonly firstPauseMs?: number;
  readonly lastPauseMs?: number;
}

/** Twenty repairs in ten seconds: a restart of somebody's network service needs two or three. */
const defaults = { writesMax: 20, windowMs: 10_000, firstPauseMs: 100, lastPauseMs: 10_000 };

interface Entry {
  wish: Wish;
  /** Times of the writes within the window, oldest first; of thousands at once, one each, shared. */
  writesMs: readonly number[];
  repairs: number;
  sinceMs: number;
  /** 0: no fight. */
  pauseMs: number;
  untilMs: number;
}

export class Fights {
  readonly #options: Required<FightOptions>;
  readonly #entries = new Map<string, Entry>();
  /** Of these entries the ones with a pause: of ten thousand writes few are a fight, or none. */
  readonly #fought = new Map<string, Entry>();
  /** Between these times nothing is looked for that is over. */
  #swept = { sinceMs: 0, untilMs: 0 };
  /** Of the last first write. */
  #onceMs: readonly [number] = [0];

  constructor(options: FightOptions = {}) {
    const given = { ...defaults, ...options };
    this.#options = { ...given, quietMs: options.quietMs ?? given.windowMs };
  }

  /** The object has just been written. */
  wrote(key: string, write: { readonly wish: Wish; readonly nowMs: number }): void {
    const { wish, nowMs } = write;
    const { windowMs, writesMax, firstPauseMs, lastPauseMs } = this.#options;
    let entry = this.#entries.get(key);
    if (entry === undefined || this.#isOver(entry, nowMs) || !sameWish(entry.wish, wish)) {
      entry = { wish, writesMs: never, repairs: 0, sinceMs: nowMs, pauseMs: 0, untilMs: 0 };
      this.#entries.set(key, entry);
      this.#fought.delete(key);
    }
    const recent = entry.writesMs.filter((at) => at > nowMs - windowMs && at <= nowMs);
    entry.writesMs = recent.length === 0 ? this.#once(nowMs) : [...recent, nowMs];
    entry.repairs++;
    if (entry.pauseMs === 0 && entry.writesMs.length <= writesMax) return;
    entry.pauseMs = Math.min(lastPauseMs, Math.max(firstPauseMs, entry.pauseMs * 2));
    entry.untilMs = nowMs + entry.pauseMs;
    this.#fought.set(key, entry);
  }

  #once(nowMs: number): readonly [number] {
    if (this.#onceMs[0] !== nowMs) this.#onceMs = [nowMs];
    return this.#onceMs;
  }

  /** Must this write wait? Not when what is wanted has changed in the meantime. */
  holds(key: string, write: { readonly wish: Wish; readonly nowMs: number }): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.pauseMs === 0 || !sameWish(entry.wish, write.wish))
      return false;
    return write.nowMs < entry.untilMs && write.nowMs >= lastWriteMs(entry);
  }

  /** The fights of this moment; those that are over are forgotten. */
  contested(nowMs: number): readonly Contest[] {
    const found: Contest[] = [];
    for (const [key, entry] of this.#fought) {
      const { wish, repairs, sinceMs, untilMs } = entry;
      if (this.#isOver(entry, nowMs)) this.#forget(key);
      else found.push({ key, wish, repairs, sinceMs, untilMs });
    }
    this.#sweep(nowMs);
    return found;
  }

  /** Once in a while is often enough to walk through all of them: one that is over says nothing. */
  #sweep(nowMs: number): void {
    if (nowMs >= this.#swept.sinceMs && nowMs < this.#swept.untilMs) return;
    this.#swept = { sinceMs: nowMs, untilMs: nowMs + this.#options.quietMs };
    for (const [key, entry] of this.#entries) if (this.#isOver(entry, nowMs)) this.#forget(key);
  }

  #forget(key: string): void {
    this.#entries.delete(key);
    this.#fought.delete(key);
  }

  /** Also after the clock has jumped back. */
  #isOver(entry: Entry, nowMs: number): boolean {
    return nowMs >= this.#overMs(entry) || nowMs < lastWriteMs(entry);
  }

  /** When something here next changes by itself: a pause ends, or a fight. */
  nextMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const entry of this.#fought.values()) {
      const at = nowMs < entry.untilMs ? entry.untilMs : this.#overMs(entry);
      next = Math.min(next ?? at, at);
    }
    return next;
  }

  /** Quiet for long enough, and for twice the last pause. */
  #overMs(entry: Entry): number {
    return lastWriteMs(entry) + Math.max(this.#options.quietMs, 2 * entry.pauseMs);
  }
}

const never: readonly number[] = [];

function lastWriteMs(entry: Entry): number {
  return entry.writesMs.at(-1) ?? 0;
}

function sameWish(a: Wish, b: Wish): boolean {
  return a === b || (a !== 'absent' && b !== 'absent' && sameObject(a, b));
}
