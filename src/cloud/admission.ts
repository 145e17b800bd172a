/**
 * Firewalls of clouds in one form: security groups (AWS, OpenStack), VPC firewall rules (GCE) and
 * network security groups (Azure) are translated into these rules, and evaluated here. Pure.
 */
import { type Address, addressFromBytes } from '../../encap/address.js';
import {
  type Prefix,
  hostPrefix,
  parsePrefix,
  prefixCovers,
  prefixOf,
  prefixesOverlap,
} from '../../encap/prefix.js';

export interface FirewallRule {
  /** What an operator finds it by: `sg-0a1b ingress rule 3`, `allow-ipip`, `nsg-1/AllowVxlan`. */
  readonly name: string;
  readonly direction: 'ingress' | 'egress';
  readonly action: 'allow' | 'deny';
  /** IP protocol number; 'all' of them. */
  readonly protocol: number | 'all';
  /** Destination ports, inclusive; undefined: all. Only for protocols that have ports. */
  readonly ports?: { readonly from: number; readonly to: number } | undefined;
  /** ICMP type and code; undefined: all. */
  readonly icmp?: { readonly type: number; readonly code: number | undefined } | undefined;
  /** The other end: sources of an ingress rule, destinations of an egress one; empty matches nothing. */
  readonly prefixes: readonly Prefix[];
  /** The other end has a NIC in one of these groups (security group id, network tag, account). */
  readonly groups: readonly string[];
  /** Of this end's own addresses, those that the rule speaks of; undefined: all. */
  readonly local?: readonly Prefix[] | undefined;
  /** The smaller decides first; equal ones: deny before allow (GCE). All 0 where order is no matter. */
  readonly priority: number;
}

/** A packet that arrives at, or leaves, the NIC that the rules belong to. */
export interface FirewalledPacket {
  readonly direction: 'ingress' | 'egress';
  readonly protocol: number;
  /** UDP destination port. */
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** The other end's address as the header has it, and the groups of that end's NIC. */
  readonly peer: Address;
  readonly peerGroups: readonly string[];
  /** This end's address or block; undefined: not known, which only rules with `local` mind. */
  readonly local?: Prefix | undefined;
}

export interface Admission {
  readonly admitted: boolean;
  /** The rule that decided; undefined: none matched, so the default did. */
  readonly rule: FirewallRule | undefined;
}

export interface Firewall {
  readonly rules: readonly FirewallRule[];
  /** What happens where no rule matches. */
  readonly otherwise: Readonly<Record<'ingress' | 'egress', 'allow' | 'deny'>>;
}

/** As a packet, from or to any address of a prefix: a block of workloads behind one node. */
export interface FirewalledBlock extends Omit<FirewalledPacket, 'peer'> {
  readonly peer: Prefix;
}

/**
 * TCP, DCCP, UDP, SCTP and UDP-Lite (IANA protocol numbers); a rule's ports say nothing of others:
 * clouds ignore the range of a rule for protocol 4.
 */
const protocolsWithPorts: ReadonlySet<number> = new Set([6, 33, 17, 132, 136]);

/** ICMP and ICMPv6. */
const protocolsWithTypes: ReadonlySet<number> = new Set([1, 58]);

/** IP in IP, RFC 2003. */
export const ipInIp = 4;
/** IANA's "IP-within-IP Encapsulation Protocol" (KA9Q NOS), which nobody speaks. */
export const ipWithinIp = 94;

/** Does the packet pass, and which rule says so? A port or type that is not given means any. */
export function admits(firewall: Firewall, packet: FirewalledPacket): Admission {
  return admitsPrefix(firewall, { ...packet, peer: hostPrefix(packet.peer) });
}

/**
 * Do packets pass whichever address of the prefix they have? The rule told is the one that stops
 * some of them, or else the one that lets the last of them in.
 */
export function admitsPrefix(firewall: Firewall, block: FirewalledBlock): Admission {
  let open: readonly Prefix[] = [block.peer];
  for (const rule of ordered(firewall)) {
    if (rule.direction !== block.direction || !speaksOf(rule, block)) continue;
    if (rule.groups.some((group) => block.peerGroups.includes(group))) open = [];
    else {
      const rest = without(open, rule.prefixes);
      if (rest === open) continue;
      open = rest;
    }
    if (rule.action === 'deny') return { admitted: false, rule };
    if (open.length === 0) return { admitted: true, rule };
  }
  return { admitted: firewall.otherwise[block.direction] === 'allow', rule: undefined };
}

