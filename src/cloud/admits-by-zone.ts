/**
 * What a node's firewalls let through to and from the nodes of each zone, by class of traffic.
 *
 * A pair is admitted when both directions are: what the peer sends arrives here, and what is sent
 * to the peer leaves. A zone is allowed when every pair with its nodes is. Only this node's own
 * rules are asked; the peer's are asked by whoever reads the peer. Pure.
 */
import type { Family } from '../../encap/address.js';
import { type Cluster, type ClusterNode, underlayAddress } from '../../encap/cluster.js';
import type { FirewallVerdicts } from '../../encap/observed.js';
import { type Prefix, hostPrefix, prefixCovers, prefixesOverlap } from '../../encap/prefix.js';
import { type Firewall, type FirewalledBlock, admitsPrefix } from './admission.js';
import type { FirewallReading } from './control.js';

export interface AdmitsQuestion {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  /**
   * Several firewalls of a node must all admit a packet. Nodes with equal rules should share one
   * `firewall` object: each peer is then judged once for all of them.
   */
  readonly firewalls: Pick<FirewallReading, 'firewalls' | 'groups'>;
  /**
   * By node name, the sources besides the node's own addresses that a rule covers which names one
   * of its groups: alias ranges, allowed address pairs. Workloads' bare packets come from none of a
   * NIC's own addresses, so that most groups do not speak of them.
   */
  readonly groupPrefixes?: ReadonlyMap<string, readonly Prefix[]> | undefined;
}

type TrafficClass = keyof FirewallVerdicts;
const classes = [
  'ipip',
  'ipv6InIpv4',
  'vxlan',
  'native',
] as const satisfies readonly TrafficClass[];

/** IANA protocol numbers. */
const protocol = { icmp: 1, ipip: 4, tcp: 6, udp: 17, ipv6: 41, icmpv6: 58 } as const;

/**
 * What was judged already, by firewall; one for all questions about the same cluster and firewalls.
 * Most nodes are behind equal rules, so that all pairs cost little more than one node's.
 */
export type AdmitsMemo = Map<Firewall, Map<string, Tally>>;

/** How the peers of a zone fare, by class. */
interface Tally {
  readonly zones: ReadonlyMap<string, Readonly<Record<TrafficClass, Counts>>>;
  /** Of each peer alone: a node is no peer of its own. */
  readonly peers: ReadonlyMap<string, FirewallVerdicts>;
}

interface Counts {
  allowed: number;
  blocked: number;
}

/** Zones of which no node could be judged are left out; all are, if no firewall of the node is known. */
export function admitsByZone(
  question: AdmitsQuestion,
  memo: AdmitsMemo = new Map(),
): Readonly<Record<string, FirewallVerdicts>> {
  const { node, firewalls } = question;
  const zones: Record<string, FirewallVerdicts> = {};
  for (const { firewall } of firewalls.firewalls.filter((entry) => entry.node === node.name)) {
    const tally = tallied(memo, { ...question, firewall });
    const self = tally.peers.get(node.name) ?? {};
    for (const [zone, counts] of tally.zones) {
      const verdicts = verdictsOf(counts, zone === node.zone ? self : {});
      const both = worse(zones[zone] ?? {}, verdicts);
      if (Object.keys(both).length > 0) zones[zone] = both;
    }
  }
  return zones;
}

function verdictsOf(
  counts: Readonly<Record<TrafficClass, Counts>>,
  less: FirewallVerdicts,
): FirewallVerdicts {
  const verdicts: Partial<Record<TrafficClass, 'allowed' | 'blocked'>> = {};
  for (const name of classes) {
    const { allowed, blocked } = counts[name];
    const left = (verdict: 'allowed' | 'blocked', count: number): boolean =>
      count - Number(less[name] === verdict) > 0;
    if (left('blocked', blocked)) verdicts[name] = 'blocked';
    else if (left('allowed', allowed)) verdicts[name] = 'allowed';
  }
  return verdicts;
}

function worse(a: FirewallVerdicts, b: FirewallVerdicts): FirewallVerdicts {
  const both: Partial<Record<TrafficClass, 'allowed' | 'blocked'>> = { ...a };
  for (const name of classes) {
    const verdict = b[name];
    if (verdict !== undefined && both[name] !== 'blocked') both[name] = verdict;
  }
  return both;
}

interface FirewallQuestion extends AdmitsQuestion {
  readonly firewall: Firewall;
}

interface PeerQuestion extends FirewallQuestion {
  readonly peer: ClusterNode;
}

