/** Time that only the test moves. */
import type { Clock } from '../../routes/reconciler.js';

export class ManualClock implements Clock {
  /** Time that has passed; timers go by it, as a kernel's do. */
  #passed = 0;
  #offset = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#passed + this.#offset;
  }

  setTimer(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = { at: this.#passed + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((entry) => entry !== timer)) };
  }

  /** Somebody sets the clock; no time passes. */
  jump(ms: number): void {
    this.#offset += ms;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#passed + ms;
    for (;;) {
      // Let promises of a pass under way settle before time goes on.
      for (let i = 0; i < 50; i++) await Promise.resolve();
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#passed = Math.max(this.#passed, next.at);
      next.callback();
    }
    this.#passed = end;
  }
}
