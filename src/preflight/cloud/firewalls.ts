/**
 * A node's firewalls in its cloud, read and evaluated: does each packet that is wanted pass, and if
 * not, which rule is missing or stands in the way?
 *
 * Connection tracking hides a missing rule once this node has sent to the peer itself, so that a
 * probe passes where a cold peer fails; the rules do not depend on who was first.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import { defaultProbes } from '../../../encap/probe/settings.js';
import { hostPrefix } from '../../../encap/prefix.js';
import type { Admission, FirewallRule } from '../../cloud/admission.js';
import { admitsPrefix, mistakenProtocol } from '../../cloud/admission.js';
import type { AppliedFirewall, FirewallReading } from '../../cloud/control.js';
import type { CloudProviderName } from '../../cloud/machine.js';
import type { Outcome } from '../check.js';
import { fail, ok, skip, warn } from '../check.js';
import type { NodeFacts, Way } from '../facts.js';
import { someOf } from '../peer-list.js';
import { openingFix } from './opening.js';
import type { Opening } from './opening-words.js';
import type { TrafficClass, WantedPacket } from './wanted.js';
import { protocols, rangesFor, wantedPackets } from './wanted.js';

export interface FirewallQuestion extends Pick<NodeFacts, 'cluster'> {
  readonly node: ClusterNode;
  readonly ways: readonly Way[];
  readonly provider: CloudProviderName;
  readonly reading: FirewallReading;
}

const words: Readonly<Record<TrafficClass, string>> = {
  ipip: 'IP protocol 4 (IPv4 in IPv4)',
  'ipv6-in-ipv4': 'IP protocol 41 (IPv6 in IPv4)',
  vxlan: 'VXLAN',
  native: 'bare packets of workloads',
};

export function trafficOutcomes(
  question: FirewallQuestion,
  traffic: TrafficClass,
): readonly Outcome[] {
  const own = ownFirewalls(question);
  if (own.length === 0) return [skip(`no firewall of ${question.node.name} was read`)];
  const wanted = wantedPackets(question, question.ways).filter(
    (packet) => packet.traffic === traffic,
  );
  if (wanted.length === 0) return [skip(`no way needs ${words[traffic]}`)];
  const outcomes = own.flatMap((applied) =>
    (['ingress', 'egress'] as const).flatMap((direction) => {
      const asked = wanted.filter((packet) => packet.direction === direction);
      return judge(question, { applied, asked, direction, traffic });
    }),
  );
  return outcomes.length > 0
    ? outcomes
    : [ok(`${words[traffic]} passes ${own.map(({ text }) => text).join(' and ')}`)];
}

function ownFirewalls({ reading, node }: FirewallQuestion): readonly AppliedFirewall[] {
  return reading.firewalls.filter((entry) => entry.node === node.name);
}

function judge(
  question: FirewallQuestion,
  of: {
    readonly applied: AppliedFirewall;
    readonly asked: readonly WantedPacket[];
    readonly direction: Opening['direction'];
    readonly traffic: TrafficClass;
  },
): readonly Outcome[] {
  const { applied, asked, direction, traffic } = of;
  const blocked = asked.flatMap((packet) => {
    const peerGroups = packet.grouped ? (question.reading.groups.get(packet.peer) ?? []) : [];
    const { port, remote, local, protocol } = packet;
    const { admitted, rule } = admitsPrefix(applied.firewall, {
      ...{ direction, protocol, peer: remote, peerGroups, local },
      ...(port === undefined ? {} : { port }),
    });
    return admitted ? [] : [{ packet, rule }];
  });
  const [first] = blocked;
  if (first === undefined) return [];
  const packets = blocked.map(({ packet }) => packet);
  const used = packets.some((packet) => packet.used);
  const peers = someOf(packets.map(({ peer }) => peer));
  const { protocol, port } = first.packet;
  const opening = {
    ...{ name: traffic, direction, port, id: applied.id },
    protocol: traffic === 'native' ? ('all' as const) : protocol,
    ranges: rangesFor(question.cluster, packets),
  };
  const outcome = {
    found: `${applied.text}: ${stops(first.rule)} ${wordsOf(traffic, port)} ${direction === 'ingress' ? 'from' : 'to'} ${peers}${used ? '' : '; another mode is used instead'}`,
    needed: `${wordsOf(traffic, port)} ${direction === 'ingress' ? 'from' : 'to'} ${opening.ranges.map(({ text }) => text).join(', ')}`,
    fix: openingFix(question.provider, opening),
  };
  return [used ? fail(outcome) : warn(outcome)];
}

function stops(rule: Admission['rule']): string {
  return rule === undefined ? 'no rule admits' : `rule ${rule.name} denies`;
}

function wordsOf(traffic: TrafficClass, port: number | undefined): string {
  return port === undefined ? words[traffic] : `${words[traffic]} (UDP ${port})`;
}

/** The classic mistake: 94 is what a list of protocols says of "IPIP", and 4 is what is meant. */
export function mistakenOutcomes(question: FirewallQuestion): readonly Outcome[] {
  const own = ownFirewalls(question);
  if (own.length === 0) return [skip(`no firewall of ${question.node.name} was read`)];
  // A rule for members of a group has no ranges to copy.
  const peers = wantedPackets(question, question.ways).filter(({ grouped }) => grouped);
  const rangesOf = ({ prefixes }: FirewallRule): Opening['ranges'] =>
    prefixes.length > 0 ? prefixes : rangesFor(question.cluster, peers);
  const outcomes = own.flatMap((applied) =>
    mistakenProtocol(applied.firewall).map((rule) =>
      warn({
        found: `${rule.name} of ${applied.text} admits protocol 94, which nobody speaks`,
        needed: 'protocol 4 for IP-in-IP: lists of protocols call 94 "IPIP", and 4 "IPv4"',
        fix: openingFix(question.provider, {
          ...{ name: 'ipip', direction: rule.direction, protocol: protocols.ipInIp },
          ...{ port: undefined, ranges: rangesOf(rule), id: applied.id },
        }),
      }),
    ),
  );
  return outcomes.length > 0 ? outcomes : [ok('no rule has protocol 94 where 4 is meant')];
}

