/** What a plan would change in this kernel, as data for `plan` and `apply`. */
import type { BlastRadius } from '../../routes/blast-radius.js';
import type { Change, Diff } from '../../routes/diff.js';
import type { ManagementCut } from '../../routes/management.js';
import { formatObject } from '../../tunnel/format.js';
import type { ChangeoverReport } from './changeover-report.js';
import type { NodePlan } from './planner.js';

export interface PlanReport {
  readonly schema: 'selvage.plan/1';
  readonly node: string;
  readonly revision: number;
  readonly changes: readonly PlannedChange[];
  /** Keys of ours that others hold; left alone. */
  readonly foreign: readonly { readonly desired: string; readonly actual: string }[];
  readonly problems: readonly string[];
  /** What of the guard's rules is not as desired; absent: nothing, or nobody looked. */
  readonly guard?: string | undefined;
  /** A change that is under way: what is not as configured yet is as it should be for now. */
  readonly changeover?: ChangeoverReport | undefined;
  /** What was laid over the cluster for this plan; absent: it is of the cluster as it is. */
  readonly whatIf?: readonly string[];
  /** Whom the changes touch. */
  readonly blast?: BlastRadius;
  /** Ways of managing this node that the changes would cut. */
  readonly managementCuts?: readonly ManagementCut[];
}

export interface PlannedChange {
  readonly action: Change['kind'];
  readonly object: string;
  /** What is there now, for updates and deletions. */
  readonly actual: string | undefined;
  readonly attributes: readonly string[];
  readonly recreate: boolean;
}

export function planReport(node: string, plan: NodePlan | undefined, difference: Diff): PlanReport {
  return {
    schema: 'selvage.plan/1',
    node,
    revision: plan?.snapshot.cluster.revision ?? 0,
    changes: difference.changes.map(plannedChange),
    foreign: difference.foreign.map((entry) => ({
      desired: formatObject(entry.desired),
      actual: formatObject(entry.actual),
    })),
    problems: plan?.problems ?? [],
  };
}

export function plannedChange(change: Change): PlannedChange {
  switch (change.kind) {
    case 'create':
      return {
        action: 'create',
        object: formatObject(change.desired),
        actual: undefined,
        attributes: [],
        recreate: false,
      };
    case 'update':
      return {
        action: 'update',
        object: formatObject(change.desired),
        actual: formatObject(change.actual),
        attributes: change.attributes,
        recreate: change.recreate,
      };
    case 'delete':
      return {
        action: 'delete',
        object: formatObject(change.actual),
        actual: formatObject(change.actual),
        attributes: [],
        recreate: false,
      };
  }
}
