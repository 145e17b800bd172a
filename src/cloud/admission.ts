/**
 * Firewalls of clouds in one form: security groups (AWS, OpenStack), VPC firewall rules (GCE) and
 * network security groups (Azure) are translated into these rules, and evaluated here. Pure.
 */
import type { Address } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';

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
