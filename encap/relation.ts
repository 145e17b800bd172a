/**
 * How two nodes stand to each other on the underlay: the subnets they are in, whether they share
 * an L2 segment, and the link between their zones.
 */
import type { Address, Family } from './address.js';
import type {
  Cluster,
  ClusterNode,
  Link,
  LinkEnd,
  RelationSubject,
  Switches,
  Zone,
  ZoneSubnet,
} from './cluster.js';
import { familyBits } from './address.js';
import { underlayAddress } from './cluster.js';
import type { UnderlayFacts } from './underlay/fact.js';
import type { Prefix } from './prefix.js';
import { prefixContains, prefixOf } from './prefix.js';

/** A node with what its zone adds to it; made once a node and snapshot. */
export interface Site {
  readonly node: ClusterNode;
  readonly zone: Zone;
  /** What was observed, the zone's switches on top, and the node's own above those. */
  readonly switches: Switches;
  readonly attachments: Readonly<Partial<Record<Family, Attachment>>>;
  /** Sites of one zone with equal switches, MTU and abilities have equal kinds. */
  readonly kind: string;
}

/** Where a node's underlay address sits. */
export interface Attachment {
  readonly address: Address;
  /** Length of the address's own mask. */
  readonly length: number;
  /** The network that the address's own mask makes. */
  readonly network: Prefix;
  /** The declared subnet of the zone that holds the address. */
  readonly declared: ZoneSubnet | undefined;
}

const sites = new WeakMap<ClusterNode, Site>();

export function siteOf(cluster: Cluster, node: ClusterNode): Site {
  const zone = cluster.zones.get(node.zone);
  if (zone === undefined)
    throw new RangeError(`node ${node.name} is in no known zone: ${node.zone}`);
  const cached = sites.get(node);
  if (cached?.zone === zone) return cached;
  const firewall = { ...zone.switches.firewall, ...node.switches.firewall };
  const { observed } = node;
  const switches = { ...observed?.switches, ...zone.switches, ...node.switches, firewall };
  const kind = JSON.stringify([
    zone.name,
    switches,
    node.mtu,
    node.accepts,
    node.live?.accepts,
    observed?.admits,
  ]);
  const common = commonOf(zone);
  const shared = sharedAs(common.kinds, kind, { kind, switches });
  const site: Site = { node, zone, attachments: attachmentsOf(node, zone), ...shared };
  sites.set(node, site);
  return site;
}

function attachmentsOf(node: ClusterNode, zone: Zone): Site['attachments'] {
  const [four, six] = [attachmentOf(node, zone, 4), attachmentOf(node, zone, 6)];
  if (six === undefined) return four === undefined ? {} : { 4: four };
  return four === undefined ? { 6: six } : { 4: four, 6: six };
}

function attachmentOf(node: ClusterNode, zone: Zone, family: Family): Attachment | undefined {
  const own = underlayAddress(node, family);
  if (own === undefined) return undefined;
  const { address, length } = own;
  const network = prefixOf(address, length);
  return {
    address,
    length,
    network: sharedAs(commonOf(zone).networks, network.text, network),
    declared: zone.subnets.find((subnet) => prefixContains(subnet.prefix, address)),
  };
}

/** What sites of a zone have in common: one object for all of them, and not one each. */
interface Common {
  readonly kinds: Map<string, Pick<Site, 'kind' | 'switches'>>;
  readonly networks: Map<string, Prefix>;
}

const sharedMax = 1_000;
const commons = new WeakMap<Zone, Common>();

function commonOf(zone: Zone): Common {
  let common = commons.get(zone);
  if (common === undefined) commons.set(zone, (common = { kinds: new Map(), networks: new Map() }));
  return common;
}

function sharedAs<T>(known: Map<string, T>, key: string, value: T): T {
  const shared = known.get(key);
  if (shared !== undefined) return shared;
  // Those of nodes that have gone are not kept for good.
  if (known.size >= sharedMax) known.clear();
  known.set(key, value);
  return value;
}

