/**
 * The UDP header, RFC 768:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+-------------------------------+
 *     |          Source Port          |       Destination Port        |
 *     +-------------------------------+-------------------------------+
 *     |            Length             |           Checksum            |
 *     +-------------------------------+-------------------------------+
 *
 * A checksum of zero means "none", which IPv4 allows, and IPv6 for tunnels only (RFC 6935). A
 * computed zero is sent as 0xffff.
 */
import type { Address } from '../address.js';
import { readU16, writeU16 } from './bytes.js';
import { internetChecksum, pseudoHeaderSum } from './checksum.js';
import { ipProtocol } from './protocol.js';
import { type DecodeRange, type DecodeResult, failed, truncated } from './problem.js';

export const udpHeaderBytes = 8;

export interface UdpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Header and payload, in bytes. */
  readonly length: number;
  /** As sent; 0 means that the sender computed none. */
  readonly checksum: number;
}

/** The addresses that the checksum covers. */
export interface UdpAddresses {
  readonly source: Address;
  readonly destination: Address;
}

export interface UdpFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payloadLength: number;
  /** The payload must be in the buffer already; without addresses no checksum is sent. */
  readonly checksumFor?: UdpAddresses;
}

/** Writes the header and returns its length in bytes. */
export function encodeUdp(bytes: Uint8Array, offset: number, fields: UdpFields): number {
  const length = udpHeaderBytes + fields.payloadLength;
  if (length > 0xffff)
    throw new RangeError(`a UDP datagram has at most 65535 bytes, not ${length}`);
  writeU16(bytes, offset, fields.sourcePort);
  writeU16(bytes, offset + 2, fields.destinationPort);
  writeU16(bytes, offset + 4, length);
  writeU16(bytes, offset + 6, 0);
  if (fields.checksumFor !== undefined) {
    const checksum = checksumOf(bytes, { offset, length, addresses: fields.checksumFor });
    writeU16(bytes, offset + 6, checksum === 0 ? 0xffff : checksum);
  }
  return udpHeaderBytes;
}

/** Decodes the header; with addresses and a whole payload the checksum is checked, if there is one. */
export function decodeUdp(
  bytes: Uint8Array,
  range: DecodeRange & { readonly addresses?: UdpAddresses } = {},
): DecodeResult<UdpHeader> {
  const { offset = 0, end = bytes.length } = range;
  const found = end - offset;
  if (found < udpHeaderBytes) return truncated('udp', offset, { needed: udpHeaderBytes, found });
  const length = readU16(bytes, offset + 4);
  if (length < udpHeaderBytes)
    return failed(
      'udp',
      'total-length',
      offset + 4,
      `UDP length ${length} is less than the header`,
    );
  if (found < length && range.payload !== 'cut')
    return truncated('udp', offset, { needed: length, found });
  const checksum = readU16(bytes, offset + 6);
  if (range.addresses !== undefined && checksum !== 0 && found >= length) {
    if (checksumOf(bytes, { offset, length, addresses: range.addresses }) !== 0)
      return failed('udp', 'checksum', offset + 6, 'the UDP checksum is wrong');
  }
  return {
    ok: true,
    header: {
      sourcePort: readU16(bytes, offset),
      destinationPort: readU16(bytes, offset + 2),
      length,
      checksum,
    },
    payloadOffset: offset + udpHeaderBytes,
    payloadEnd: Math.min(offset + length, end),
  };
}

function checksumOf(
  bytes: Uint8Array,
  datagram: { readonly offset: number; readonly length: number; readonly addresses: UdpAddresses },
): number {
  const { offset, length, addresses } = datagram;
  const initial = pseudoHeaderSum({ ...addresses, protocol: ipProtocol.udp, lengthBytes: length });
  return internetChecksum(bytes, { offset, end: offset + length, initial });
}
