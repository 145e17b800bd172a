/**
 * The IPv4 header, RFC 791 section 3.1 (traffic class bits: RFC 2474, RFC 3168):
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+-----------+---+-------------------------------+
 *     |Version|  IHL  |   DSCP    |ECN|         Total Length          |
 *     +-------+-------+-----------+---+-----+-------------------------+
 *     |        Identification         |0|D|M|     Fragment Offset     |
 *     +---------------+---------------+-----+-------------------------+
 *     |  Time to Live |   Protocol    |        Header Checksum        |
 *     +---------------+---------------+-------------------------------+
 *     |                        Source Address                         |
 *     +---------------------------------------------------------------+
 *     |                      Destination Address                      |
 *     +---------------------------------------------------------------+
 *     |               Options, padded to whole 32-bit words           |
 *     +---------------------------------------------------------------+
 */
import { type Address, addressFromBytes } from '../address.js';
import { readU16, writeU16 } from './bytes.js';
import { internetChecksum } from './checksum.js';
import type { Ecn } from './ecn.js';
import { type DecodeRange, type DecodeResult, failed, truncated } from './problem.js';

export const ipv4MinHeaderBytes = 20;
export const ipv4MaxTotalBytes = 0xffff;

export interface Ipv4Header {
  readonly dscp: number;
  readonly ecn: Ecn;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes; the field itself counts units of 8. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: Address;
  readonly destination: Address;
  /** Padded to a multiple of 4 bytes, at most 40. */
  readonly options: Uint8Array;
  /** Header and payload, in bytes. */
  readonly totalLength: number;
}

/** What the encoder needs; everything else has the value of a plain, unfragmented datagram. */
export type Ipv4Fields = Pick<Ipv4Header, 'protocol' | 'source' | 'destination'> &
  Partial<Omit<Ipv4Header, 'totalLength'>> & {
    /** Bytes after the header. */
    readonly payloadLength: number;
  };

/** Writes the header, checksum included, and returns its length in bytes. */
export function encodeIpv4(bytes: Uint8Array, offset: number, fields: Ipv4Fields): number {
  const options = fields.options;
  const headerLength = ipv4MinHeaderBytes + (options?.length ?? 0);
  const totalLength = headerLength + fields.payloadLength;
  if (headerLength > 60 || (headerLength & 3) !== 0)
    throw new RangeError(`IPv4 options take 0–40 bytes in steps of 4, not ${options?.length}`);
  if (totalLength > ipv4MaxTotalBytes)
    throw new RangeError(
      `an IPv4 packet has at most ${ipv4MaxTotalBytes} bytes, not ${totalLength}`,
    );
  bytes[offset] = 0x40 | (headerLength >> 2);
  bytes[offset + 1] = ((fields.dscp ?? 0) << 2) | (fields.ecn ?? 0);
  writeU16(bytes, offset + 2, totalLength);
  writeU16(bytes, offset + 4, fields.identification ?? 0);
  const flags = (fields.dontFragment ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0);
  writeU16(bytes, offset + 6, flags | ((fields.fragmentOffset ?? 0) >> 3));
  bytes[offset + 8] = fields.ttl ?? 64;
  bytes[offset + 9] = fields.protocol;
  writeU16(bytes, offset + 10, 0);
  bytes.set(fields.source.bytes, offset + 12);
  bytes.set(fields.destination.bytes, offset + 16);
  if (options !== undefined) bytes.set(options, offset + ipv4MinHeaderBytes);
  writeU16(bytes, offset + 10, internetChecksum(bytes, { offset, end: offset + headerLength }));
  return headerLength;
}

export function decodeIpv4(bytes: Uint8Array, range: DecodeRange = {}): DecodeResult<Ipv4Header> {
  const { offset = 0, end = bytes.length } = range;
  const found = end - offset;
  if (found < ipv4MinHeaderBytes)
    return truncated('ipv4', offset, { needed: ipv4MinHeaderBytes, found });
  const version = bytes[offset]! >> 4;
  if (version !== 4) return failed('ipv4', 'version', offset, `IP version ${version}, not 4`);
  const headerLength = (bytes[offset]! & 0x0f) << 2;
  if (headerLength < ipv4MinHeaderBytes)
    return failed(
      'ipv4',
      'header-length',
      offset,
      `IPv4 header of ${headerLength} bytes, 20 is the least`,
    );
  if (found < headerLength) return truncated('ipv4', offset, { needed: headerLength, found });
  if (internetChecksum(bytes, { offset, end: offset + headerLength }) !== 0)
    return failed('ipv4', 'checksum', offset + 10, 'the IPv4 header checksum is wrong');
  const totalLength = readU16(bytes, offset + 2);
  if (totalLength < headerLength)
    return failed(
      'ipv4',
      'total-length',
      offset + 2,
      `IPv4 total length ${totalLength} is less than the header`,
    );
  if (found < totalLength && range.payload !== 'cut')
    return truncated('ipv4', offset, { needed: totalLength, found });
  const flags = readU16(bytes, offset + 6);
  return {
    ok: true,
    header: {
      dscp: bytes[offset + 1]! >> 2,
      ecn: (bytes[offset + 1]! & 3) as Ecn,
      identification: readU16(bytes, offset + 4),
      dontFragment: (flags & 0x4000) !== 0,
      moreFragments: (flags & 0x2000) !== 0,
      fragmentOffset: (flags & 0x1fff) << 3,
      ttl: bytes[offset + 8]!,
      protocol: bytes[offset + 9]!,
      source: addressFromBytes(bytes.slice(offset + 12, offset + 16)),
      destination: addressFromBytes(bytes.slice(offset + 16, offset + 20)),
      options: bytes.slice(offset + ipv4MinHeaderBytes, offset + headerLength),
      totalLength,
    },
    payloadOffset: offset + headerLength,
    payloadEnd: Math.min(offset + totalLength, end),
  };
}

/** True for every part of a datagram that was split. */
export function isFragment(header: Ipv4Header): boolean {
  return header.moreFragments || header.fragmentOffset > 0;
}
