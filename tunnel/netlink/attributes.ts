/**
 * Reading of netlink attributes (linux/netlink.h, struct nlattr): length and type of 16 bits each,
 * the value, padding to four bytes.
 *
 *      0               2               4
 *     +---------------+---------------+----------- - - --+- - -+
 *     | nla_len       | nla_type      | value            | pad |
 *     +---------------+---------------+----------- - - --+- - -+
 *
 * Every attribute is kept, known or not. The values are views of the buffer that was read, which
 * the transport uses again: what outlives the callback must be copied.
 */
import { type Address, addressFromBytes } from '../../encap/address.js';
import { NLA_TYPE_MASK } from './constants.js';

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** A length that does not fit ends the list, as in the kernel's own nla_ok(). */
export function readAttributes(bytes: Uint8Array, start = 0, end = bytes.length): Attributes {
  const attributes = new Map<number, Uint8Array>();
  for (let at = start; at + 4 <= end;) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < 4 || at + length > end) break;
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & NLA_TYPE_MASK;
    attributes.set(type, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

export function nested(attributes: Attributes, type: number): Attributes | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : readAttributes(value);
}

export function u8(attributes: Attributes, type: number): number | undefined {
  return attributes.get(type)?.[0];
}

export function u16(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length < 2 ? undefined : value[0]! | (value[1]! << 8);
}

export function u16be(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length < 2 ? undefined : (value[0]! << 8) | value[1]!;
}

export function u32(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length < 4 ? undefined : readU32(value, 0);
}

export function text(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return Buffer.from(value.buffer, value.byteOffset, end < 0 ? value.length : end).toString(
    'latin1',
  );
}

/** A copy, as an address; undefined when absent or of an odd length. */
export function address(attributes: Attributes, type: number): Address | undefined {
  const value = attributes.get(type);
  return value === undefined || (value.length !== 4 && value.length !== 16)
    ? undefined
    : addressFromBytes(Uint8Array.prototype.slice.call(value));
}

const hexByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** `02:…` from six bytes; undefined when absent or of another length. */
export function mac(attributes: Attributes, type: number): string | undefined {
  const m = attributes.get(type);
  return m?.length !== 6
    ? undefined
    : `${hexByte[m[0]!]}:${hexByte[m[1]!]}:${hexByte[m[2]!]}:${hexByte[m[3]!]}:${hexByte[m[4]!]}:${hexByte[m[5]!]}`;
}

/** Value of a hexadecimal digit by character code; 255 for anything else. */
const hexDigits = new Uint8Array(128).fill(255);
for (const [value, digit] of Array.from('0123456789abcdef').entries()) {
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Six bytes from `02:…`; by hand, because every neighbour and forwarding entry passes here. */
export function macBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(6);
  let valid = text.length === 17;
  for (let i = 0; i < 6 && valid; i++) {
    const high = hexDigits[text.charCodeAt(3 * i)] ?? 255;
    const low = hexDigits[text.charCodeAt(3 * i + 1)] ?? 255;
    valid = high < 16 && low < 16 && (i === 5 || text[3 * i + 2] === ':');
    bytes[i] = (high << 4) | low;
  }
  if (!valid)
    throw new SyntaxError(`not a MAC address: "${text}"; six bytes in hexadecimal with colons`);
  return bytes;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}
