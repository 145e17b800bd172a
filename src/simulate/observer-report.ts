/** What one observed node has, once it has started. */
import type { Decision } from '../../encap/trail.js';
import { isOwnRoute, ownState } from '../../routes/ownership.js';
import { Rib } from '../../routes/rib.js';
import type { NodePlan } from '../agent/planner.js';
import type { Observer, ObserverFigures } from './observer.js';
import { round } from './quantiles.js';
import type { ObserverReport } from './report.js';
import { processorMs } from './virtual-clock.js';

export async function observerReport(
  observer: Observer,
  measured: { readonly coldStart: ObserverFigures; readonly heapMiB: number },
): Promise<ObserverReport> {
  const { member, metered, loop } = observer;
  const state = await observer.kernel.dump();
  const own = ownState(state);
  return {
    node: member.name,
    zone: member.zone.name,
    provider: member.zone.provider,
    routes: state.routes.filter(isOwnRoute).length,
    modes: modesOf(loop.plan?.rib.decisions.values() ?? []),
    entries: own.fdb.length + own.neighbours.length,
    heapMiB: round(measured.heapMiB),
    coldStart: {
      workMs: round(measured.coldStart.workMs),
      listedBytes: metered.traffic.listedBytes,
    },
    decisionsPerSecond: loop.plan === undefined ? 0 : round(decisionsPerSecond(loop.plan)),
  };
}

function modesOf(decisions: Iterable<Decision>): ObserverReport['modes'] {
  const modes = { native: 0, ipip: 0, vxlan: 0, none: 0 };
  for (const { verdict } of decisions)
    if (verdict.kind === 'forward') modes[verdict.mode]++;
    else if (verdict.kind !== 'local') modes.none++;
  return modes;
}

/** All decisions of this node, made once more by themselves. */
function decisionsPerSecond({ snapshot }: NodePlan): number {
  const rib = new Rib(snapshot.local.node);
  const before = processorMs();
  rib.build(snapshot);
  return (rib.size * 1000) / (processorMs() - before);
}
