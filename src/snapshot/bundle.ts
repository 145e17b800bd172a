/**
 * What a bundle holds: everything that the answers of one node rest on at one moment, and nothing
 * that opens a door elsewhere.
 *
 * Only named things go in (see cluster-shape.ts): no file but the cluster file, and that without
 * its comments; no environment, no command lines, no keys. Versioned by `schema`; within a version
 * fields are only added.
 */
import type { KernelDetails } from '../../tunnel/kernel-details.js';
import type { KernelState, OwnLink, RouteLookup } from '../../tunnel/kernel.js';
import type { BasisReport, FreezeReport } from '../../routes/explain-report.js';
import type { Cluster, LocalFacts } from '../../encap/cluster.js';
import type { DesiredObject, DesiredState } from '../../routes/desired.js';
import type { GuardSpec, Rulesets } from '../../tunnel/guard/index.js';
import type { PlanReport } from '../agent/plan-report.js';
import type { StatusReport } from '../agent/status.js';
import type { JournalData } from '../journal/journal.js';

export const snapshotSchema = 'selvage.snapshot/1';

export interface SnapshotBundle {
  readonly schema: typeof snapshotSchema;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly node: string;
  readonly host: HostFacts;
  /** Null where no agent answered. */
  readonly status: StatusReport | null;
  readonly plan: PlanReport;
  readonly config: ConfigRecord;
  readonly cluster: Cluster;
  readonly local: LocalFacts | null;
  readonly basis: Pick<BasisReport, 'kind' | 'note'> | null;
  readonly freeze: FreezeReport | null;
  readonly desired: Omit<DesiredState, 'objects'> & { readonly objects: readonly DesiredObject[] };
  readonly kernel: KernelRecord;
  readonly filters: FilterRecord;
  readonly journal: JournalData;
}

export interface HostFacts {
  readonly selvage: string;
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly nodejs: string;
}

export interface ConfigRecord {
  readonly file: string;
  /** Without comments; null where the file is not one that may be shown, and `omitted` says why. */
  readonly text: string | null;
  readonly omitted: string | null;
}

export interface KernelRecord {
  readonly state: KernelState;
  readonly details: KernelDetails;
  /** Values by path below /proc/sys. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly lookups: readonly LookupRecord[];
  readonly kinds: readonly OwnLink['kind'][];
}

export interface LookupRecord {
  readonly to: string;
  readonly from: string | null;
  /** Null: no route. */
  readonly found: RouteLookup | null;
}

export interface FilterRecord {
  readonly spec: GuardSpec;
  /** Null where it could not be read; `problem` says why. */
  readonly guard: { readonly ok: boolean; readonly difference: string | null } | null;
  readonly problem: string | null;
  readonly dropped: Readonly<Record<string, number>>;
  readonly rulesets: Rulesets;
  /** As explanations print them. */
  readonly notes: readonly string[];
}
