/**
 * Time of the simulation: it passes from one timer to the next. The world has one such clock, and
 * each observed node one of its own, which also passes by the processor time that its work takes, as
 * on a machine of its own: throttles and pauses of the product then see what they would see there.
 */
import type { Clock } from '../../routes/reconciler.js';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();
  /** Processor time when the work that is under way began. */
  #workSinceMs: number | undefined;

  now(): number {
    return this.#nowMs + this.workedMs;
  }

  /** Of the work that is under way. */
  get workedMs(): number {
    return this.#workSinceMs === undefined ? 0 : processorMs() - this.#workSinceMs;
  }

  setTimer(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = { atMs: this.now() + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** When the next timer is due; undefined when there is none. */
  get nextMs(): number | undefined {
    return this.#next()?.atMs;
  }

  /** Nobody was busy meanwhile; time never goes back. */
  passTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  /** Runs the timer that is due next. */
  fire(): void {
    const timer = this.#next();
    if (timer === undefined) return;
    this.#timers.delete(timer);
    this.passTo(timer.atMs);
    timer.callback();
  }

  /** Does work that takes its time; returns how much. */
  async work(work: () => Promise<void>): Promise<number> {
    const since = processorMs();
    this.#workSinceMs = since;
    try {
      await work();
    } finally {
      this.#nowMs = this.now();
      this.#workSinceMs = undefined;
    }
    return processorMs() - since;
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers)
      if (
        first === undefined ||
        timer.atMs < first.atMs ||
        (timer.atMs === first.atMs && timer.order < first.order)
      )
        first = timer;
    return first;
  }
}

/** Of this process so far, user and system: another program's work on the machine does not count. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
