/**
 * Who answers: each sampled peer's tunnel address from ours, in both families, once small and once
 * as large as the path is said to carry, and its underlay address. Compared before and after a
 * change; what answered before must answer after.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../encap/address.js';
import type { ClusterNode } from '../../encap/cluster.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { NodePlan } from './planner.js';

export interface ProbeTarget {
  readonly node: string;
  readonly path: 'overlay' | 'full-size' | 'underlay';
  readonly to: Address;
  /** Undefined: as the kernel chooses. */
  readonly from: Address | undefined;
  /** Size of the whole IP packet in bytes, then never fragmented; undefined: a small one. */
  readonly packetBytes: number | undefined;
}

/** Sends one echo request and tells whether the answer came. */
export interface Prober {
  probe(target: ProbeTarget): Promise<boolean>;
}

export interface LostPeer {
  readonly node: string;
  /** What does not answer any more, e.g. `overlay IPv4`. */
  readonly paths: readonly string[];
}

export interface Comparison {
  /** Peers that were asked, and those that answered before. */
  readonly asked: number;
  readonly answered: number;
  readonly lost: readonly LostPeer[];
}

export interface ProbeOptions {
  readonly prober: Prober;
  /** Rounds before something counts as silent: a peer may switch a moment later. */
  readonly rounds: number;
  readonly pauseMs: number;
}

/** Probes at the same time: each may be a process. */
const parallel = 24;
export const maxSampledPeers = 64;

/** Peers to ask: those that the change touches first, then the others, in turns over the zones. */
export function samplePeers(plan: NodePlan, touched: ReadonlySet<string>): readonly string[] {
  const { cluster } = plan.snapshot;
  const peers = [...cluster.nodes.values()].filter(
    (node) => !node.withdrawn && node.name !== plan.rib.self,
  );
  const first = overZones(peers.filter((node) => touched.has(node.name)));
  const rest = overZones(peers.filter((node) => !touched.has(node.name)));
  return [...first, ...rest].slice(0, maxSampledPeers);
}

function overZones(nodes: readonly ClusterNode[]): readonly string[] {
  const zones = new Map<string, string[]>();
  for (const node of nodes) zones.set(node.zone, [...(zones.get(node.zone) ?? []), node.name]);
  const names: string[] = [];
  for (let i = 0; names.length < nodes.length; i++)
    for (const zone of zones.values()) if (zone[i] !== undefined) names.push(zone[i]!);
  return names;
}

/** How these peers are asked under a plan; nodes that the plan does not have are left out. */
export function probeTargets(
  plan: NodePlan,
  names: readonly string[],
): ReadonlyMap<string, ProbeTarget> {
  const { cluster } = plan.snapshot;
  const self = cluster.nodes.get(plan.rib.self)!;
  const targets = new Map<string, ProbeTarget>();
  const add = (target: ProbeTarget): void => void targets.set(keyOf(target), target);
  for (const name of names) {
    const node = cluster.nodes.get(name);
    if (node === undefined || node.withdrawn) continue;
    for (const family of [4, 6] as const) {
      const [from, to] = [tunnelAddress(self, family), tunnelAddress(node, family)];
      if (from === undefined || to === undefined) continue;
      add({ node: name, path: 'overlay', from, to, packetBytes: undefined });
      const verdict = plan.rib.lookup(to)?.verdict;
      if (verdict?.kind === 'forward')
        add({ node: name, path: 'full-size', from, to, packetBytes: verdict.mtu });
    }
    for (const { address } of node.underlay)
      if (self.underlay.some((own) => own.address.family === address.family))
        add({ node: name, path: 'underlay', from: undefined, to: address, packetBytes: undefined });
  }
  return targets;
}

/** Keys of the targets that answered in one of the rounds. */
export async function answering(
  targets: ReadonlyMap<string, ProbeTarget>,
  options: ProbeOptions,
): Promise<ReadonlySet<string>> {
  const heard = new Set<string>();
  for (let round = 0; round < options.rounds; round++) {
    const silent = [...targets].filter(([key]) => !heard.has(key));
    if (silent.length === 0) break;
    if (round > 0) await sleep(options.pauseMs);
    await inParallel(silent, async ([key, target]) => {
      if (await options.prober.probe(target)) heard.add(key);
    });
  }
  return heard;
}

/** Of the targets that answered before, those that still exist and do not answer any more. */
export async function lostSince(
  before: ReadonlySet<string>,
  now: ReadonlyMap<string, ProbeTarget>,
  options: ProbeOptions & { readonly allowed: ReadonlySet<string> },
): Promise<readonly LostPeer[]> {
  const wanted = new Map(
    [...now].filter(([key, target]) => before.has(key) && !options.allowed.has(target.node)),
  );
  const heard = await answering(wanted, options);
  const lost = new Map<string, string[]>();
  for (const [key, target] of wanted)
    if (!heard.has(key))
      lost.set(target.node, [...(lost.get(target.node) ?? []), describePath(target)]);
  return [...lost].map(([node, paths]) => ({ node, paths }));
}

/** Names of the nodes behind keys. */
export function nodesOf(
  keys: ReadonlySet<string>,
  targets: ReadonlyMap<string, ProbeTarget>,
): ReadonlySet<string> {
  return new Set([...targets].filter(([key]) => keys.has(key)).map(([, { node }]) => node));
}

/** `b (overlay IPv4, underlay IPv4)`, joined. */
export function formatLost(lost: readonly LostPeer[]): string {
  return lost.map(({ node, paths }) => `${node} (${paths.join(', ')})`).join(', ');
}

/** Without the addresses and sizes, which the change may change. */
function keyOf({ node, path, to }: ProbeTarget): string {
  return `${node} ${path} ${to.family}`;
}

function describePath({ path, to, packetBytes }: ProbeTarget): string {
  return path === 'full-size'
    ? `overlay IPv${to.family} with ${packetBytes} bytes`
    : `${path} IPv${to.family}`;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}
