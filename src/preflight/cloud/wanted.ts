/**
 * The packets that a cloud's firewall has to admit for a node: those of the ways that are decided,
 * and those that `auto` would choose if nothing but a firewall stood against them.
 */
import type { Address } from '../../../encap/address.js';
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { Carriage } from '../../../encap/mode.js';
import { type Prefix, hostPrefix, prefixCovers } from '../../../encap/prefix.js';
import type { Candidate, Decision } from '../../../encap/trail.js';
import { stepOf } from '../../../encap/trail.js';
import type { Way } from '../facts.js';

export const trafficClasses = ['ipip', 'ipv6-in-ipv4', 'vxlan', 'native'] as const;
export type TrafficClass = (typeof trafficClasses)[number];

export interface WantedPacket {
  readonly traffic: TrafficClass;
  readonly direction: 'ingress' | 'egress';
  readonly protocol: number;
  readonly port: number | undefined;
  readonly peer: string;
  readonly remote: Prefix;
  readonly local: Prefix | undefined;
  /** A node's own address, which its groups stand for; an overlay prefix is not one. */
  readonly grouped: boolean;
  /** Packets are lost without it; else another mode is used. */
  readonly used: boolean;
}

/** IANA protocol numbers. */
export const protocols = { icmp: 1, ipInIp: 4, tcp: 6, udp: 17, ipv6: 41, icmpv6: 58 } as const;

export function wantedPackets(
  { cluster, node }: { readonly cluster: Cluster; readonly node: ClusterNode },
  ways: readonly Way[],
): readonly WantedPacket[] {
  return ways.flatMap(({ peer, out, back }) => [
    ...ofDecision(out, { cluster, node, peer, direction: 'egress' }),
    ...(back === undefined ? [] : ofDecision(back, { cluster, node, peer, direction: 'ingress' })),
  ]);
}

interface Ends {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly peer: ClusterNode;
  readonly direction: WantedPacket['direction'];
}

function ofDecision(decision: Decision, ends: Ends): readonly WantedPacket[] {
  const step = stepOf(decision, 'feasible');
  if (step === undefined) return [];
  return step.candidates.flatMap((candidate) => {
    const chosen = candidate === step.chosen;
    if (!chosen && !onlyFirewall(candidate)) return [];
    // With no other mode left, what only the firewall forbids is what is missing.
    const used = chosen || step.chosen === undefined;
    return packetsOf(candidate.carriage, ends).map((packet) => ({ ...packet, used }));
  });
}

function onlyFirewall({ exclusions }: Candidate): boolean {
  return exclusions.length > 0 && exclusions.every(({ code }) => code === 'firewall');
}

function packetsOf(carriage: Carriage, ends: Ends): readonly Omit<WantedPacket, 'used'>[] {
  const { cluster, node, peer, direction } = ends;
  const base = { direction, peer: peer.name } as const;
  if (carriage.mode === 'native') {
    const echo = carriage.inner === 4 ? protocols.icmp : protocols.icmpv6;
    const of = (entry: ClusterNode): readonly Prefix[] =>
      entry.overlay.filter((prefix) => prefix.family === carriage.inner);
    return of(peer).flatMap((remote) =>
      of(node).flatMap((local) =>
        [echo, protocols.tcp, protocols.udp].map((protocol): Omit<WantedPacket, 'used'> => ({
          ...{ ...base, traffic: 'native', protocol, port: undefined, remote, local },
          grouped: false,
        })),
      ),
    );
  }
  const remote = outerAddress(peer, carriage.outer);
  const local = outerAddress(node, carriage.outer);
  if (remote === undefined) return [];
  const inner = carriage.inner === 4 ? protocols.ipInIp : protocols.ipv6;
  const [traffic, protocol, port]: [TrafficClass, number, number | undefined] =
    carriage.mode === 'vxlan'
      ? ['vxlan', protocols.udp, cluster.vxlan.port]
      : [carriage.inner === 4 ? 'ipip' : 'ipv6-in-ipv4', inner, undefined];
  return [
    {
      ...base,
      ...{ traffic, protocol, port, remote: hostPrefix(remote) },
      local: local && hostPrefix(local),
      grouped: true,
    },
  ];
}

function outerAddress(node: ClusterNode, family: 4 | 6): Address | undefined {
  return (
    node.underlay.find(({ address }) => address.family === family)?.address ??
    node.publicAddresses.find((address) => address.family === family)
  );
}

/** Prefixes to write into a rule: the subnets of the zones that the addresses are in, else they themselves. */
export function rangesFor(cluster: Cluster, packets: readonly WantedPacket[]): readonly Prefix[] {
  const subnets = [...cluster.zones.values()].flatMap((zone) =>
    zone.subnets.map(({ prefix }) => prefix),
  );
  const found = new Map<string, Prefix>();
  for (const { remote, traffic } of packets) {
    const from = traffic === 'native' ? cluster.pools : subnets;
    const range = from.find((prefix) => prefixCovers(prefix, remote)) ?? remote;
    found.set(range.text, range);
  }
  return [...found.values()];
}
