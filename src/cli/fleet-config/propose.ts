/** One change of a fleet's configuration, from the text to what became of it. */
import type { Problem } from '../../config/problem.js';
import { type ConfigProposal, judgeChange } from '../../store/fleet/config-change.js';
import type { AcceptableChange } from '../../store/fleet/config-change.js';
import type { ConfigVersion } from '../../store/fleet/config-history.js';
import type { ConfigTarget, ConfigWritten } from '../../store/fleet/config-write.js';
import { KeyValueError } from '../../store/kv.js';
import type { DiffReport } from '../../verify/report.js';
import { type ExitCode, exitCodes } from '../exit-codes.js';
import { unableFailure } from '../failure.js';

export interface ConfigChangeReport {
  readonly schema: 'selvage.config-change/1';
  readonly outcome: ChangeOutcome;
  /** Of the text. */
  readonly file: string;
  /** The one that was written, or that has this text already. */
  readonly version: number | null;
  /** The one that it follows, or was to; 0: it is the first; null: none was named. */
  readonly base: number | null;
  /** Nodes that have registered themselves and count by it. */
  readonly registered: number;
  /** Null: there is nothing to compare with. */
  readonly effect: DiffReport | null;
  /** Errors of a text that is not valid, else warnings. */
  readonly problems: readonly Problem[];
  /** Why it is written only with --force-change. */
  readonly dangers: readonly string[];
  readonly remarks: readonly string[];
  /** Versions that were removed, as there are more than are kept. */
  readonly pruned: readonly number[];
  /** Of a conflict: what somebody else has written first. */
  readonly other: OtherVersion | null;
}

export type ChangeOutcome =
  'written' | 'unchanged' | 'would-write' | 'invalid' | 'refused' | 'conflict';

export interface OtherVersion {
  readonly number: number;
  readonly at: string | null;
  readonly by: string | null;
  readonly message: string | null;
}

export interface ProposeFlags {
  readonly forceChange: boolean;
  readonly dryRun: boolean;
}

/** Nothing is in the store that was not there, unless the outcome is `written`. */
export async function propose(
  target: ConfigTarget,
  request: { readonly proposal: ConfigProposal; readonly flags: ProposeFlags },
): Promise<ConfigChangeReport> {
  const { proposal, flags } = request;
  const { file } = proposal;
  const judged = await judgeChange(target, proposal);
  switch (judged.kind) {
    case 'unusable':
      throw unableFailure(`cannot write ${file}: ${judged.why}`);
    case 'invalid':
      return { ...nothing, file, outcome: 'invalid', problems: judged.problems };
    case 'unchanged':
      return { ...nothing, file, outcome: 'unchanged', version: judged.number };
    case 'conflict':
      return {
        ...nothing,
        file,
        outcome: 'conflict',
        base: proposal.ifVersion ?? null,
        other: otherOf(judged.other),
      };
    case 'acceptable':
  }
  const { base, registered, dangers, remarks, warnings } = judged;
  const seen = {
    ...nothing,
    ...{ file, base, registered, dangers, remarks },
    problems: warnings,
    effect: judged.effect ?? null,
  };
  if (dangers.length > 0 && !flags.forceChange) return { ...seen, outcome: 'refused' };
  if (flags.dryRun) return { ...seen, outcome: 'would-write', version: base + 1 };
  const written = await write(judged);
  return written.kind === 'written'
    ? { ...seen, outcome: 'written', version: written.number, pruned: written.pruned }
    : { ...seen, outcome: 'conflict', other: otherOf(written.other) };
}

export function exitCodeOf(outcome: ChangeOutcome): ExitCode {
  switch (outcome) {
    case 'written':
    case 'unchanged':
    case 'would-write':
      return exitCodes.ok;
    case 'invalid':
      return exitCodes.found;
    case 'refused':
    case 'conflict':
      return exitCodes.unable;
  }
}

const nothing = {
  schema: 'selvage.config-change/1',
  version: null,
  base: null,
  registered: 0,
  effect: null,
  problems: [],
  dangers: [],
  remarks: [],
  pruned: [],
  other: null,
} as const;

async function write(change: AcceptableChange): Promise<ConfigWritten> {
  try {
    return await change.write();
  } catch (error) {
    // A request that was heard and an answer that was not look like this too.
    if (error instanceof KeyValueError && error.failure === 'unavailable')
      throw unableFailure(
        `${error.message}; the store may have taken the text all the same: "selvage config history" tells`,
      );
    throw error;
  }
}

function otherOf(other: ConfigVersion | undefined): OtherVersion | null {
  if (other === undefined) return null;
  const { number, value } = other;
  return {
    number,
    at: value?.at ?? null,
    by: value?.by ?? null,
    message: value?.message ?? null,
  };
}
