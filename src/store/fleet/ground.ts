/**
 * What the configuration says that the records of nodes are held against: the zones and their
 * subnets, the pools, and the nodes that it lists itself.
 */
import type { Address } from '../../../encap/address.js';
import type { Cluster, ClusterNode, Zone } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';
import { prefixContains } from '../../../encap/prefix.js';
import type { DraftZone, Drafts } from '../../config/draft.js';
import { OverlapIndex } from './overlap-index.js';

export interface Ground {
  /** Equal texts: every record reads the same by both. */
  readonly key: string;
  readonly zones: Drafts<DraftZone>;
  /** Does any zone say what its subnets are? */
  readonly hasSubnets: boolean;
  readonly pools: readonly Prefix[];
  /** Nodes of the configuration, by name. */
  readonly listed: ReadonlyMap<string, ClusterNode>;
  /** The listed node that has an underlay or public address. */
  readonly listedAt: ReadonlyMap<string, string>;
  readonly listedOverlay: OverlapIndex<ClusterNode>;
}

export function groundOf(cluster: Pick<Cluster, 'zones' | 'pools' | 'nodes'>): Ground {
  const zones = [...cluster.zones.values()].map(draftOf);
  const listed = new Map<string, ClusterNode>();
  const listedAt = new Map<string, string>();
  const listedOverlay = new OverlapIndex<ClusterNode>();
  for (const node of cluster.nodes.values()) {
    listed.set(node.name, node);
    for (const address of addressesOf(node)) listedAt.set(address, node.name);
    for (const prefix of node.overlay) listedOverlay.add(prefix, node);
  }
  return {
    key: JSON.stringify([
      [...cluster.zones.values()].map(({ name, subnets }) => [
        name,
        subnets.map(({ prefix }) => prefix.text),
      ]),
      cluster.pools.map(({ text }) => text),
    ]),
    zones: {
      list: zones,
      byName: new Map(zones.map((draft) => [draft.zone.name, draft])),
      complete: true,
    },
    hasSubnets: zones.some(({ subnets }) => subnets.length > 0),
    pools: cluster.pools,
    listed,
    listedAt,
    listedOverlay,
  };
}

/** Texts of all that a node can be sent to at, each once. */
export function addressesOf(node: ClusterNode): readonly string[] {
  const texts = [
    ...node.underlay.map(({ address }) => address.text),
    ...node.publicAddresses.map(({ text }) => text),
  ];
  return texts.length < 2 ? texts : [...new Set(texts)];
}

export function isInZone(zone: Zone, address: Address): boolean {
  return subnetAround(zone, address) !== undefined;
}

/** One at most: a zone's own subnets do not overlap. */
export function subnetAround(
  { subnets }: Pick<Zone, 'subnets'>,
  address: Address,
): Prefix | undefined {
  return subnets.find(({ prefix }) => prefixContains(prefix, address))?.prefix;
}

/** As if it had just been read; nobody is told of its place. */
function draftOf(zone: Zone, index: number): DraftZone {
  const path = ['zones', index];
  return {
    zone,
    // The zone that a configuration without zones has was written by nobody.
    path: zone.source === undefined ? [] : path,
    bad: new Set(),
    subnets: zone.subnets.map(({ prefix }) => ({ prefix, path })),
  };
}
