/** Reads what the checks of a node look at: its kernel, its filters, its agent. Nothing is written. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { withObservations } from '../../encap/observed.js';
import { diff } from '../../routes/diff.js';
import { isOwnLink, isOwnRoute } from '../../routes/ownership.js';
import { readSysctls } from '../../routes/reconciler.js';
import type { Guard, Rulesets } from '../../tunnel/guard/index.js';
import type { Kernel, KernelState } from '../../tunnel/kernel.js';
import { cloudReadingFile, termsFile } from '../agent/paths.js';
import { Planner } from '../agent/planner.js';
import type { NodePlan } from '../agent/planner.js';
import type { PlanReport } from '../agent/plan-report.js';
import { planReport } from '../agent/plan-report.js';
import type { StatusReport } from '../agent/status.js';
import { observeFrom } from '../cloud/observe.js';
import { TermsFile, TermsMemory } from '../agent/terms-record.js';
import type {
  CloudFacts,
  Keeper,
  KernelFacts,
  NodeFacts,
  NodePaths,
  Programs,
  Way,
} from './facts.js';
import type { Machine } from './machine.js';

export interface NodeQuestion {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly machine: Machine;
  readonly paths: NodePaths;
  /** A text: why it cannot be had. */
  readonly kernel: Kernel | string;
  /** Rejects where this kernel holds none. */
  readonly openGuard: () => Promise<Pick<Guard, 'backend' | 'verify'>>;
  readonly readRulesets: () => Promise<Rulesets>;
  /** What the running agent says; undefined: none answers. */
  readonly agent: { readonly status: StatusReport; readonly plan: PlanReport } | undefined;
  readonly programs: Programs;
  readonly cloud: CloudFacts | { readonly absent: string };
  readonly now: Date;
}

export async function readNode(question: NodeQuestion): Promise<NodeFacts> {
  const {
    cluster: configured,
    node: given,
    machine,
    paths,
    agent,
    programs,
    cloud,
    now,
  } = question;
  const cluster = clusterHere(configured, { cloud, paths });
  const node = cluster.nodes.get(given.name) ?? given;
  const kernel = await kernelFacts(question, cluster, node);
  const keeper = keeperOf(agent?.status, 'problem' in kernel ? undefined : kernel.state);
  return { cluster, node, machine, paths, keeper, kernel, programs, cloud, now };
}

/** As just read; else as the agent has read it last, by which it decides. */
function clusterHere(
  cluster: Cluster,
  { cloud, paths }: Pick<NodeQuestion, 'cloud' | 'paths'>,
): Cluster {
  if ('absent' in cloud || 'problem' in cloud.reading)
    return observeFrom(cloudReadingFile(paths))(cluster);
  return withObservations(cluster, cloud.reading.observed);
}

function keeperOf(status: StatusReport | undefined, state: KernelState | undefined): Keeper {
  if (status !== undefined)
    return { kind: status.freeze === undefined ? 'running' : 'frozen', status };
  const ours =
    state !== undefined && (state.links.some(isOwnLink) || state.routes.some(isOwnRoute));
  return { kind: ours ? 'dead' : 'absent' };
}

async function kernelFacts(
  question: NodeQuestion,
  cluster: Cluster,
  node: ClusterNode,
): Promise<NodeFacts['kernel']> {
  const { kernel } = question;
  if (typeof kernel === 'string') return { problem: kernel };
  const [state, details, kinds] = await Promise.all([
    kernel.dump(),
    kernel.details(),
    kernel.probeKinds(),
  ]);
  const record = new TermsMemory();
  record.write(new TermsFile(termsFile(question.paths)).read() ?? []);
  const plan = await new Planner(kernel, node.name, { record }).plan(cluster, state);
  const [guard, rulesets] = await Promise.all([
    question.openGuard().catch(problemOf),
    question.readRulesets().catch(problemOf),
  ]);
  const report = question.agent?.plan ?? (await ownReport({ kernel, state, plan, node, guard }));
  const told = 'problem' in guard ? guard : { backend: guard.backend };
  const ways = waysOf(plan, node);
  return { kernel, state, details, kinds, plan, report, guard: told, rulesets, ways };
}

async function ownReport(of: {
  readonly kernel: Kernel;
  readonly state: KernelState;
  readonly plan: NodePlan;
  readonly node: ClusterNode;
  readonly guard: Pick<Guard, 'verify'> | { readonly problem: string };
}): Promise<KernelFacts['report']> {
  const { kernel, state, plan, node, guard } = of;
  const sysctls = readSysctls(kernel, plan.objects.values());
  const report = planReport(node.name, plan, diff(plan.objects, { kernel: state, sysctls }));
  if ('problem' in guard) return report;
  const { ok, difference } = await guard.verify(plan.guard);
  return ok ? report : { ...report, guard: difference ?? 'its rules' };
}

/** Pairs that are looked at one by one; beyond that a cluster has many alike. */
const waysMax = 1024;

function waysOf(plan: NodePlan, node: ClusterNode): readonly Way[] {
  const { cluster } = plan.snapshot;
  const ways: Way[] = [];
  for (const out of plan.rib.decisions.values()) {
    if (ways.length >= waysMax) break;
    const peer = cluster.nodes.get(out.owner ?? '');
    if (peer === undefined || peer.name === node.name || peer.withdrawn) continue;
    const own = node.overlay.find((prefix) => prefix.family === out.prefix.family);
    // What only the peer knows of its own kernel is not known here.
    const asked = own && { from: peer, prefix: own, owner: node };
    const back = asked && decide({ cluster, local: undefined }, asked);
    ways.push({ peer, out, back });
  }
  return ways;
}

function problemOf(error: unknown): { readonly problem: string } {
  return { problem: error instanceof Error ? error.message : String(error) };
}
