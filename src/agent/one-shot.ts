/**
 * The agent's work done once, without an agent: what `plan`, `apply` and `down` do when no agent
 * runs here. The same planner, the same diff, the same runtime.
 */
import type { Cluster } from '../../encap/cluster.js';
import { applyChanges } from '../../routes/apply.js';
import type { Diff } from '../../routes/diff.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import { deviceNames } from '../../routes/ownership.js';
import type { Kernel } from '../../tunnel/kernel.js';
import type { Observe } from '../cloud/observe.js';
import { assess } from './assess.js';
import type { NodeRuntime } from './node-runtime.js';
import type { NodePlan, PlannerOptions } from './planner.js';
import { Planner } from './planner.js';
import type { PlanReport, PlannedChange } from './plan-report.js';
import { planReport, plannedChange } from './plan-report.js';
import type { ReadGuard } from './read-guard.js';
import { readGuard, sourcesOf } from './read-guard.js';
import { zoneCounters } from './zone-traffic.js';

export interface OneShot {
  readonly node: string;
  readonly cluster: Cluster;
  readonly runtime: NodeRuntime;
  /** What an agent has read of the provider's API before. */
  readonly observe?: Observe | undefined;
}

/** What would change; nothing is written. */
export async function planOnce(
  options: Omit<OneShot, 'runtime'> & {
    readonly kernel: Kernel;
    /** Address of the other end of the session that asks. */
    readonly sshClient?: string | undefined;
    readonly readGuard?: ReadGuard;
  },
): Promise<PlanReport> {
  const planner = new Planner(options.kernel, options.node, observing(options));
  return assess({ ...options, planner });
}

export interface ApplyReport {
  readonly schema: 'selvage.apply/1';
  readonly node: string;
  readonly applied: readonly PlannedChange[];
  readonly failed: readonly { readonly object: PlannedChange; readonly error: string }[];
  readonly skipped: readonly PlannedChange[];
  readonly foreign: PlanReport['foreign'];
  readonly problems: readonly string[];
  /** What of the guard's rules was not as desired before; absent: nothing. */
  readonly guard?: string | undefined;
}

/** What is new comes up beside what is old, then takes over, then the old goes. */
const passes = 3;

/**
 * Nobody stays to wait for the settle time, so each step of a change follows the one before at
 * once; without an agent a change of segment is as short as that, and not without loss where peers
 * change later.
 */
export async function applyOnce(options: OneShot): Promise<ApplyReport> {
  const { node, runtime } = options;
  const { kernel } = runtime;
  const cluster: Cluster = { ...options.cluster, settleMs: 0 };
  const planner = new Planner(kernel, node, observing(options));
  const applied: PlannedChange[] = [];
  let guard: string | undefined;
  for (let pass = 1; ; pass++) {
    const { plan, difference } = await compare({ planner, cluster, kernel });
    const ready = runtime.planOf(plan);
    const before = await runtime.guard.verify(plan.guard);
    if (!before.ok) guard ??= before.difference ?? 'its rules';
    await ready.prepare();
    const result = await applyChanges(kernel, difference.changes, ready.peers);
    await ready.settle?.();
    const undone = [...result.failed.map(({ change }) => change), ...result.skipped];
    planner.applied(plan, {
      unmade: [...undone, ...difference.foreign].map(({ key }) => key),
    });
    // One by one: hundreds of thousands are more than a call takes as arguments.
    for (const change of result.applied) applied.push(plannedChange(change));
    // A peer that cannot be programmed keeps nobody else from going on.
    const underWay = planner.remembered().length > 1;
    const goesOn = underWay || (undone.length === 0 && result.applied.length > 0);
    if (goesOn && pass < passes) continue;
    return {
      schema: 'selvage.apply/1',
      node,
      applied,
      failed: result.failed.map((entry) => ({
        object: plannedChange(entry.change),
        error: entry.failure.message,
      })),
      skipped: result.skipped.map(plannedChange),
      foreign: planReport(node, plan, difference).foreign,
      problems: [...plan.problems, ...(await readGuard(plan.guard, sourcesOf(runtime))).problems],
      guard,
    };
  }
}

export interface DownReport {
  readonly schema: 'selvage.down/1';
  readonly removed: readonly PlannedChange[];
  readonly restored: readonly string[];
  readonly failed: readonly string[];
}

/** Removes all that is ours: routes and devices, planes, host settings, and the guard last. */
export async function downOnce(runtime: NodeRuntime): Promise<DownReport> {
  const { kernel } = runtime;
  const state = await kernel.dump();
  const gone = diff(new Map(), { kernel: state, sysctls: new Map() });
  const result = await applyChanges(kernel, gone.changes, new Map());
  await runtime.stopPlanes([deviceNames.ipip4]);
  // The settings of a NIC that is gone, or has another name now, went with it.
  const restoring = runtime.sysctls
    .restoring()
    .filter((object) => kernel.readSysctl(object.path) !== undefined);
  const outcomes = await kernel.apply(restoring.map((object) => ({ verb: 'set', object })));
  const failed = outcomes.flatMap((outcome) => outcome.failure?.message ?? []);
  if (failed.length === 0) runtime.sysctls.forget();
  await runtime.guard.remove();
  // Of an agent that was killed; one that stops removes them itself.
  await zoneCounters()
    .remove()
    .catch((error: unknown) => failed.push((error as Error).message));
  return {
    schema: 'selvage.down/1',
    removed: result.applied.map(plannedChange),
    restored: restoring.map((object) => `${object.path} = ${object.value}`),
    failed: [...result.failed.map((entry) => entry.failure.message), ...failed],
  };
}

async function compare(options: {
  readonly planner: Planner;
  readonly cluster: Cluster;
  readonly kernel: Kernel;
}): Promise<{ readonly plan: NodePlan; readonly difference: Diff }> {
  const { planner, cluster, kernel } = options;
  const state = await kernel.dump();
  const plan = await planner.plan(cluster, state);
  return {
    plan,
    difference: diff(plan.objects, {
      kernel: state,
      sysctls: readSysctls(kernel, plan.objects.values()),
    }),
  };
}

function observing({ observe }: Pick<OneShot, 'observe'>): PlannerOptions {
  return observe === undefined ? {} : { observe };
}
