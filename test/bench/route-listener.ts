/** Somebody who listens to the kernel's word on routes, and notes when it came. */
import type { Kernel, KernelChange } from '../../tunnel/kernel.js';

const patienceMs = 30_000;

export class RouteListener {
  readonly #watch: { close(): void };
  readonly #awaited = new Map<string, (atMs: number) => void>();
  #count = 0;
  #lastMs = performance.now();

  constructor(kernel: Kernel) {
    this.#watch = kernel.watch(() => undefined, {
      expected: (read) => {
        this.#lastMs = performance.now();
        this.#count++;
        // Reading ten thousand of them would take the time of whoever is measured.
        if (this.#awaited.size > 0) this.#note(read());
        return true;
      },
    });
  }

  /** When the route of that prefix is there, or gone, on the clock of `performance`. */
  next(verb: KernelChange['verb'], prefix: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const key = `${verb} ${prefix}`;
      const timer = setTimeout(
        () => reject(new Error(`no "${key}" within ${patienceMs} ms`)),
        patienceMs,
      );
      this.#awaited.set(key, (atMs) => {
        clearTimeout(timer);
        this.#awaited.delete(key);
        resolve(atMs);
      });
    });
  }

  /** From now on at least so many changes. */
  async untilRoutes(count: number): Promise<void> {
    const from = this.#count;
    const deadline = performance.now() + patienceMs;
    while (this.#count - from < count) {
      if (performance.now() > deadline)
        throw new Error(`${this.#count - from} of ${count} changes within ${patienceMs} ms`);
      await pause(20);
    }
  }

  /** When the last one came, once there was none for so long. */
  async untilQuiet(quietMs: number): Promise<number> {
    while (performance.now() - this.#lastMs < quietMs) await pause(20);
    return this.#lastMs;
  }

  close(): void {
    this.#watch.close();
  }

  #note(change: KernelChange | undefined): void {
    if (change?.object.type !== 'route') return;
    this.#awaited.get(`${change.verb} ${change.object.prefix.text}`)?.(this.#lastMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
