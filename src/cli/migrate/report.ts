/** What `migrate` says, as plain data. Within a schema fields are only added. */
import type { Outcome } from '../../migrate/lead.js';
import type { Progress } from '../../migrate/stage.js';
import { type ExitCode, exitCodes } from '../exit-codes.js';

export interface MigrateReport {
  readonly schema: 'selvage.migrate/1';
  readonly cluster: string;
  /** `none`, `under-way`: it was only asked how it stands. */
  readonly outcome: Outcome['kind'] | 'running' | 'none' | 'under-way';
  /** Number of the version that counts; null: not known yet. */
  readonly version: number | null;
  /** Null: the store has told nothing yet. */
  readonly progress: Progress | null;
  /** Why it may be out of date; null: it is not. */
  readonly problem: string | null;
}

export function exitCodeOf(outcome: MigrateReport['outcome']): ExitCode {
  switch (outcome) {
    case 'done':
    case 'paused':
    case 'none':
    case 'running':
      return exitCodes.ok;
    case 'timeout':
    case 'interrupted':
    case 'under-way':
      return exitCodes.found;
    case 'superseded':
      return exitCodes.unable;
  }
}