/** The subnet for rules: the zone's declared one, else the one that the address's own mask makes. */
export function subnetOf(site: Site, family: Family): Prefix | undefined {
  const own = site.attachments[family];
  return own?.declared?.prefix ?? own?.network;
}

/**
 * One L2 domain: the same declared segment; else the same zone, equal masks shorter than a host's
 * and equal networks. Masks alone would join two racks that both use 192.168.1.0/24, and a
 * one-sided test would let A think B near while B thinks A far.
 */
export function sameSegment(a: Site, b: Site, family: Family): boolean {
  const ownA = a.attachments[family];
  const ownB = b.attachments[family];
  if (ownA === undefined || ownB === undefined) return false;
  const segmentA = ownA.declared?.segment;
  const segmentB = ownB.declared?.segment;
  if (segmentA !== undefined || segmentB !== undefined) return segmentA === segmentB;
  if (a.zone.name !== b.zone.name) return false;
  return ownA.length !== familyBits(family) && ownA.network.text === ownB.network.text;
}

/** As `sameSegment`, but only where both providers' networks really are L2 there. */
export function adjacent(a: Site, b: Site, options: AdjacencyOptions): boolean {
  const { family, factsA, factsB } = options;
  for (const [site, facts] of [
    [a, factsA],
    [b, factsB],
  ] as const) {
    if (facts.layer2.domain === 'none') return false;
    if (
      facts.layer2.domain === 'declared' &&
      site.attachments[family]?.declared?.segment === undefined
    )
      return false;
  }
  return sameSegment(a, b, family);
}

export interface AdjacencyOptions {
  readonly family: Family;
  readonly factsA: UnderlayFacts;
  readonly factsB: UnderlayFacts;
}

/** Is the relation that a rule names the same for both nodes? Undefined regions are never the same. */
export function sameSubject(a: Site, b: Site, subject: RelationSubject, family: Family): boolean {
  switch (subject) {
    case 'zone':
      return a.zone.name === b.zone.name;
    case 'provider':
      return a.zone.provider === b.zone.provider;
    case 'region':
      return a.zone.region === b.zone.region && a.zone.region !== undefined;
    case 'segment':
      return sameSegment(a, b, family);
    case 'subnet':
      return a.zone.name === b.zone.name && subnetOf(a, family)?.text === subnetOf(b, family)?.text;
  }
}

/** The link between two zones; one that names both zones beats one that names providers. */
export function linkBetween(cluster: Cluster, a: Zone, b: Zone): Link | undefined {
  let index = linkIndex.get(cluster.links);
  if (index === undefined)
    linkIndex.set(cluster.links, (index = new Map<Zone, Map<Zone, Link | null>>()));
  let row = index.get(a);
  if (row === undefined) index.set(a, (row = new Map<Zone, Link | null>()));
  const known = row.get(b);
  if (known !== undefined) return known ?? undefined;
  let best: Link | undefined;
  let bestScore = -1;
  for (const link of cluster.links) {
    const score = linkScore(link, a, b);
    if (score > bestScore) [best, bestScore] = [link, score];
  }
  row.set(b, best ?? null);
  return best;
}

/** By zone and zone; null says that there is no link, undefined that nobody has asked yet. */
const linkIndex = new WeakMap<readonly Link[], Map<Zone, Map<Zone, Link | null>>>();

/** Number of ends named as zones, or -1 when the link is not between the two. */
function linkScore(link: Link, a: Zone, b: Zone): number {
  const [left, right] = link.ends;
  const score = Number(left.kind === 'zone') + Number(right.kind === 'zone');
  const matches =
    (endMatches(left, a) && endMatches(right, b)) || (endMatches(left, b) && endMatches(right, a));
  if (!matches) return -1;
  // A link from a provider to itself speaks of different zones, not of the inside of each.
  if (a.name === b.name && score < 2) return -1;
  return score;
}

function endMatches(end: LinkEnd, zone: Zone): boolean {
  return end.kind === 'zone' ? end.zone === zone.name : end.provider === zone.provider;
}
