/**
 * IP addresses of both families on one code path: a family and its bytes in network order.
 *
 * The bytes are what the trie, the wire formats and netlink all need, so nothing converts on the
 * way. `text` is the canonical form (RFC 5952 for IPv6) and is what maps are keyed by.
 * Parsing here is strict: no octal, no short forms, no zone index.
 */
export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** 4 or 16 bytes in network order; never written to after construction. */
  readonly bytes: Uint8Array;
  /** Canonical text, also the map key. */
  readonly text: string;
}

/** Bits in an address of the family: 32 or 128. */
export function familyBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Wraps bytes in network order; the bytes must not be changed afterwards. */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length === 4) return { family: 4, bytes, text: formatV4(bytes) };
  if (bytes.length === 16) return { family: 6, bytes, text: formatV6(bytes) };
  throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
}

/** Parses strict dotted-quad IPv4 or RFC 4291 IPv6; undefined when the text is neither. */
export function tryParseAddress(text: string): Address | undefined {
  const bytes = text.includes(':') ? parseV6(text) : parseV4(text);
  return bytes === undefined ? undefined : addressFromBytes(bytes);
}

/** As `tryParseAddress`, but throws: for literals and for text that was validated before. */
export function parseAddress(text: string): Address {
  const address = tryParseAddress(text);
  if (address === undefined) throw new SyntaxError(`not an IP address: "${text}"`);
  return address;
}

/** An IPv4 address from its 32-bit number. */
export function addressFromU32(value: number): Address {
  return addressFromBytes(
    Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff),
  );
}

/** The address that is `offset` (may be negative) away; undefined when it leaves the family's space. */
export function offsetAddress(address: Address, offset: bigint): Address | undefined {
  const bits = familyBits(address.family);
  const value = addressToBigInt(address) + offset;
  return value < 0n || value >= 1n << BigInt(bits)
    ? undefined
    : addressFromBigInt(value, address.family);
}

export function addressToBigInt(address: Address): bigint {
  let value = 0n;
  for (const byte of address.bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

export function addressFromBigInt(value: bigint, family: Family): Address {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return addressFromBytes(bytes);
}

/** Order by family, then numerically. */
export function compareAddresses(a: Address, b: Address): number {
  return a.family - b.family || compareBytes(a.bytes, b.bytes);
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** 169.254.0.0/16, fe80::/10. */
export function isLinkLocal(address: Address): boolean {
  const [a, b] = address.bytes;
  return address.family === 4 ? a === 169 && b === 254 : a === 0xfe && (b! & 0xc0) === 0x80;
}

/** Addresses that can never be a node's or a workload's: unspecified, loopback, multicast, reserved. */
export function isUnusable(address: Address): boolean {
  const first = address.bytes[0]!;
  if (address.family === 4) return first === 0 || first === 127 || first >= 224;
  if (first === 0xff) return true;
  return address.bytes.subarray(0, 15).every((byte) => byte === 0) && address.bytes[15]! <= 1;
}

/** `join` makes one flat string; a template would keep its parts in memory as well. */
function formatV4(bytes: Uint8Array): string {
  return bytes.join('.');
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function formatV6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [i, length];
    i += length;
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (bestStart < 0) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const value = Number(part);
    if (value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseV6Groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseV6Groups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

function parseV6Groups(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (mayEndInV4 && i === groups.length - 1 && group.includes('.')) {
      const v4 = parseV4(group);
      if (v4 === undefined) return undefined;
      bytes.push(...v4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      return undefined;
    }
  }
  return bytes;
}

/** ::a.b.c.d (RFC 4291 section 2.5.5.1): how a `sit` route names its outer IPv4 next hop. */
export function v4Compatible(address: Address): Address {
  const bytes = new Uint8Array(16);
  bytes.set(address.bytes, 12);
  return addressFromBytes(bytes);
}
