/** Somebody who listens to the kernel's word on routes, and notes when it came. */
import type { Kernel, KernelChange } from '../../tunnel/kernel.js';

const patienceMs = 30_000;

export class RouteListener {
  readonly #watch: { close(): void };
  readonly #awaited = new Map<string, (atMs: number) => void>();
  #lastSetMs = 0;

  constructor(kernel: Kernel) {
    this.#watch = kernel.watch(() => undefined, {
      expected: (read) => {
        this.#note(read());
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

  /** When the last word of a route that is there came. */
  get lastSetMs(): number {
    return this.#lastSetMs;
  }

  close(): void {
    this.#watch.close();
  }

  #note(change: KernelChange | undefined): void {
    if (change?.object.type !== 'route') return;
    const nowMs = performance.now();
    if (change.verb === 'set') this.#lastSetMs = nowMs;
    this.#awaited.get(`${change.verb} ${change.object.prefix.text}`)?.(nowMs);
  }
}
