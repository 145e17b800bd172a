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
import type { NodePlan, Planner } from './planner.js';

export interface Assessment {
  readonly plan: NodePlan;
  readonly report: PlanReport;
}

export interface AssessQuestion {
  readonly node: string;
  readonly cluster: Cluster;
  readonly planner: Planner;
  readonly kernel: Kernel;
  /** The cluster in force now, where it is known. */
  readonly previous?: Cluster | undefined;
  /** Address of the other end of the session that asks. */
  readonly sshClient?: string | undefined;
}

export async function assess(question: AssessQuestion): Promise<Assessment> {
  const { node, cluster, planner, kernel, previous, sshClient } = question;
  const actual = await kernel.dump();
  const plan = await planner.plan(cluster, actual);
  const sysctls = readSysctls(kernel, plan.objects.values());
  const difference = diff(plan.objects, { kernel: actual, sysctls });
  const { changes } = difference;
  return {
    plan,
    report: {
      ...planReport(node, plan, difference),
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
    },
  };
}
