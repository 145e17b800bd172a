/**
 * An IPv4 packet as the data plane handles it: fields read and written in place, nothing decoded
 * into objects on the way of a packet. (The codec with names for everything is encap/wire/ipv4.)
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+---------------+-------------------------------+
 *   0 |Version|  IHL  |      TOS      |          Total Length         |
 *     +-------+-------+---------------+-----+-------------------------+
 *   4 |         Identification        |0 D M|     Fragment Offset     |
 *     +---------------+---------------+-----+-------------------------+
 *   8 |      TTL      |    Protocol   |        Header Checksum        |
 *     +---------------+---------------+-------------------------------+
 *  12 |                         Source Address                        |
 *     +---------------------------------------------------------------+
 *  16 |                      Destination Address                      |
 *     +---------------------------------------------------------------+
 *  20 |                    Options, up to 40 bytes                    |
 *                                                 RFC 791 section 3.1
 */
import { readU16, writeU16 } from '../../encap/wire/bytes.js';
import { internetChecksum } from '../../encap/wire/checksum.js';
import { ipv4MinHeaderBytes } from '../../encap/wire/ipv4.js';

/** Byte offsets of the header's fields. */
export const field = {
  tos: 1,
  totalLength: 2,
  id: 4,
  flagsAndOffset: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
} as const;

export const flagDontFragment = 0x4000;
export const flagMoreFragments = 0x2000;
export const fragmentOffsetMask = 0x1fff;

export function readU32(bytes: Uint8Array, offset: number): number {
  return ((readU16(bytes, offset) << 16) | readU16(bytes, offset + 2)) >>> 0;
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset, value >>> 16);
  writeU16(bytes, offset + 2, value & 0xffff);
}

/** Length of the header with its options, in bytes. */
export function headerLength(packet: Uint8Array): number {
  return (packet[0]! & 0xf) * 4;
}

/** Fills in the header checksum. */
export function sealHeader(packet: Uint8Array): void {
  writeU16(packet, field.checksum, 0);
  const checksum = internetChecksum(packet, { offset: 0, end: headerLength(packet) });
  writeU16(packet, field.checksum, checksum);
}

export type HeaderProblem = 'short' | 'not-ipv4' | 'bad-length' | 'bad-checksum';

/**
 * Is this one whole IPv4 packet? The total length may be less than what is there (link padding),
 * never more.
 */
export function checkHeader(packet: Uint8Array): HeaderProblem | undefined {
  if (packet.length === 0) return 'short';
  if (packet[0]! >> 4 !== 4) return 'not-ipv4';
  if (packet.length < ipv4MinHeaderBytes) return 'short';
  const header = headerLength(packet);
  const total = readU16(packet, field.totalLength);
  if (header < ipv4MinHeaderBytes || total < header || total > packet.length) return 'bad-length';
  return internetChecksum(packet, { offset: 0, end: header }) === 0 ? undefined : 'bad-checksum';
}

/** `192.0.2.1` from its number. */
export function formatU32(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}
