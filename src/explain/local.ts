/**
 * A node read without its agent: the same planner looks at the same kernel, and nothing is written.
 * For the hour in which the agent is the thing that is dead.
 */
import type { Cluster } from '../../encap/cluster.js';
import { readSysctls } from '../../routes/reconciler.js';
import { openGuard } from '../../tunnel/guard/index.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { missingAddresses } from '../agent/assemble.js';
import { cloudReadingFile, termsFile } from '../agent/paths.js';
import type { NodePlan } from '../agent/planner.js';
import { Planner } from '../agent/planner.js';
import { readNodeGuard } from '../agent/read-guard.js';
import { TermsFile, TermsMemory } from '../agent/terms-record.js';
import { observeFrom } from '../cloud/observe.js';
import { liveFilters } from './filter-reading.js';
import { guardLines } from './guard-words.js';
import type { NodeReading } from './node-reading.js';

export interface LocalQuestion {
  readonly cluster: Cluster;
  /** Node that this machine is said to be. */
  readonly node: string;
  readonly kernel: Kernel;
  /** Where the agent keeps what it knows of a change that is under way. */
  readonly runtimeDir: string;
  /** Why the agent was not asked. */
  readonly note: string;
}

export type LocalReading =
  | { readonly here: true; readonly reading: NodeReading; readonly plan: NodePlan }
  /** This is not that node: `why` names the address that is not here. */
  | { readonly here: false; readonly why: string };

export async function readHere(question: LocalQuestion): Promise<LocalReading> {
  const { cluster, node: name, kernel, runtimeDir } = question;
  const node = cluster.nodes.get(name);
  if (node === undefined) return { here: false, why: `${name} is no node of the file` };
  const state = await kernel.dump();
  const missing = missingAddresses(node, state);
  if (missing.length === node.underlay.length)
    return {
      here: false,
      why: `no device here has an underlay address of ${name}, so this kernel is not its kernel`,
    };
  const observe = observeFrom(cloudReadingFile({ runtimeDir }));
  const record = new TermsMemory();
  record.write(new TermsFile(termsFile({ runtimeDir })).read() ?? []);
  const plan = await new Planner(kernel, name, { record, observe }).plan(cluster, state);
  const actual = { kernel: state, sysctls: readSysctls(kernel, plan.objects.values()) };
  return {
    here: true,
    plan,
    reading: {
      node: name,
      snapshot: plan.snapshot,
      desired: { ...plan.desired, objects: plan.objects },
      actual: () => Promise.resolve(actual),
      guardNotes: async () => guardLines(await readNodeGuard(plan.guard)),
      kernel,
      filters: liveFilters(plan.guard, { open: () => openGuard() }),
      basis: { kind: 'kernel', note: `${question.note}; this kernel was read directly` },
    },
  };
}
