/**
 * What `config history` and `config diff` say, as plain data. Within a schema fields are only added.
 */
import type { ConfigValue } from '../../store/fleet/records.js';
import type { DiffReport } from '../../verify/report.js';

export interface HistoryReport {
  readonly schema: 'selvage.config-history/1';
  /** All that are kept. */
  readonly total: number;
  readonly versions: readonly VersionReport[];
}

export interface VersionReport {
  readonly number: number;
  /** Null, as all of what follows: it cannot be read, see `problem`. */
  readonly at: string | null;
  readonly by: string | null;
  readonly message: string | null;
  readonly phase: NonNullable<ConfigValue['changeover']>['phase'] | null;
  readonly bytes: number | null;
  /** Lines against the version before; null without one. */
  readonly lines: { readonly added: number; readonly removed: number } | null;
  readonly inForce: boolean;
  readonly problem: string | null;
}

export interface ConfigDiffReport {
  readonly schema: 'selvage.config-diff/1';
  readonly old: number;
  readonly new: number;
  readonly same: boolean;
  /** Unified; empty when it is the same. */
  readonly text: string;
  /** Null: it was not asked for. */
  readonly effect: DiffReport | null;
}
