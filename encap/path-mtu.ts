/**
 * The largest packet that the underlay carries between two nodes, and everything that limits it.
 */
import type { Cluster, LocalFacts, PeerProbes } from './cluster.js';
import type { Family } from './address.js';
import type { PathMtu } from './mtu.js';
import type { Site } from './relation.js';
import { linkBetween } from './relation.js';
import type { MtuLimit } from './trail.js';
import type { UnderlayTable } from './underlay/index.js';

export interface PathEnds {
  readonly from: Site;
  readonly to: Site;
  /** Family of the packets on the underlay. */
  readonly family: Family;
}

export interface PathContext {
  readonly cluster: Cluster;
  readonly local: LocalFacts | undefined;
  readonly facts: UnderlayTable;
}

/** Every limit of the path; the smallest one counts. */
export function pathLimits(context: PathContext, ends: PathEnds): readonly MtuLimit[] {
  const { cluster, facts } = context;
  const { from, to } = ends;
  const limits: MtuLimit[] = [nicLimit(context, from, ends), nicLimit(context, to, ends)];
  const link = linkBetween(cluster, from.zone, to.zone);
  if (link?.mtu !== undefined) {
    limits.push({ what: 'link', bytes: link.mtu, because: link });
  } else if (from.zone.provider !== to.zone.provider) {
    for (const site of [from, to]) {
      const { bytes, fact } = facts[site.zone.provider].externalMtu;
      limits.push({ what: 'external', bytes, because: fact });
    }
  } else if (from.zone.region !== to.zone.region) {
    const inter = facts[from.zone.provider].interRegionMtu;
    if (inter !== undefined)
      limits.push({ what: 'inter-region', bytes: inter.bytes, because: inter.fact });
  }
  const measured = drivingProbes(context, ends)?.pathMtu[ends.family];
  if (measured !== undefined)
    limits.push({ what: 'measured', bytes: measured.bytes, because: measured });
  return limits;
}

/** What the sender's own probes say of the peer, if they may change anything. */
function drivingProbes(
  context: PathContext,
  { from, to }: Pick<PathEnds, 'from' | 'to'>,
): PeerProbes | undefined {
  const { local } = context;
  if (local?.probes?.policy !== 'drive' || local.node !== from.node.name) return undefined;
  return local.probes.peers.get(to.node.name);
}

export function pathMtu(limits: readonly MtuLimit[]): PathMtu {
  let smallest = 65535;
  for (const limit of limits) if (limit.bytes < smallest) smallest = limit.bytes;
  return smallest as PathMtu;
}

function nicLimit(context: PathContext, site: Site, ends: PathEnds): MtuLimit {
  const what = site === ends.from ? 'own-nic' : 'peer-nic';
  const provider = context.facts[site.zone.provider].mtu;
  const declared = site.node.mtu ?? site.zone.mtu;
  const { local } = context;
  const kernel = local?.node === site.node.name ? local.nics[ends.family]?.mtu : undefined;
  const believed = declared ?? provider.bytes;
  if (kernel !== undefined && kernel < believed) return { what, bytes: kernel, because: undefined };
  return { what, bytes: believed, because: declared === undefined ? provider.fact : undefined };
}
