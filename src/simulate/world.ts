/**
 * Runs the fleet and its observers by their clocks: whoever has something to do first does it, and
 * nobody else meanwhile. A message is read when its node has time for it, as on a machine of its own.
 */
import type { Observer } from './observer.js';
import { idle } from './idle.js';
import { VirtualClock } from './virtual-clock.js';

/** Whoever still writes then will never stop, and the comparison tells. */
const mostRounds = 50;

export class World {
  /** Of the fleet and of the store. */
  readonly clock = new VirtualClock();
  readonly observers: Observer[] = [];
  readonly #signal: AbortSignal | undefined;
  /** Of the fleet's doings. */
  #underWay: Promise<void> | undefined;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  get isInterrupted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Something that the fleet does after this time; it may take writes to the store. */
  schedule(delayMs: number, doing: () => Promise<void>): void {
    this.clock.setTimer(() => {
      this.#underWay = doing();
    }, delayMs);
  }

  /** Lets this time pass for everybody. */
  async run(forMs: number): Promise<void> {
    const endMs = this.clock.now() + forMs;
    while (!this.isInterrupted) {
      const first = this.#firstObserver();
      const worldMs = this.clock.nextMs ?? Infinity;
      if (worldMs <= Math.min(endMs, first.atMs)) await this.#fleetActs();
      else if (first.atMs <= endMs && first.observer !== undefined) await first.observer.step();
      else break;
    }
    this.clock.passTo(endMs);
  }

  /**
   * Until no kernel has been written to for this long and none is about to be: with 100,000 nodes one pass takes longer
   * than any time that is fixed beforehand.
   */
  async runUntilQuiet(quietMs: number): Promise<void> {
    for (let round = 0; round < mostRounds && !this.isInterrupted; round++) {
      await this.run(quietMs);
      const nowMs = this.clock.now();
      const sinceMs = nowMs - quietMs;
      if (this.observers.every((observer) => observer.isQuiet({ sinceMs, nowMs }))) return;
    }
  }

  #firstObserver(): { readonly observer: Observer | undefined; readonly atMs: number } {
    let first: Observer | undefined;
    let atMs = Infinity;
    for (const observer of this.observers) {
      const { nextMs = Infinity } = observer;
      if (nextMs < atMs) [first, atMs] = [observer, nextMs];
    }
    return { observer: first, atMs };
  }

  async #fleetActs(): Promise<void> {
    const before = this.observers.map(({ metered }) => metered.traffic.events);
    this.clock.fire();
    await this.#underWay;
    this.#underWay = undefined;
    // The store tells its watchers after the write.
    await idle(() => false);
    this.observers.forEach((observer, index) => {
      if (observer.metered.traffic.events > before[index]!)
        observer.expect({ writtenMs: this.clock.now() });
    });
  }
}
