/** How a fleet's store is, for `selvage status` and the metrics. */
import type { WatchState } from '../kv.js';
import type { StoreHealth } from '../health.js';

export interface FleetStatus extends StoreHealth {
  /** Of `synced`, or of its opposite. */
  readonly since: string;
  /** Why it is not synced. */
  readonly problem?: string;
  readonly nodes: number;
  readonly absent: number;
}

/** Several watches are one connection to the reader: it is broken while any of them is. */
export class WatchStates {
  readonly #states = new Map<string, WatchState['kind']>();
  readonly #now: () => Date;
  readonly #count: number;
  #problem: string | undefined;
  #since: Date;
  #outages = 0;

  constructor(options: { readonly count: number; readonly now: () => Date }) {
    this.#count = options.count;
    this.#now = options.now;
    this.#since = options.now();
  }

  get synced(): boolean {
    if (this.#states.size < this.#count) return false;
    for (const kind of this.#states.values()) if (kind !== 'synced') return false;
    return true;
  }

  get since(): Date {
    return this.#since;
  }

  get outages(): number {
    return this.#outages;
  }

  /** Undefined while synced, and before the first answer. */
  get problem(): string | undefined {
    return this.synced ? undefined : this.#problem;
  }

  /** Returns whether all together is otherwise now. */
  note(watch: string, state: WatchState): boolean {
    const before = this.synced;
    const problem = this.problem;
    this.#states.set(watch, state.kind);
    if (state.kind === 'broken') this.#problem = state.problem;
    const { synced } = this;
    if (synced === before) return this.problem !== problem;
    this.#since = this.#now();
    if (before) this.#outages += 1;
    return true;
  }
}
