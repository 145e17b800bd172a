/** The answer in one line: what happens to a packet, and who says so. */
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import { describeCarriage, describeRule, describeVerdict } from '../encap/describe.js';
import type { Mode } from '../encap/mode.js';
import type { Prefix } from '../encap/prefix.js';
import type { Decision } from '../encap/trail.js';
import type { NoRouteReason, VerdictKind, VerdictReport } from './explain-report.js';

export type VerdictWithoutExit = Omit<VerdictReport, 'exitCode' | 'health' | 'code'>;

const nothing = { mode: null, outerFamily: null, plane: null, mtu: null, reason: null } as const;
const kinds: Readonly<Record<Mode, VerdictKind>> = {
  native: 'NATIVE',
  ipip: 'IPIP',
  vxlan: 'VXLAN',
};

/** The verdict of a decision about a prefix that a node owns. */
export function decidedVerdict(
  decision: Decision,
  question: { readonly cluster: Cluster; readonly address: string },
): VerdictWithoutExit {
  const { cluster, address } = question;
  const { verdict, prefix } = decision;
  const node = decision.owner === undefined ? undefined : cluster.nodes.get(decision.owner);
  const base = { ...nothing, owner: ownerReport(cluster, node), prefix: prefix.text };
  switch (verdict.kind) {
    case 'local':
      return {
        ...base,
        kind: 'LOCAL',
        summary: `${address} belongs to ${decision.from} itself (${prefix.text}); an address that no workload has is dropped here`,
      };
    case 'deny':
      return {
        ...base,
        kind: 'DENIED',
        summary: `${address} on ${decision.owner}: rule ${describeRule(verdict.rule)} denies it`,
      };
    case 'unreachable': {
      const reason = verdict.reason === 'unknown' ? 'unowned' : verdict.reason;
      return noRoute(base, reason, `${address} on ${decision.owner}: ${describeVerdict(verdict)}`);
    }
    case 'forward':
      return {
        ...base,
        kind: kinds[verdict.mode],
        summary: `${address} on ${decision.owner}: ${forwardWords(verdict)}`,
        mode: verdict.mode,
        outerFamily: verdict.carriage.outer,
        plane: verdict.mode === 'native' ? null : verdict.plane,
        mtu: verdict.mtu,
      };
  }
}

function forwardWords(verdict: Extract<Decision['verdict'], { readonly kind: 'forward' }>): string {
  const { carriage, mtu, nextHop } = verdict;
  if (carriage.mode !== 'native') return `${describeCarriage(carriage)}, MTU ${mtu}`;
  return nextHop.kind === 'adjacent'
    ? `native to a neighbour, MTU ${mtu}`
    : `native through the fabric's routers, MTU ${mtu}`;
}

/** The verdict about an address that no node owns. */
export function unownedVerdict(question: {
  readonly cluster: Cluster;
  readonly address: string;
  readonly pool: Prefix | undefined;
  /** The node whose own underlay or public address it is. */
  readonly outerOf: ClusterNode | undefined;
}): VerdictWithoutExit {
  const { cluster, address, pool, outerOf } = question;
  const base = { ...nothing, owner: null, prefix: pool?.text ?? null };
  if (pool !== undefined)
    return noRoute(
      base,
      'unowned',
      `${address} is in the pool ${pool.text}, but no node owns it: unreachable, it does not leave this node`,
    );
  if (outerOf !== undefined)
    return noRoute(
      { ...base, owner: ownerReport(cluster, outerOf) },
      'underlay-address',
      `${address} is node ${outerOf.name}'s own address on the underlay; Selvage does not carry it`,
    );
  return noRoute(
    base,
    'outside-pools',
    `${address} is in no overlay pool (${cluster.pools.map((entry) => entry.text).join(', ')}); Selvage does not carry it`,
  );
}

/** A way was decided that this kernel has no device for. */
export function withoutDataPlane(verdict: VerdictWithoutExit, why: string): VerdictWithoutExit {
  return noRoute(
    { ...nothing, owner: verdict.owner, prefix: verdict.prefix },
    'no-data-plane',
    `${verdict.summary}, but ${why}`,
  );
}

function noRoute(
  base: Omit<VerdictWithoutExit, 'kind' | 'summary'>,
  reason: NoRouteReason,
  summary: string,
): VerdictWithoutExit {
  return { ...base, kind: 'NO-ROUTE', reason, summary };
}

function ownerReport(cluster: Cluster, node: ClusterNode | undefined): VerdictReport['owner'] {
  if (node === undefined) return null;
  const provider = cluster.zones.get(node.zone)?.provider ?? 'unknown';
  return { node: node.name, zone: node.zone, provider };
}
