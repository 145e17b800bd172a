/** What a cluster would do to this node, before anything is written: for `plan` and for changes. */
import type { Cluster } from '../../encap/cluster.js';
import { blastRadius } from '../../routes/blast-radius.js';
import { diff } from '../../routes/diff.js';
import { managementCuts } from '../../routes/management.js';
import { readSysctls } from '../../routes/reconciler.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { managementAddresses } from './management-facts.js';
import type { PlanReport } from './plan-report.js';
import { planReport } from './plan-report.js';
import type { GuardReading, ReadGuard } from './read-guard.js';
import type { Planner } from './planner.js';

export interface AssessQuestion {
  readonly node: string;
  readonly cluster: Cluster;
  readonly planner: Planner;
  readonly kernel: Kernel;
  /** The cluster in force now, where it is known. */
  readonly previous?: Cluster | undefined;
  /** Address of the other end of the session that asks. */
  readonly sshClient?: string | undefined;
  /** Without it the packet filter is not looked at. */
  readonly readGuard?: ReadGuard | undefined;
}

/** Of a change, see routes/changeover.ts. */
const steps = 3;

export async function assess(question: AssessQuestion): Promise<PlanReport> {
  const { node, kernel, previous, sshClient } = question;
  // Where the change leads to in the end, not how far its first pass gets.
  const cluster: Cluster = { ...question.cluster, settleMs: 0 };
  const actual = await kernel.dump();
  const planner = question.planner.fork();
  let plan = await planner.plan(cluster, actual);
  // Makes room for the new beside the old, then sends it, then has only the new.
  for (let step = 1; step < steps; step++) {
    planner.applied(plan, { unmade: [] });
    plan = await planner.plan(cluster, actual);
  }
  const sysctls = readSysctls(kernel, plan.objects.values());
  const difference = diff(plan.objects, { kernel: actual, sysctls });
  const { changes } = difference;
  const guard = await question.readGuard?.(plan.guard);
  return {
    ...withGuard(planReport(node, plan, difference), guard),
    blast: blastRadius({
      cluster,
      previous,
      actual,
      desired: plan.objects,
      peers: plan.desired.peers,
      changes,
    }),
    managementCuts: managementCuts({
      addresses: managementAddresses(actual, { sshClient }),
      actual,
      desired: plan.objects,
      guard: plan.guard,
    }),
  };
}

/** The report with what was read of the packet filter. */
export function withGuard(report: PlanReport, guard: GuardReading | undefined): PlanReport {
  if (guard === undefined) return report;
  return {
    ...report,
    guard: guard.difference,
    problems: [...report.problems, ...guard.problems],
  };
}
