/**
 * Values of metadata as others wrote them, read carefully: what is not as documented is "not told".
 */
import type { Address } from '../../encap/address.js';
import { familyBits, isUnusable, tryParseAddress } from '../../encap/address.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import { hostPrefix, prefixOf, tryParseInterfaceAddress } from '../../encap/prefix.js';

/** Undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A field, or a field of a field. */
export function field(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  return found;
}

/** Longest text that is believed: names, ids and paths are all shorter. */
const maxTextLength = 512;

/** A name, an id or a path; numbers (ids of DigitalOcean) as text. */
export function textField(value: unknown, ...path: readonly string[]): string | undefined {
  return asText(field(value, ...path));
}

export function asText(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  // No markup, no quotes, and nothing that would speak to the terminal that it is printed on.
  const sound = /^[\p{L}\p{N}_.:/@+=~() -]+$/u.test(trimmed) && trimmed.length <= maxTextLength;
  return sound ? trimmed : undefined;
}

/** A key or token: one word that a header can carry. */
export function secretField(value: unknown, ...path: readonly string[]): string | undefined {
  const found = field(value, ...path);
  return typeof found === 'string' && /^[\x21-\x7e]{1,16384}$/.test(found) ? found : undefined;
}

export function listField(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = field(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function textsField(value: unknown, ...path: readonly string[]): readonly string[] {
  return listField(value, ...path).flatMap((item) => asText(item) ?? []);
}

export function numberField(value: unknown, ...path: readonly string[]): number | undefined {
  return numberOf(field(value, ...path));
}

/** A whole number from 0, also where it is written as text. */
export function numberOf(found: unknown): number | undefined {
  const number =
    typeof found === 'string' && /^\d{1,15}$/.test(found.trim()) ? Number(found) : found;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0
    ? number
    : undefined;
}

/** Bytes; what no network has is not believed. */
export function mtuField(value: unknown, ...path: readonly string[]): number | undefined {
  const mtu = numberField(value, ...path);
  return mtu !== undefined && mtu >= 576 && mtu <= 65_535 ? mtu : undefined;
}

/** `00:0D:3A:…`, `000D3A…` or `00-0d-3a-…` → `00:0d:3a:…` */
export function readMac(text: string | undefined): string | undefined {
  const digits = (text ?? '').toLowerCase().replace(/[:-]/g, '');
  return /^[0-9a-f]{12}$/.test(digits) ? digits.match(/../g)!.join(':') : undefined;
}

/** An address that a node may have. */
export function readAddress(text: string | undefined): Address | undefined {
  const address = text === undefined ? undefined : tryParseAddress(text.trim());
  return address === undefined || isUnusable(address) ? undefined : address;
}

export function readAddresses(texts: readonly (string | undefined)[]): readonly Address[] {
  return texts.flatMap((text) => readAddress(text) ?? []);
}

/** A prefix; host bits are cleared, as some providers write the address of the NIC there. */
export function readPrefix(text: string | undefined): Prefix | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  if (!trimmed.includes('/')) {
    const address = readAddress(trimmed);
    return address && hostPrefix(address);
  }
  const parsed = tryParseInterfaceAddress(trimmed);
  return typeof parsed === 'string' ? undefined : prefixOf(parsed.address, parsed.length);
}

export function readPrefixes(texts: readonly (string | undefined)[]): readonly Prefix[] {
  return texts.flatMap((text) => readPrefix(text) ?? []);
}

/** An address with the length of a mask (`255.255.240.0`, `ffff:ffff::`, 20); else a host's. */
export function withMask(
  address: Address | undefined,
  mask: string | number | undefined,
): InterfaceAddress | undefined {
  if (address === undefined) return undefined;
  const length = typeof mask === 'number' ? mask : maskLength(mask);
  const bits = familyBits(address.family);
  const sound = length !== undefined && length > 0 && length <= bits;
  return { address, length: sound ? length : bits };
}

/** `255.255.240.0`, `ffff:ffff::` or `20` → its length */
function maskLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const mask = tryParseAddress(text);
  if (mask === undefined) return undefined;
  const bits = [...mask.bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.replace(/0/g, '').length : undefined;
}

/** Each once, by its text, in order. */
export function distinct<T extends { readonly text: string }>(values: readonly T[]): readonly T[] {
  return [...new Map(values.map((value) => [value.text, value])).values()];
}

/** The networks of addresses that have one. */
export function networksOf(addresses: readonly InterfaceAddress[]): readonly Prefix[] {
  return addresses
    .filter(({ address, length }) => length < familyBits(address.family))
    .map(({ address, length }) => prefixOf(address, length));
}
