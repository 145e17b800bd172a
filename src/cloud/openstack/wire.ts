/** Resources of Neutron's API v2.0 as far as they are read here. */
import { type Address } from '../../../encap/address.js';
import type { Prefix } from '../../../encap/prefix.js';
import {
  field,
  listField,
  numberField,
  readAddress,
  readMac,
  readPrefix,
  textField,
  textsField,
} from '../json-values.js';

export interface NeutronPort {
  readonly id: string;
  readonly name: string;
  readonly network: string;
  readonly mac: string | undefined;
  readonly device: string | undefined;
  readonly deviceOwner: string;
  readonly addresses: readonly Address[];
  /** Undefined: the cloud has no such extension, or does not show it. */
  readonly portSecurity: boolean | undefined;
  /** Undefined: the cloud has no such extension. */
  readonly pairs: readonly AddressPair[] | undefined;
  readonly securityGroups: readonly string[];
  /** Grows with every change; undefined: the cloud does not count. */
  readonly revision: number | undefined;
  readonly tags: readonly string[];
}

export interface AddressPair {
  /** As Neutron has it: a prefix, or an address alone. */
  readonly text: string;
  readonly prefix: Prefix;
  readonly mac: string | undefined;
}

export interface NeutronRouter {
  readonly id: string;
  readonly name: string;
  readonly routes: readonly { readonly to: Prefix; readonly via: Address }[];
}

export interface NeutronGroup {
  readonly id: string;
  readonly name: string;
  readonly rules: readonly NeutronRule[];
}

export interface NeutronRule {
  readonly id: string;
  readonly direction: 'ingress' | 'egress';
  readonly family: 4 | 6;
  /** A name or a number as text; undefined: all. */
  readonly protocol: string | undefined;
  /** Ports; for ICMP the type and the code. */
  readonly rangeMin: number | undefined;
  readonly rangeMax: number | undefined;
  readonly remotePrefix: string | undefined;
  readonly remoteGroup: string | undefined;
  readonly remoteAddressGroup: string | undefined;
}

export function readPort(value: unknown): NeutronPort | undefined {
  const id = textField(value, 'id');
  const network = textField(value, 'network_id');
  if (id === undefined || network === undefined) return undefined;
  const security = field(value, 'port_security_enabled');
  const pairs = field(value, 'allowed_address_pairs');
  return {
    id,
    name: textField(value, 'name') ?? id,
    network,
    mac: readMac(textField(value, 'mac_address')),
    device: textField(value, 'device_id'),
    deviceOwner: textField(value, 'device_owner') ?? '',
    addresses: listField(value, 'fixed_ips').flatMap(
      (entry) => readAddress(textField(entry, 'ip_address')) ?? [],
    ),
    portSecurity: typeof security === 'boolean' ? security : undefined,
    pairs: Array.isArray(pairs) ? pairs.flatMap((pair) => readPair(pair) ?? []) : undefined,
    securityGroups: textsField(value, 'security_groups'),
    revision: numberField(value, 'revision_number'),
    tags: textsField(value, 'tags'),
  };
}

function readPair(value: unknown): AddressPair | undefined {
  const text = textField(value, 'ip_address');
  const prefix = readPrefix(text);
  if (text === undefined || prefix === undefined) return undefined;
  return { text, prefix, mac: readMac(textField(value, 'mac_address')) };
}

export function readRouter(value: unknown): NeutronRouter | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  return {
    id,
    name: textField(value, 'name') ?? id,
    routes: listField(value, 'routes').flatMap((route) => {
      const to = readPrefix(textField(route, 'destination'));
      const via = readAddress(textField(route, 'nexthop'));
      return to === undefined || via === undefined ? [] : [{ to, via }];
    }),
  };
}

export function readGroup(value: unknown): NeutronGroup | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  return {
    id,
    name: textField(value, 'name') ?? id,
    rules: listField(value, 'security_group_rules').flatMap((rule) => readRule(rule) ?? []),
  };
}

function readRule(value: unknown): NeutronRule | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  const protocol = field(value, 'protocol');
  return {
    id,
    direction: textField(value, 'direction') === 'egress' ? 'egress' : 'ingress',
    family: textField(value, 'ethertype') === 'IPv6' ? 6 : 4,
    protocol: typeof protocol === 'number' ? String(protocol) : textField(value, 'protocol'),
    rangeMin: numberField(value, 'port_range_min'),
    rangeMax: numberField(value, 'port_range_max'),
    remotePrefix: textField(value, 'remote_ip_prefix'),
    remoteGroup: textField(value, 'remote_group_id'),
    remoteAddressGroup: textField(value, 'remote_address_group_id'),
  };
}
