/** Preflight of the machine that the command runs on: opens what the checks read, and closes it. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { openGuard, readRulesets } from '../../tunnel/guard/index.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { whoHas } from '../../tunnel/probe/who-has.js';
import { nativeAddonProblem } from '../../tunnel/native/addon.js';
import { rawSocketProblem } from '../../tunnel/raw-packets.js';
import { openNodeKernel } from '../agent/open.js';
import type { PlanReport } from '../agent/plan-report.js';
import type { StatusReport } from '../agent/status.js';
import type { CloudFacts, NodePaths } from './facts.js';
import { Machine } from './machine.js';
import { readNode } from './read-node.js';
import { cloudChecks, nodeChecks } from './registry.js';
import type { PreflightReport } from './run.js';
import { preflightReport, runChecks } from './run.js';

export interface HereQuestion {
  readonly cluster: Cluster;
  readonly file: string;
  readonly node: ClusterNode;
  readonly paths: NodePaths;
  readonly agent: { readonly status: StatusReport; readonly plan: PlanReport } | undefined;
  readonly cloud: CloudFacts | { readonly absent: string };
  /** Why the kernel may not be asked; undefined: it may. */
  readonly refused: string | undefined;
  readonly now: Date;
}

export async function preflightHere(question: HereQuestion): Promise<PreflightReport> {
  const { cluster, file, node, refused } = question;
  const kernel = openQuietly(refused);
  try {
    const facts = await readNode({
      ...question,
      kernel,
      machine: new Machine(),
      openGuard: () => openGuard(),
      readRulesets: () => readRulesets(),
      programs: {
        addon: nativeAddonProblem,
        rawSocket: rawSocketProblem,
        // Without a sender: a question that changes nobody's neighbour table (RFC 5227).
        whoHas: (nic, target) => whoHas({ ...nic, target, sender: undefined }),
      },
    });
    const results = await runChecks([...nodeChecks, ...cloudChecks], facts);
    const unseen = 'problem' in facts.kernel && facts.keeper.kind === 'absent';
    const keeper = unseen ? null : facts.keeper.kind;
    const about = { cluster: cluster.name, node: node.name, file, keeper };
    return preflightReport(about, results);
  } finally {
    if (typeof kernel !== 'string') kernel.close();
  }
}

function openQuietly(refused: string | undefined): Kernel | string {
  if (refused !== undefined) return refused;
  try {
    return openNodeKernel();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
