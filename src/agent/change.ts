/** Guarded changes as callers see them: what is asked for, what is answered, what is refused. */
import type { BlastRadius } from '../../routes/blast-radius.js';
import type { LostPeer } from './lost.js';

export interface ChangeRequest {
  /** Name of the file for messages; its content is in `content`. */
  readonly file: string;
  readonly content: Uint8Array;
  /** Time to confirm; 0: it is kept at once, without probes. */
  readonly confirmMs: number;
  readonly allowManagementCut: boolean;
  /** Peers that may be lost: the change is meant to cut them. */
  readonly allowLoss: readonly string[];
  readonly sshClient?: string | undefined;
}

export interface ChangeReport {
  readonly schema: 'selvage.change/1';
  readonly node: string;
  readonly state: 'provisional' | 'confirmed' | 'rolled-back';
  /** Why it is so, in a line. */
  readonly reason: string;
  /** The file that was applied, and the one that it becomes when it is confirmed. */
  readonly file: string;
  readonly configFile: string;
  readonly startedAt: string;
  readonly deadlineAt: string;
  /** Left to confirm. */
  readonly remainingMs: number;
  readonly blast: BlastRadius | undefined;
  readonly probes: ProbeSummary | undefined;
  /** What did not go as it should, one line each. */
  readonly problems: readonly string[];
}

export interface ProbeSummary {
  /** Peers asked, and those of them that answered before. */
  readonly asked: number;
  readonly answered: number;
  readonly lost: readonly LostPeer[];
  /** Of the lost ones, those that the way back has not brought back. */
  readonly stillLost: readonly LostPeer[];
}

/**
 * Nothing was changed. `invalid`: the file is not right; `conflict`: not now; `management-cut`: it
 * would lock its operator out; `nothing`: there is no change to speak of.
 */
export class ChangeRefused extends Error {
  readonly why: 'invalid' | 'conflict' | 'management-cut' | 'nothing';

  constructor(why: ChangeRefused['why'], message: string) {
    super(message);
    this.why = why;
  }
}
