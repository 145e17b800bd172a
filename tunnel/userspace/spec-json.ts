/**
 * A plane's configuration as JSON: on the control socket, in the state file and under the hash that
 * tells whether a running plane already has it. Lists are sorted, so that equal configurations have
 * equal text.
 */
import { createHash } from 'node:crypto';
import { type Address, tryParseAddress } from '../../encap/address.js';
import {
  type InterfaceAddress,
  type Prefix,
  tryParseInterfaceAddress,
  tryParsePrefix,
} from '../../encap/prefix.js';
import type { PlanePeer, PlaneSpec } from './plane.js';

export interface PeerJson {
  readonly node: string;
  readonly remote: string;
  readonly outerSources: readonly string[];
  readonly prefixes: readonly string[];
  readonly innerSources: readonly string[];
  readonly mtu: number;
}

export interface SpecJson {
  readonly device: string;
  readonly mtu: number;
  readonly local: string;
  /** Absent where there are none, so that a plane of an earlier version has the same hash. */
  readonly otherLocals?: readonly string[];
  readonly addresses: readonly string[];
  readonly ttl: number;
  readonly peers: readonly PeerJson[];
}

const texts = (items: readonly { readonly text: string }[]): string[] =>
  items.map(({ text }) => text).sort();

export function specToJson(spec: PlaneSpec): SpecJson {
  return {
    device: spec.device,
    mtu: spec.mtu,
    local: spec.local.text,
    ...((spec.otherLocals ?? []).length === 0 ? {} : { otherLocals: texts(spec.otherLocals!) }),
    // In their own order: the first IPv4 one is the source of ICMP errors.
    addresses: spec.addresses.map(({ address, length }) => `${address.text}/${length}`),
    ttl: spec.ttl,
    peers: spec.peers
      .map((peer) => ({
        node: peer.node,
        remote: peer.remote.text,
        outerSources: texts(peer.outerSources),
        prefixes: texts(peer.prefixes),
        innerSources: texts(peer.innerSources),
        mtu: peer.mtu,
      }))
      .sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)),
  };
}

export function specHash(spec: PlaneSpec): string {
  return createHash('sha256')
    .update(JSON.stringify(specToJson(spec)))
    .digest('hex')
    .slice(0, 32);
}

/** Throws a `SyntaxError` that names the field, its value and what would be right. */
export function specFromJson(json: unknown): PlaneSpec {
  const spec = record(json, 'spec');
  const peers = list(spec['peers'], 'peers').map((peer, i) => peerFromJson(peer, `peers[${i}]`));
  rejectSharedPrefixes(peers);
  return {
    device: deviceName(spec['device']),
    mtu: integer(spec['mtu'], { at: 'mtu', from: 68, to: 65_515 }),
    local: ipv4(spec['local'], 'local'),
    otherLocals: list(spec['otherLocals'] ?? [], 'otherLocals').map((text, i) =>
      ipv4(text, `otherLocals[${i}]`),
    ),
    addresses: list(spec['addresses'], 'addresses').map((text, i) =>
      interfaceAddress(text, `addresses[${i}]`),
    ),
    ttl: integer(spec['ttl'], { at: 'ttl', from: 1, to: 255 }),
    peers,
  };
}

function peerFromJson(json: unknown, at: string): PlanePeer {
  const peer = record(json, at);
  const addresses = (key: string): Address[] =>
    list(peer[key], `${at}.${key}`).map((text, i) => address(text, `${at}.${key}[${i}]`));
  const prefixes = (key: string): Prefix[] =>
    list(peer[key], `${at}.${key}`).map((text, i) => prefix(text, `${at}.${key}[${i}]`));
  return {
    node: string(peer['node'], `${at}.node`),
    remote: ipv4(peer['remote'], `${at}.remote`),
    outerSources: addresses('outerSources'),
    // Sources of the other family do no harm, but a destination would never be reached.
    prefixes: prefixes('prefixes').map((entry, i) => ipv4Prefix(entry, `${at}.prefixes[${i}]`)),
    innerSources: prefixes('innerSources'),
    mtu: integer(peer['mtu'], { at: `${at}.mtu`, from: 68, to: 65_515 }),
  };
}

function rejectSharedPrefixes(peers: readonly PlanePeer[]): void {
  const owners = new Map<string, string>();
  for (const peer of peers) {
    for (const { text } of peer.prefixes) {
      const owner = owners.get(text);
      if (owner !== undefined && owner !== peer.node)
        throw wrong(`peer ${peer.node}`, text, `a prefix of one peer only (${owner} has it too)`);
      owners.set(text, peer.node);
    }
  }
}

function wrong(at: string, value: unknown, right: string): SyntaxError {
  const shown = JSON.stringify(value) ?? 'nothing';
  return new SyntaxError(`plane configuration: ${at} is ${shown.slice(0, 80)}, must be ${right}`);
}

function record(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(at, value, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(at, value, 'a list');
  return value;
}

function string(value: unknown, at: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(at, value, 'a text');
  return value;
}

function integer(value: unknown, range: { at: string; from: number; to: number }): number {
  if (
    typeof value !== 'number' ||
    !Number.isInteger(value) ||
    value < range.from ||
    value > range.to
  )
    throw wrong(range.at, value, `a whole number from ${range.from} to ${range.to}`);
  return value;
}

/** linux/if.h: at most 15 bytes; the kernel refuses blanks, slashes and colons. */
function deviceName(value: unknown): string {
  if (typeof value !== 'string' || !/^[\w.-]{1,15}$/.test(value) || /^\.{1,2}$/.test(value))
    throw wrong('device', value, 'a device name of 1 to 15 letters, digits, ".", "_" or "-"');
  return value;
}

function address(value: unknown, at: string): Address {
  const parsed = typeof value === 'string' ? tryParseAddress(value) : undefined;
  if (parsed === undefined) throw wrong(at, value, 'an IP address');
  return parsed;
}

function ipv4(value: unknown, at: string): Address {
  const parsed = address(value, at);
  if (parsed.family !== 4) throw wrong(at, value, 'an IPv4 address: only IPv4 in IPv4 is carried');
  return parsed;
}

function prefix(value: unknown, at: string): Prefix {
  const parsed = typeof value === 'string' ? tryParsePrefix(value) : 'not-a-prefix';
  if (typeof parsed === 'string') throw wrong(at, value, `a prefix (${parsed})`);
  return parsed;
}

function ipv4Prefix(value: Prefix, at: string): Prefix {
  if (value.family !== 4)
    throw wrong(at, value.text, 'an IPv4 prefix: only IPv4 in IPv4 is carried');
  return value;
}

function interfaceAddress(value: unknown, at: string): InterfaceAddress {
  const parsed = typeof value === 'string' ? tryParseInterfaceAddress(value) : 'not-a-prefix';
  if (typeof parsed === 'string') throw wrong(at, value, `ADDRESS/LENGTH (${parsed})`);
  return parsed;
}
