/**
 * What a packet meets besides the objects that we make: policy rules before the tables, neighbours
 * and forwarding entries of any state, the condition of devices. Read for questions only; nothing
 * here is ever changed.
 */
import type { Address, Family } from '../encap/address.js';
import type { Prefix } from '../encap/prefix.js';

/** A policy routing rule (`ip rule`); the kernel tries them by ascending priority. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  readonly action: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';
  /** Of `lookup`. */
  readonly table: number;
  /** Of `goto`: the priority it goes on with. */
  readonly goto: number | undefined;
  readonly invert: boolean;
  readonly source: Prefix | undefined;
  readonly destination: Prefix | undefined;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  readonly ipProtocol: number | undefined;
  readonly sourcePorts: PortRange | undefined;
  readonly destinationPorts: PortRange | undefined;
  /** Of `lookup`: a result with a prefix of at most this length does not count. */
  readonly suppressPrefixLength: number | undefined;
  /** `RTPROT_*` of whoever made it. */
  readonly protocol: number;
  /** Names of conditions that depend on more than the packet's headers (a user, a VRF). */
  readonly otherConditions: readonly string[];
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface NeighbourEntry {
  readonly device: string;
  readonly address: Address;
  /** Undefined while it is not resolved. */
  readonly mac: string | undefined;
  readonly state:
    'permanent' | 'reachable' | 'stale' | 'probing' | 'incomplete' | 'failed' | 'noarp' | 'none';
}

/** An entry of a VXLAN device: where frames for this MAC go. */
export interface ForwardingEntry {
  readonly device: string;
  readonly mac: string;
  readonly remote: Address | undefined;
  readonly permanent: boolean;
  /** Overrides of the device's own, by name: `port 9999`, `vni 7`. */
  readonly overrides: readonly string[];
}

export interface DeviceDetails {
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  /** Is anything at the other end of the cable? */
  readonly carrier: boolean;
  /** Answers and sends neighbour requests. */
  readonly arp: boolean;
  readonly mac: string | undefined;
  /** Bridge or bond that it is a port of. */
  readonly master: string | undefined;
  readonly qdisc: string | undefined;
  /** An XDP program sees packets before anything else does. */
  readonly xdp: boolean;
}

export interface AddressDetails {
  readonly device: string;
  readonly address: Address;
  readonly length: number;
  /** Not usable: another host on the link has the address. */
  readonly duplicate: boolean;
  /** Not usable yet: duplicate address detection is under way. */
  readonly tentative: boolean;
}

export interface KernelDetails {
  readonly policyRules: readonly PolicyRule[];
  readonly neighbours: readonly NeighbourEntry[];
  readonly forwarding: readonly ForwardingEntry[];
  readonly devices: readonly DeviceDetails[];
  readonly addresses: readonly AddressDetails[];
}

/** As `ip rule` prints it. */
export function formatPolicyRule(rule: PolicyRule): string {
  const words = [
    `${rule.priority}:`,
    ...(rule.invert ? ['not'] : []),
    `from ${rule.source?.text ?? 'all'}`,
    ...(rule.destination === undefined ? [] : [`to ${rule.destination.text}`]),
    ...(rule.mark === undefined
      ? []
      : [`fwmark 0x${rule.mark.value.toString(16)}/0x${rule.mark.mask.toString(16)}`]),
    ...(rule.inDevice === undefined ? [] : [`iif ${rule.inDevice}`]),
    ...(rule.outDevice === undefined ? [] : [`oif ${rule.outDevice}`]),
    ...(rule.ipProtocol === undefined ? [] : [`ipproto ${rule.ipProtocol}`]),
    ...ports('sport', rule.sourcePorts),
    ...ports('dport', rule.destinationPorts),
    ...rule.otherConditions,
    rule.action === 'lookup'
      ? `lookup ${tableName(rule.table)}`
      : rule.action === 'goto'
        ? `goto ${rule.goto ?? 0}`
        : rule.action,
    ...(rule.suppressPrefixLength === undefined
      ? []
      : [`suppress_prefixlength ${rule.suppressPrefixLength}`]),
  ];
  return words.join(' ');
}

function ports(name: string, range: PortRange | undefined): readonly string[] {
  if (range === undefined) return [];
  return [`${name} ${range.first === range.last ? range.first : `${range.first}-${range.last}`}`];
}

/** linux/rtnetlink.h: enum rt_class_t. */
const tableNames: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };

export function tableName(table: number): string {
  return tableNames[table] ?? String(table);
}