function tallied(memo: AdmitsMemo, question: FirewallQuestion): Tally {
  const { cluster, firewall, node } = question;
  let known = memo.get(firewall);
  if (known === undefined) memo.set(firewall, (known = new Map<string, Tally>()));
  const key = kindOf(node, firewall);
  const before = known.get(key);
  if (before !== undefined) return before;
  const zones = new Map<string, Record<TrafficClass, Counts>>();
  const peers = new Map<string, FirewallVerdicts>();
  for (const peer of cluster.nodes.values()) {
    if (peer.withdrawn) continue;
    const verdicts = admitsPeer({ ...question, peer });
    peers.set(peer.name, verdicts);
    let counts = zones.get(peer.zone);
    if (counts === undefined) zones.set(peer.zone, (counts = noCounts()));
    for (const name of classes) {
      const verdict = verdicts[name];
      if (verdict !== undefined) counts[name][verdict]++;
    }
  }
  const tally = { zones, peers };
  known.set(key, tally);
  return tally;
}

function noCounts(): Record<TrafficClass, Counts> {
  const none = (): Counts => ({ allowed: 0, blocked: 0 });
  return { ipip: none(), ipv6InIpv4: none(), vxlan: none(), native: none() };
}

/** All that a verdict depends on besides firewall and peer: families, and how rules see this end. */
function kindOf(node: ClusterNode, firewall: Firewall): string {
  const own = [...node.underlay.map(({ address }) => hostPrefix(address)), ...node.overlay];
  const seen = firewall.rules.flatMap(({ local }) =>
    local === undefined ? [] : own.map((prefix) => sight(local, prefix)),
  );
  const families = [
    node.underlay.map(({ address }) => address.family),
    node.overlay.map(({ family }) => family),
  ];
  return `${families.join('/')} ${seen.join('')}`;
}

function sight(local: readonly Prefix[], prefix: Prefix): 0 | 1 | 2 {
  if (local.some((entry) => prefixCovers(entry, prefix))) return 2;
  return local.some((entry) => prefixesOverlap(entry, prefix)) ? 1 : 0;
}

function admitsPeer(question: PeerQuestion): FirewallVerdicts {
  const { cluster, firewall, node, peer } = question;
  const ends = commonEnds(node, peer);
  const outer = ends[0];
  if (outer === undefined) return {};
  const groups = question.firewalls.groups.get(peer.name) ?? [];
  const verdict = (blocks: readonly Block[]): 'allowed' | 'blocked' =>
    blocks.every((block) => bothWays(firewall, block)) ? 'allowed' : 'blocked';
  const tunnel = (header: Pick<Block, 'protocol' | 'port'>): 'allowed' | 'blocked' =>
    verdict([
      {
        ...header,
        peer: outer.remote,
        local: outer.local,
        peerGroups: outer.published ? [] : groups,
      },
    ]);
  const native = nativeBlocks(question, ends);
  return {
    ipip: tunnel({ protocol: protocol.ipip }),
    ipv6InIpv4: tunnel({ protocol: protocol.ipv6 }),
    vxlan: tunnel({ protocol: protocol.udp, port: cluster.vxlan.port }),
    ...(native.length === 0 ? {} : { native: verdict(native) }),
  };
}

type Block = Omit<FirewalledBlock, 'direction'>;

function bothWays(firewall: Firewall, block: Block): boolean {
  return (['ingress', 'egress'] as const).every(
    (direction) => admitsPrefix(firewall, { ...block, direction }).admitted,
  );
}

interface Ends {
  readonly family: Family;
  readonly local: Prefix;
  readonly remote: Prefix;
  /** The peer is known by a public address only, which no group stands for. */
  readonly published: boolean;
}

/** As the decision picks them: IPv4 first, the private address first. */
function commonEnds(node: ClusterNode, peer: ClusterNode): readonly Ends[] {
  return ([4, 6] as const).flatMap((family) => {
    const local = underlayAddress(node, family)?.address;
    const underlay = underlayAddress(peer, family)?.address;
    const remote = underlay ?? peer.publicAddresses.find((entry) => entry.family === family);
    if (local === undefined || remote === undefined) return [];
    const published = underlay === undefined;
    return [{ family, local: hostPrefix(local), remote: hostPrefix(remote), published }];
  });
}

/** Any workload of the one to any of the other, whatever they speak: each prefix as a whole. */
function nativeBlocks(question: PeerQuestion, ends: readonly Ends[]): readonly Block[] {
  const { node, peer, firewalls, groupPrefixes } = question;
  const routable = (prefix: Prefix): boolean => ends.some(({ family }) => family === prefix.family);
  return peer.overlay.filter(routable).flatMap((remote) => {
    const covers = groupPrefixes?.get(peer.name)?.some((prefix) => prefixCovers(prefix, remote));
    const peerGroups = covers === true ? (firewalls.groups.get(peer.name) ?? []) : [];
    const echo = remote.family === 4 ? protocol.icmp : protocol.icmpv6;
    return node.overlay
      .filter((local) => local.family === remote.family)
      .flatMap((local) =>
        [echo, protocol.tcp, protocol.udp].map((number): Block => ({
          protocol: number,
          peer: remote,
          local,
          peerGroups,
        })),
      );
  });
}