/**
 * Rules that let protocol 94 in (or out) of peers whose protocol 4 does not pass: whoever looks up
 * "IPIP" in a list of protocols finds 94 first, and means 4.
 */
export function mistakenProtocol(firewall: Firewall): readonly FirewallRule[] {
  return firewall.rules.filter(
    (rule) =>
      rule.action === 'allow' &&
      rule.protocol === ipWithinIp &&
      !(
        rule.prefixes.every((peer) => admitsIpInIp(firewall, { rule, peer, groups: [] })) &&
        rule.groups.every((group) =>
          everybody.some((peer) => admitsIpInIp(firewall, { rule, peer, groups: [group] })),
        )
      ),
  );
}

/** Members of a group may have any address. */
const everybody = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')];

function admitsIpInIp(
  firewall: Firewall,
  peer: {
    readonly rule: FirewallRule;
    readonly peer: Prefix;
    readonly groups: readonly string[];
  },
): boolean {
  return admitsPrefix(firewall, {
    direction: peer.rule.direction,
    protocol: ipInIp,
    peer: peer.peer,
    peerGroups: peer.groups,
  }).admitted;
}

const orders = new WeakMap<Firewall, readonly FirewallRule[]>();

/** By priority; of equal ones denials first; else as written. */
function ordered(firewall: Firewall): readonly FirewallRule[] {
  let order = orders.get(firewall);
  if (order === undefined) {
    const rank = (rule: FirewallRule): number => (rule.action === 'deny' ? 0 : 1);
    order = [...firewall.rules].sort((a, b) => a.priority - b.priority || rank(a) - rank(b));
    orders.set(firewall, order);
  }
  return order;
}

/**
 * Protocol, port, type and this end. Where the packet's port, type or end is not known, a denial of
 * some of them counts, and an allowance counts only if it is for all of them.
 */
function speaksOf(rule: FirewallRule, packet: Omit<FirewalledPacket, 'peer'>): boolean {
  if (rule.protocol !== 'all' && rule.protocol !== packet.protocol) return false;
  const unknown = rule.action === 'deny';
  if (rule.ports !== undefined && protocolsWithPorts.has(packet.protocol)) {
    const { from, to } = rule.ports;
    if (packet.port === undefined) return unknown || (from <= 0 && to >= 65535);
    if (packet.port < from || packet.port > to) return false;
  }
  if (rule.icmp !== undefined && protocolsWithTypes.has(packet.protocol)) {
    if (packet.icmp === undefined) return unknown;
    if (rule.icmp.type !== packet.icmp.type) return false;
    if (rule.icmp.code !== undefined && rule.icmp.code !== packet.icmp.code) return false;
  }
  if (rule.local === undefined) return true;
  const { local } = packet;
  if (local === undefined) return unknown;
  return rule.local.some((prefix) =>
    unknown ? prefixesOverlap(prefix, local) : prefixCovers(prefix, local),
  );
}

/** What of the prefixes lies outside of all `taken`; the same array where nothing is taken. */
export function without(prefixes: readonly Prefix[], taken: readonly Prefix[]): readonly Prefix[] {
  let rest = prefixes;
  for (const hole of taken) {
    if (!rest.some((prefix) => prefixesOverlap(prefix, hole))) continue;
    rest = rest.flatMap((prefix) => {
      if (!prefixesOverlap(prefix, hole)) return [prefix];
      return prefixCovers(hole, prefix) ? [] : around(prefix, hole);
    });
  }
  return rest;
}

/** The prefix less one inside of it: the other half at each length on the way down. */
function around(prefix: Prefix, hole: Prefix): Prefix[] {
  const parts: Prefix[] = [];
  for (let length = prefix.length + 1; length <= hole.length; length++) {
    const bytes = Uint8Array.from(hole.bytes);
    bytes[(length - 1) >> 3]! ^= 0x80 >> ((length - 1) & 7);
    parts.push(prefixOf(addressFromBytes(bytes), length));
  }
  return parts;
}
