/**
 * The details of the kernel in memory: what follows from its tables, the three policy rules that
 * every Linux begins with, and what a test adds as somebody else's doing.
 */
import type { Family } from '../../encap/address.js';
import type {
  DeviceDetails,
  ForwardingEntry,
  KernelDetails,
  NeighbourEntry,
  PolicyRule,
} from '../kernel-details.js';
import type { KernelState } from '../kernel.js';
import { macOf } from './refusals.js';

export interface FakeDetails {
  /** Instead of the kernel's own three. */
  readonly policyRules?: readonly PolicyRule[];
  /** Besides the permanent ones of the tables. */
  readonly neighbours?: readonly NeighbourEntry[];
  readonly forwarding?: readonly ForwardingEntry[];
  /** By device name: conditions that differ from those of a device in order. */
  readonly devices?: Readonly<Record<string, Partial<DeviceDetails>>>;
  /** Texts of addresses that duplicate address detection has found elsewhere. */
  readonly duplicates?: readonly string[];
}

/** net/ipv4/fib_rules.c: fib_default_rules_init; net/ipv6/fib6_rules.c has no `default`. */
export function initialPolicyRules(): readonly PolicyRule[] {
  const rule = (family: Family, priority: number, table: number): PolicyRule => ({
    family,
    priority,
    table,
    action: 'lookup',
    goto: undefined,
    invert: false,
    source: undefined,
    destination: undefined,
    inDevice: undefined,
    outDevice: undefined,
    mark: undefined,
    ipProtocol: undefined,
    sourcePorts: undefined,
    destinationPorts: undefined,
    suppressPrefixLength: undefined,
    protocol: 2,
    otherConditions: [],
  });
  return [
    rule(4, 0, 255),
    rule(4, 32766, 254),
    rule(4, 32767, 253),
    rule(6, 0, 255),
    rule(6, 32766, 254),
  ];
}

export function detailsOf(state: KernelState, added: FakeDetails): KernelDetails {
  return {
    policyRules: added.policyRules ?? initialPolicyRules(),
    neighbours: [
      ...state.neighbours.map(({ device, address, mac }): NeighbourEntry => ({
        device,
        address,
        mac,
        state: 'permanent',
      })),
      ...(added.neighbours ?? []),
    ],
    forwarding: [
      ...state.fdb.map(({ device, mac, remote }): ForwardingEntry => ({
        device,
        mac,
        remote,
        permanent: true,
        overrides: [],
      })),
      ...(added.forwarding ?? []),
    ],
    devices: state.links.map((link): DeviceDetails => ({
      name: link.name,
      mtu: link.mtu,
      up: link.up,
      carrier: link.up,
      arp: true,
      mac: macOf(link),
      master: undefined,
      qdisc: 'noqueue',
      xdp: false,
      ...added.devices?.[link.name],
    })),
    addresses: state.addresses.map(({ device, address: { address, length } }) => ({
      device,
      address,
      length,
      duplicate: added.duplicates?.includes(address.text) === true,
      tentative: false,
    })),
  };
}