/** RFC 792: destination unreachable, fragmentation needed. */
const fragmentationNeeded = { type: 3, code: 4 } as const;

/** What helps and is not carried: path MTU discovery, and the probes of agents. */
export function helperOutcomes(
  question: FirewallQuestion,
  what: 'path-mtu' | 'probes',
): readonly Outcome[] {
  const { cluster, node, reading, provider, ways } = question;
  const own = ownFirewalls(question);
  if (own.length === 0) return [skip(`no firewall of ${node.name} was read`)];
  const { policy, port } = cluster.probes ?? defaultProbes;
  if (what === 'probes' && policy === 'off') return [skip('probes are off')];
  const [protocol, text] =
    what === 'probes'
      ? [protocols.udp, `probes (UDP ${port})`]
      : [protocols.icmp, 'ICMP "fragmentation needed" (type 3, code 4)'];
  const outcomes = own.flatMap((applied): readonly Outcome[] => {
    const closed = ways.flatMap(({ peer }) => {
      const address = peer.underlay.find((entry) => entry.address.family === 4)?.address;
      if (address === undefined) return [];
      const remote = hostPrefix(address);
      const { admitted } = admitsPrefix(applied.firewall, {
        ...{ direction: 'ingress', protocol, peer: remote },
        peerGroups: reading.groups.get(peer.name) ?? [],
        ...(what === 'probes' ? { port } : { icmp: fragmentationNeeded }),
      });
      return admitted ? [] : [{ peer: peer.name, remote }];
    });
    if (closed.length === 0) return [];
    const packets = closed.map(({ peer, remote }): WantedPacket => ({
      ...{ peer, remote, protocol, port: undefined, traffic: 'vxlan', direction: 'ingress' },
      ...{ local: undefined, grouped: true, used: true },
    }));
    return [
      warn({
        found: `${applied.text}: no rule admits ${text} from ${someOf(closed.map(({ peer }) => peer))}`,
        needed:
          what === 'probes'
            ? 'it, for agents to see each other'
            : 'it, for path MTU discovery: without it a link that is smaller than believed swallows full packets. Most clouds admit it as an answer to what was sent',
        fix: openingFix(provider, {
          ...{ name: what, direction: 'ingress', protocol, id: applied.id },
          port: what === 'probes' ? port : undefined,
          ...(what === 'probes' ? {} : { icmp: fragmentationNeeded }),
          ranges: rangesFor(cluster, packets),
        }),
      }),
    ];
  });
  return outcomes.length > 0 ? outcomes : [ok(`${text} pass`)];
}
