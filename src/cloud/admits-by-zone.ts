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
import { type Prefix, hostPrefix, prefixCovers } from '../../encap/prefix.js';
import { type Firewall, type FirewalledBlock, admitsPrefix } from './admission.js';
import type { FirewallReading } from './control.js';

export interface AdmitsQuestion {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  /**
   * Several firewalls of a node must all admit a packet. Nodes with equal rules should share one
   * `firewall` object: a peer is then judged once for all of them.
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
 */
export type AdmitsMemo = Map<Firewall, Map<string, FirewallVerdicts>>;

/** Zones of which no node could be judged are left out; all are, if no firewall of the node is known. */
export function admitsByZone(
  question: AdmitsQuestion,
  memo: AdmitsMemo = new Map(),
): Readonly<Record<string, FirewallVerdicts>> {
  const { cluster, node, firewalls } = question;
  const own = firewalls.firewalls.filter((entry) => entry.node === node.name);
  const zones: Record<string, FirewallVerdicts> = {};
  for (const { firewall } of own)
    for (const peer of cluster.nodes.values()) {
      if (peer.name === node.name || peer.withdrawn) continue;
      const verdicts = remembered(memo, { ...question, firewall, peer });
      const both = worse(zones[peer.zone] ?? {}, verdicts);
      if (Object.keys(both).length > 0) zones[peer.zone] = both;
    }
  return zones;
}

function worse(a: FirewallVerdicts, b: FirewallVerdicts): FirewallVerdicts {
  const both: Partial<Record<TrafficClass, 'allowed' | 'blocked'>> = { ...a };
  for (const name of classes) {
    const verdict = b[name];
    if (verdict !== undefined && both[name] !== 'blocked') both[name] = verdict;
  }
  return both;
}

interface PeerQuestion extends AdmitsQuestion {
  readonly firewall: Firewall;
  readonly peer: ClusterNode;
}

function remembered(memo: AdmitsMemo, question: PeerQuestion): FirewallVerdicts {
  const { firewall, node, peer } = question;
  let known = memo.get(firewall);
  if (known === undefined) memo.set(firewall, (known = new Map<string, FirewallVerdicts>()));
  // What a verdict depends on besides the peer: the families of this end, and the end itself where
  // a rule looks at it.
  const families = node.underlay.map(({ address }) => `o${address.family}`);
  const overlays = node.overlay.map(({ family }) => `i${family}`);
  const end = firewall.rules.some((rule) => rule.local !== undefined) ? node.name : '';
  const key = [peer.name, ...new Set(families), ...new Set(overlays), end].join(' ');
  let verdicts = known.get(key);
  if (verdicts === undefined) known.set(key, (verdicts = admitsPeer(question)));
  return verdicts;
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
