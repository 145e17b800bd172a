/**
 * A change of configuration that is under way (routes/changeover.ts), for people: what is not as
 * configured yet, what is received besides, and when that changes.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { LedPhase } from '../../routes/changeover.js';
import { vxlanKey } from '../../routes/changeover.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { wayOf } from '../../routes/blast-radius.js';
import type { NodePlan, UnderWay } from './planner.js';

export interface ChangeoverReport {
  /**
   * `waiting`: what is new is received and, where peers may not be ready, not sent yet. `ending`: it
   * is sent, and the old is still received.
   */
  readonly step: 'waiting' | 'ending';
  /** The phase, where somebody leads the change: then it goes on when he says so. */
  readonly led?: LedPhase;
  /** Undefined: when a pass has given the kernel what this step needs. */
  readonly nextStepAt: string | undefined;
  readonly remainingMs: number | undefined;
  /** What differs from the configuration meanwhile, one line each. */
  readonly lines: readonly string[];
  /** Overlay prefixes that stay on their old way. */
  readonly kept: readonly KeptReport[];
}

export interface KeptReport {
  readonly prefix: string;
  readonly node: string;
  /** Mode and MTU of the old way, e.g. `ipip 1480`. */
  readonly keeps: string;
  /** What may not be sent yet, e.g. `vxlan over IPv4`. */
  readonly waitsFor: string;
}

export function changeoverReport(
  underWay: UnderWay | undefined,
  now: Date = new Date(),
): ChangeoverReport | undefined {
  if (underWay === undefined) return undefined;
  const { plan, switching, nextStepInMs } = underWay;
  return {
    step: switching ? 'waiting' : 'ending',
    ...(plan.led === undefined ? {} : { led: plan.led.phase }),
    nextStepAt:
      nextStepInMs === undefined ? undefined : new Date(now.getTime() + nextStepInMs).toISOString(),
    remainingMs: nextStepInMs,
    lines: [...segmentLines(plan), ...addressLines(plan)],
    kept: plan.kept.map(({ route, peer, next }) => ({
      prefix: route.prefix.text,
      node: peer,
      keeps: wayOf(route),
      waitsFor: next.mode === 'native' ? 'native' : `${next.mode} over IPv${next.outer}`,
    })),
  };
}

/** As a part of a sentence: `for another 7 s`. */
export function untilText({
  remainingMs,
  led,
}: Pick<ChangeoverReport, 'remainingMs' | 'led'>): string {
  if (led !== undefined && remainingMs === undefined)
    return `until "selvage migrate" goes on (phase ${led})`;
  return remainingMs === undefined
    ? 'until all of it is in this kernel'
    : `for another ${Math.ceil(remainingMs / 1000)} s`;
}

function segmentLines({ configured, snapshot, guard, led }: NodePlan): readonly string[] {
  const sending = snapshot.cluster.vxlan;
  const waits = vxlanKey(sending) !== vxlanKey(configured.vxlan);
  const others = guard.vxlan.filter(
    (id) => ![sending, configured.vxlan].some((known) => vxlanKey(known) === vxlanKey(id)),
  );
  return [
    ...(waits
      ? [
          `VXLAN is sent with ${segmentText(sending)}; ${segmentText(configured.vxlan)} is received beside it`,
        ]
      : []),
    ...others.map((id) =>
      led?.phase === 'prepare'
        ? `${segmentText(id)} is received already`
        : `${segmentText(id)} is still received`,
    ),
  ];
}

function addressLines({ configured, snapshot, rib }: NodePlan): readonly string[] {
  return [...configured.nodes.values()].flatMap((node) => {
    const sending = addressesOf(snapshot.cluster, node.name);
    const next = addressesOf(configured, node.name);
    if (sending === next) return [];
    return node.name === rib.self
      ? [`tunnel packets are sent from ${sending}, and from ${next} later`]
      : [`${node.name} is sent to at ${sending}, and at ${next} later`];
  });
}

function addressesOf(cluster: Cluster, name: string): string {
  const underlay = cluster.nodes.get(name)?.underlay ?? [];
  return underlay.map(({ address }) => address.text).join(' and ');
}

function segmentText({ vni, port }: Cluster['vxlan']): string {
  return `VNI ${vni}, port ${port}`;
}

/** The explanation with what a change that is under way means for its destination. */
export function withChangeover(
  report: ExplainReport,
  { underWay, node }: { readonly underWay: UnderWay | undefined; readonly node: string },
): ExplainReport {
  return noteChangeover(report, { changeover: changeoverReport(underWay), node });
}

export function noteChangeover(
  report: ExplainReport,
  {
    changeover,
    node,
  }: { readonly changeover: ChangeoverReport | undefined; readonly node: string },
): ExplainReport {
  if (changeover === undefined || report.question.from.node !== node) return report;
  const kept = changeover.kept.find(({ prefix }) => prefix === report.verdict.prefix);
  const what =
    kept === undefined
      ? changeover.lines
      : [
          `packets to ${kept.prefix} still go ${kept.keeps}, as ${kept.node} may not receive ${kept.waitsFor} yet`,
        ];
  if (what.length === 0) return report;
  const note = `a change is under way ${untilText(changeover)}: ${what.join('; ')}`;
  return { ...report, basis: { ...report.basis, note } };
}
