/**
 * What a diagnosis ends in: a health, and findings with stable codes, the cause first.
 */
import type { Direction, Place, Stage } from './evidence.js';

/** UNDETERMINED: something is wrong or unknown and the evidence does not say which of several causes. */
export type Health = 'OK' | 'DEGRADED' | 'BROKEN' | 'UNDETERMINED';

export interface Finding {
  /** Stable, from the list in `codes.ts`. */
  readonly code: string;
  readonly severity: 'cause' | 'contributing' | 'note';
  readonly health: Exclude<Health, 'OK'>;
  /** The node it is at; null: between the nodes. */
  readonly node: string | null;
  readonly stage: Stage | null;
  readonly direction: Direction | 'both';
  /** One line: what is wrong, with the current value. */
  readonly text: string;
  /** What it rests on: state and probes, one line each. */
  readonly evidence: readonly string[];
  /** Between these two places packets are lost, where probes say so. */
  readonly lostBetween: readonly [Place, Place] | null;
  /** Other causes that the evidence does not rule out, and the test that would; else empty. */
  readonly alternatives: readonly { readonly code: string; readonly test: string }[];
  /** Ranked, the most promising first. */
  readonly remedies: readonly Remedy[];
}

export interface Remedy {
  readonly text: string;
  /** A command to run, and where; or null. */
  readonly command: string | null;
  /** A `--what-if` patch for the cluster file; or null. */
  readonly patch: string | null;
  /** What the decision becomes with the patch, from a real run; null without a patch. */
  readonly predicted: string | null;
}
