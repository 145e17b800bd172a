/** What tests of crashes share: a change of every kind, and a kernel that stops after each op. */
import type { Cluster } from '../../encap/cluster.js';
import { applyChanges } from '../../routes/apply.js';
import type { Change } from '../../routes/diff.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import type { NodePlan } from '../../src/agent/planner.js';
import { Planner } from '../../src/agent/planner.js';
import type { Kernel, Op } from '../../tunnel/kernel.js';
import type { NodeSketch } from './cluster-builder.js';
import { sketchCluster } from './cluster-builder.js';
import { workingPaths } from './working.js';

/** The node whose kernel is looked at. */
export const self = 'n0';
/** A mask wide enough for every node, so that `native` is adjacent. */
const underlayOf = (address: number): string => `172.16.${address >> 8}.${address & 0xff}/12`;

/**
 * Two configurations of `size` peers. Between them, by sixths: peers that stay, that change from
 * VXLAN to native, from native to VXLAN, to another underlay address; that go, and that come.
 */
export function crashPair(size: number): { readonly before: Cluster; readonly after: Cluster } {
  const build = (isAfter: boolean): Cluster => {
    const nodes: NodeSketch[] = [{ name: self, at: underlayOf(1), overlay: '10.64.0.0/28' }];
    for (let i = 1; i <= size; i++) {
      const kind = i % 6;
      if (kind === 4 && isAfter) continue;
      if (kind === 5 && !isAfter) continue;
      const near = kind === 1 ? isAfter : kind === 2 ? !isAfter : false;
      const moved = kind === 3 && isAfter;
      nodes.push({
        name: `n${i}`,
        at: underlayOf(1 + i + (moved ? 0x4000 : 0)),
        overlay: `10.${64 + (i >> 12)}.${(i >> 4) & 0xff}.${(i & 15) << 4}/28`,
        labels: near ? { role: 'near' } : {},
      });
    }
    return sketchCluster({
      pools: ['10.64.0.0/12'],
      nodes,
      rules: [
        {
          name: 'near',
          between: [{ nodes: [self] }, { labels: { role: ['near'] } }],
          mode: 'native',
        },
        { name: 'far', mode: 'vxlan' },
      ],
    });
  };
  return { before: build(false), after: build(true) };
}

export interface Prepared {
  readonly plan: NodePlan;
  readonly changes: readonly Change[];
}

/** What an agent that starts now would do. */
export async function prepare(kernel: Kernel, cluster: Cluster): Promise<Prepared> {
  const state = await kernel.dump();
  const plan = await new Planner(kernel, self).plan(cluster, state);
  return { plan, changes: await remaining(kernel, plan) };
}

export async function remaining(kernel: Kernel, plan: NodePlan): Promise<readonly Change[]> {
  const sysctls = readSysctls(kernel, plan.objects.values());
  return diff(plan.objects, { kernel: await kernel.dump(), sysctls }).changes;
}

export async function apply(kernel: Kernel, { plan, changes }: Prepared): Promise<void> {
  const { failed } = await applyChanges(kernel, changes, plan.desired.peers);
  if (failed.length > 0) throw new Error(failed.map((entry) => entry.failure.message).join('\n'));
}

export async function converge(kernel: Kernel, cluster: Cluster): Promise<Prepared> {
  const prepared = await prepare(kernel, cluster);
  await apply(kernel, prepared);
  return prepared;
}

/** The same kernel, with every op a batch of its own and a pause behind each. */
export function opByOp(kernel: Kernel, afterOp: (op: Op) => Promise<void>): Kernel {
  return {
    ...kernel,
    apply: async (ops) => {
      const outcomes = [];
      for (const op of ops) {
        outcomes.push(...(await kernel.apply([op])));
        await afterOp(op);
      }
      return outcomes;
    },
  };
}

/**
 * Is every prefix that has a way before and after a change on one of the two? Lines of complaint;
 * none when nothing that forwarded has stopped.
 */
export function stopped(
  paths: ReadonlyMap<string, string>,
  ends: {
    readonly before: ReadonlyMap<string, string>;
    readonly after: ReadonlyMap<string, string>;
  },
  prefixes: Iterable<string> = ends.before.keys(),
): readonly string[] {
  const complaints: string[] = [];
  for (const prefix of prefixes) {
    const before = ends.before.get(prefix);
    const after = ends.after.get(prefix);
    const now = paths.get(prefix);
    if (before !== undefined && after !== undefined && now !== before && now !== after)
      complaints.push(`${prefix}: ${now ?? 'nowhere'}, neither ${before} nor ${after}`);
  }
  return complaints;
}

export async function pathsOf(kernel: Kernel): Promise<ReadonlyMap<string, string>> {
  return workingPaths(await kernel.dump());
}
