/** What a pass did, whole or a step. */
import type { FailedChange } from './apply.js';
import type { Change, ForeignObject } from './diff.js';

export interface Outcome {
  readonly changes: readonly Change[];
  readonly failed: readonly FailedChange[];
  readonly skipped: readonly Change[];
  readonly withheld: readonly Change[];
  readonly foreign: readonly ForeignObject[];
  readonly error: Error | undefined;
}

export const nothing: Outcome = {
  changes: [],
  failed: [],
  skipped: [],
  withheld: [],
  foreign: [],
  error: undefined,
};

/** Is the kernel as it was wanted? What was made anew has had side effects that the next pass sees. */
export function isClean({ changes, failed, skipped, foreign, error }: Outcome): boolean {
  const isAnew = changes.some((change) => change.kind === 'update' && change.recreate);
  return error === undefined && !isAnew && failed.length + skipped.length + foreign.length === 0;
}

export function changedReason(names: readonly string[]): string {
  const [first, ...more] = names;
  return more.length === 0 ? `${first} changed` : `${first} and ${more.length} more nodes changed`;
}
