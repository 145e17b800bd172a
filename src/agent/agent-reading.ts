/** What a running agent's answers about its node rest on. */
import { commonObjects } from '../../routes/desired-index.js';
import type { ActualState } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import type { NodeReading } from '../explain/node-reading.js';
import { liveFilters } from '../explain/filter-reading.js';
import { guardLines } from '../explain/guard-words.js';
import type { KernelInterest } from '../../tunnel/kernel-interest.js';
import type { Journal } from '../journal/journal.js';
import type { Freeze } from './freeze.js';
import type { NodeRuntime } from './node-runtime.js';
import type { NodePlan } from './planner.js';
import { readGuard, sourcesOf } from './read-guard.js';

export interface AgentView {
  readonly node: string;
  readonly runtime: NodeRuntime;
  readonly plan: NodePlan;
  readonly journal: Journal;
  readonly freeze: Freeze;
}

export function agentReading(view: AgentView): NodeReading {
  const { node, plan, journal, freeze } = view;
  return {
    node,
    snapshot: plan.snapshot,
    desired: { ...plan.desired, objects: plan.objects },
    actual: (interest) => readActual(view, interest),
    guardNotes: () => guardNotes(view),
    history: journal.history,
    freeze: freeze.report,
    kernel: view.runtime.kernel,
    filters: liveFilters(plan.guard, {
      open: () => Promise.resolve(view.runtime.guard),
      reader: view.runtime.rulesets,
    }),
  };
}

export async function readActual(
  { runtime: { kernel }, plan }: Pick<AgentView, 'runtime' | 'plan'>,
  interest?: KernelInterest,
): Promise<ActualState> {
  const sysctls = readSysctls(kernel, commonObjects(plan.objects));
  if (interest === undefined) return { kernel: await kernel.dump(), sysctls };
  const { state, details } = await kernel.read(interest);
  return { kernel: state, sysctls, details };
}

/** Best effort: reading rules must not keep a question from its answer. */
export async function guardNotes({
  runtime,
  plan,
  freeze,
}: Pick<AgentView, 'runtime' | 'plan' | 'freeze'>): Promise<readonly string[]> {
  const { guard, foreignRules } = sourcesOf(runtime);
  // Unless it is frozen, whatever differs is put back before anybody could read of it.
  const sources = freeze.report === undefined ? { foreignRules } : { guard, foreignRules };
  return guardLines(await readGuard(plan.guard, sources));
}
