/** One code of a diagnosis. */
import type { Health } from './finding.js';

export interface CodeEntry {
  readonly code: string;
  /** With nothing else known; probes that pass all the same make it milder. */
  readonly health: Exclude<Health, 'OK'>;
  /** What is the case, in one line. */
  readonly cause: string;
  /** What to do about it, in one line. */
  readonly remedy: string;
}

export function codeEntry<C extends string>(
  code: C,
  health: CodeEntry['health'],
  cause: string,
  remedy: string,
): CodeEntry & { readonly code: C } {
  return { code, health, cause, remedy };
}
