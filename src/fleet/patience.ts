/**
 * A store that does not answer may answer in a moment, while its members elect a leader. What is
 * done over again here must be of the kind that can be: joining, leaving.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyValueError } from '../store/kv.js';

export interface Patience {
  /** For all attempts, in milliseconds. */
  readonly timeoutMs: number;
  /** From 0 to below 1: fifty machines that were refused at once do not come back at once. */
  readonly random: () => number;
  /** Told once, before the first pause: somebody may sit and wait. */
  readonly onWait?: (why: string) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 3_000;

export async function patiently<T>(action: () => Promise<T>, patience: Patience): Promise<T> {
  const { timeoutMs, random } = patience;
  const end = performance.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof KeyValueError) || error.failure !== 'unavailable') throw error;
      const pauseMs = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs) * (0.5 + random());
      if (performance.now() + pauseMs >= end) throw error;
      if (attempt === 0) patience.onWait?.(error.message);
      await sleep(pauseMs);
    }
  }
}
