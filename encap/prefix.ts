/**
 * IP prefixes: a network address with its host bits zero, and a length. The canonical text
 * (`10.1.0.0/24`) is the key of every map of prefixes.
 */
import {
  type Address,
  type Family,
  addressFromBytes,
  compareBytes,
  familyBits,
  tryParseAddress,
} from './address.js';

export interface Prefix {
  readonly family: Family;
  /** Network address, host bits zero. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Canonical text, also the map key. */
  readonly text: string;
}

/** An address as an interface has it: host bits kept, with the mask's length. */
export interface InterfaceAddress {
  readonly address: Address;
  readonly length: number;
}

/** The prefix of `length` bits that holds the address; host bits are cleared. */
export function prefixOf(address: Address, length: number): Prefix {
  if (!Number.isInteger(length) || length < 0 || length > familyBits(address.family))
    throw new RangeError(`prefix length ${length} is outside 0–${familyBits(address.family)}`);
  const isHost = length === familyBits(address.family);
  const bytes = isHost ? address.bytes : maskBytes(address.bytes, length);
  const network = isHost ? address.text : addressFromBytes(bytes).text;
  // `join` makes one flat string; a template would keep its parts in memory as well.
  return Object.freeze({
    family: address.family,
    bytes,
    length,
    text: [network, length].join('/'),
  });
}

/** /32 or /128. */
export function hostPrefix(address: Address): Prefix {
  return prefixOf(address, familyBits(address.family));
}

export type PrefixProblem = 'not-a-prefix' | 'no-length' | 'bad-length' | 'host-bits';

/** Parses `ADDRESS/LENGTH`; host bits must be zero. The problem says what is wrong otherwise. */
export function tryParsePrefix(text: string): Prefix | PrefixProblem {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string') return parsed;
  const prefix = prefixOf(parsed.address, parsed.length);
  return compareBytes(prefix.bytes, parsed.address.bytes) === 0 ? prefix : 'host-bits';
}

/** As `tryParsePrefix`, but throws: for literals and for text that was validated before. */
export function parsePrefix(text: string): Prefix {
  const prefix = tryParsePrefix(text);
  if (typeof prefix === 'string') throw new SyntaxError(`${prefix}: "${text}"`);
  return prefix;
}

/** Parses `ADDRESS/LENGTH` and keeps the host bits. */
export function tryParseInterfaceAddress(
  text: string,
): InterfaceAddress | Exclude<PrefixProblem, 'host-bits'> {
  const slash = text.indexOf('/');
  const address = tryParseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return 'not-a-prefix';
  if (slash < 0) return 'no-length';
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > familyBits(address.family))
    return 'bad-length';
  return { address, length: Number(length) };
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  return prefix.family === address.family && sameBits(prefix.bytes, address.bytes, prefix.length);
}

/** True when `outer` holds all of `inner` (or equals it). */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.family === inner.family &&
    outer.length <= inner.length &&
    sameBits(outer.bytes, inner.bytes, outer.length)
  );
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixCovers(a, b) || prefixCovers(b, a);
}

/** The network address itself (network + 0): a node's tunnel address. */
export function firstAddress(prefix: Prefix): Address {
  return addressFromBytes(prefix.bytes);
}

export function lastAddress(prefix: Prefix): Address {
  return addressFromBytes(lastBytes(prefix));
}

/** The bytes of its last address. */
export function lastBytes({ bytes, length }: Prefix): Uint8Array {
  const last = new Uint8Array(bytes.length);
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) last[i] = bytes[i]!;
  if (whole < last.length) last[whole] = bytes[whole]! | (0xff >> (length & 7));
  for (let i = whole + 1; i < last.length; i++) last[i] = 0xff;
  return last;
}

/** Order by family, network, then length (shorter first). */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return a.family - b.family || compareBytes(a.bytes, b.bytes) || a.length - b.length;
}

function maskBytes(bytes: Uint8Array, length: number): Uint8Array {
  const masked = new Uint8Array(bytes.length);
  const whole = length >> 3;
  // Not by `subarray`: it would give the address a buffer outside the heap for as long as it lives.
  for (let i = 0; i < whole; i++) masked[i] = bytes[i]!;
  if ((length & 7) !== 0) masked[whole] = bytes[whole]! & (0xff << (8 - (length & 7)));
  return masked;
}

function sameBits(a: Uint8Array, b: Uint8Array, length: number): boolean {
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = length & 7;
  return rest === 0 || ((a[whole]! ^ b[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}
