/**
 * Who answers: each sampled peer's tunnel address from ours, in both families, once small and once
 * as large as the path is said to carry, and its underlay address. Compared before and after a
 * change; what answered before must answer after.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { LostPeer } from './lost.js';

export interface ProbeTarget {
  readonly node: string;
  readonly path: 'overlay' | 'full-size' | 'underlay';
  readonly to: Address;
  /** Undefined: as the kernel chooses. */
  readonly from: Address | undefined;
  /** Size of the whole IP packet in bytes, then never fragmented; undefined: a small one. */
  readonly packetBytes: number | undefined;
}

/** What the kernel's route to an address carries at this moment; undefined: it does not say. */
export type PathMtu = (to: Address) => Promise<number | undefined>;

/** Sends one echo request and tells whether the answer came. */
export interface Prober {
  probe(target: ProbeTarget): Promise<boolean>;
}

export interface ProbeOptions {
  readonly prober: Prober;
  readonly pathMtu: PathMtu;
  /** Rounds before something counts as silent: a peer may switch a moment later. */
  readonly rounds: number;
  readonly pauseMs: number;
}

/** Probes at the same time: each may be a process. */
const parallel = 24;
export const maxSampledPeers = 64;

/** One node's view of a cluster. */
export interface Viewpoint {
  readonly cluster: Cluster;
  readonly self: string;
}

/** Peers to ask: those that the change touches first, then the others, in turns over the zones. */
export function samplePeers(from: Viewpoint, touched: ReadonlySet<string>): readonly string[] {
  const peers = [...from.cluster.nodes.values()].filter(
    (node) => !node.withdrawn && node.name !== from.self,
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

/** How these peers are asked; nodes that the cluster does not have are left out. */
export function probeTargets(
  viewpoint: Viewpoint,
  names: readonly string[],
): ReadonlyMap<string, ProbeTarget> {
  const { cluster } = viewpoint;
  const self = cluster.nodes.get(viewpoint.self);
  if (self === undefined) return new Map();
  const targets = new Map<string, ProbeTarget>();
  const add = (target: ProbeTarget): void => void targets.set(keyOf(target), target);
  for (const name of names) {
    const node = cluster.nodes.get(name);
    if (node === undefined || node.withdrawn) continue;
    for (const family of [4, 6] as const) {
      const [from, to] = [tunnelAddress(self, family), tunnelAddress(node, family)];
      if (from === undefined || to === undefined) continue;
      add({ node: name, path: 'overlay', from, to, packetBytes: undefined });
      add({ node: name, path: 'full-size', from, to, packetBytes: undefined });
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
      if (await heardFrom(target, options)) heard.add(key);
    });
  }
  return heard;
}

/**
 * The size is looked up for each probe: a change may switch its routes, and their MTUs, after the
 * pass that began it. Without a route that says one the small probe tells all there is to tell.
 */
async function heardFrom(target: ProbeTarget, options: ProbeOptions): Promise<boolean> {
  const { prober, pathMtu } = options;
  if (target.path !== 'full-size') return prober.probe(target);
  return prober.probe({ ...target, packetBytes: await pathMtu(target.to) });
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

/** Without the addresses and sizes, which the change may change. */
function keyOf({ node, path, to }: ProbeTarget): string {
  return `${node} ${path} ${to.family}`;
}

function describePath({ path, to }: ProbeTarget): string {
  return path === 'full-size'
    ? `overlay IPv${to.family} with packets of full size`
    : `${path} IPv${to.family}`;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}
