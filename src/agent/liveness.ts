/**
 * Is the agent alive? Its event loop is, or nobody would answer; what may hang is a pass, on a kernel
 * or a program that never answers. Passes come at least as often as the resynchronisation, so one
 * that has not ended for several of those is stuck.
 */
import type { PassReport } from '../../routes/reconciler.js';
import type { AgentObserver } from './figures.js';

/** Three resynchronisations; the slowest machine's first pass takes less. */
export const stuckAfterMs = 180_000;

export interface LivenessOptions {
  readonly nowMs: () => number;
  readonly stuckAfterMs?: number;
}

export class Liveness implements AgentObserver {
  readonly #options: LivenessOptions;
  #lastMs: number;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#lastMs = options.nowMs();
  }

  passed(_report: PassReport): void {
    this.#lastMs = this.#options.nowMs();
  }

  /** Why it is not alive; undefined: it is. */
  get problem(): string | undefined {
    const { nowMs, stuckAfterMs: limitMs = stuckAfterMs } = this.#options;
    const silentMs = nowMs() - this.#lastMs;
    if (silentMs <= limitMs) return undefined;
    return `no pass has ended for ${Math.round(silentMs / 1000)} s: the kernel or a program does not answer`;
  }
}
