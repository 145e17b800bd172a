/**
 * A guard that keeps its spec in memory, for tests of what stands above it: it shows what was
 * applied, and can be made to fail or to drift as a kernel would.
 */
import { maximal } from './facts.js';
import type { Guard, GuardApplyOptions, GuardSpec, GuardStep } from './guard.js';
import { setExchanges } from './nft-elements.js';

export class MemoryGuard implements Guard {
  readonly backend = 'memory';
  #held: GuardSpec | undefined;
  #failure: Error | undefined;
  #drift: string | undefined;
  #writes = 0;
  readonly #listeners = new Set<() => void>();

  /** What is in force; undefined before the first `apply` and after `remove`. */
  get held(): GuardSpec | undefined {
    return this.#held;
  }

  /** How often something was really changed: an `apply` of what is held writes nothing. */
  get writes(): number {
    return this.#writes;
  }

  /** The next `apply` fails with this and changes nothing. */
  failNext(error: Error): void {
    this.#failure = error;
  }

  /** As if somebody else had edited the rules; the next `apply` repairs it. */
  drift(difference: string): void {
    this.#drift = difference;
    for (const listener of this.#listeners) listener();
  }

  watch(listener: () => void): { close(): void } {
    this.#listeners.add(listener);
    return { close: () => void this.#listeners.delete(listener) };
  }

  apply(wanted: GuardSpec, { keepNative = false }: GuardApplyOptions = {}): Promise<void> {
    const held = this.#held?.nativeDestinations ?? [];
    const spec = keepNative
      ? { ...wanted, nativeDestinations: maximal([...wanted.nativeDestinations, ...held]) }
      : wanted;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    if (this.#drift !== undefined || !sameSpec(this.#held, spec)) this.#writes++;
    this.#held = spec;
    this.#drift = undefined;
    return Promise.resolve();
  }

  step({ from, to, delta }: GuardStep): Promise<boolean> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    if (this.#drift !== undefined || !sameSpec(this.#held, from)) return Promise.resolve(false);
    if (setExchanges(delta).length > 0) this.#writes++;
    this.#held = to;
    return Promise.resolve(true);
  }

  verify(spec: GuardSpec): Promise<{ ok: boolean; difference: string | undefined }> {
    const difference =
      this.#drift ?? (sameSpec(this.#held, spec) ? undefined : 'another spec is in force');
    return Promise.resolve({ ok: difference === undefined, difference });
  }

  counters(): Promise<Readonly<Record<string, number>>> {
    return Promise.resolve({});
  }

  remove(): Promise<void> {
    if (this.#held !== undefined) this.#writes++;
    this.#held = undefined;
    this.#drift = undefined;
    return Promise.resolve();
  }
}

/** By value: a spec is plain data whose addresses and prefixes carry their text. */
function sameSpec(a: GuardSpec | undefined, b: GuardSpec): boolean {
  return a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b));
}
