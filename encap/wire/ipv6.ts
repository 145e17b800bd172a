/**
 * The IPv6 header, RFC 8200 section 3:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-----------+---+---------------------------------------+
 *     |Version|   DSCP    |ECN|              Flow Label               |
 *     +-------+-----------+---+-------+---------------+---------------+
 *     |        Payload Length         |  Next Header  |   Hop Limit   |
 *     +-------------------------------+---------------+---------------+
 *     |                                                               |
 *     +                   Source Address (128 bits)                   +
 *     |                                                               |
 *     +---------------------------------------------------------------+
 *     |                                                               |
 *     +                 Destination Address (128 bits)                +
 *     |                                                               |
 *     +---------------------------------------------------------------+
 *
 * Extension headers follow (section 4). They are skipped here, not interpreted: what matters is
 * which protocol comes after them and whether the packet is a fragment. Hop-by-hop, routing and
 * destination options start with next header and length in units of 8 beyond the first 8; the
 * fragment header (section 4.5) has 8 bytes: next header, reserved, offset (13 bits), 2 reserved
 * bits, M, identification.
 */
import { type Address, addressFromBytes } from '../address.js';
import { readU16, writeU16 } from './bytes.js';
import type { Ecn } from './ecn.js';
import { type DecodeRange, type DecodeResult, failed, truncated } from './problem.js';
import { ipProtocol } from './protocol.js';

export const ipv6HeaderBytes = 40;
export const ipv6MaxPayloadBytes = 0xffff;

export interface Ipv6Header {
  readonly dscp: number;
  readonly ecn: Ecn;
  readonly flowLabel: number;
  /** As the header says: extension headers and what follows, in bytes. */
  readonly payloadLength: number;
  /** The first next-header field, perhaps an extension header. */
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: Address;
  readonly destination: Address;
  /** What comes after all extension headers. */
  readonly protocol: number;
  /** Set when there is a fragment header; the offset is in bytes. */
  readonly fragment: { readonly offset: number; readonly moreFragments: boolean } | undefined;
}

export type Ipv6Fields = Pick<
  Ipv6Header,
  'nextHeader' | 'source' | 'destination' | 'payloadLength'
> &
  Partial<Pick<Ipv6Header, 'dscp' | 'ecn' | 'flowLabel' | 'hopLimit'>>;

/** Writes the 40-byte header and returns its length; extension headers are the caller's payload. */
export function encodeIpv6(bytes: Uint8Array, offset: number, fields: Ipv6Fields): number {
  if (fields.payloadLength > ipv6MaxPayloadBytes)
    throw new RangeError(
      `an IPv6 payload has at most ${ipv6MaxPayloadBytes} bytes, not ${fields.payloadLength}`,
    );
  const trafficClass = ((fields.dscp ?? 0) << 2) | (fields.ecn ?? 0);
  const flowLabel = fields.flowLabel ?? 0;
  bytes[offset] = 0x60 | (trafficClass >> 4);
  bytes[offset + 1] = ((trafficClass & 0x0f) << 4) | (flowLabel >>> 16);
  writeU16(bytes, offset + 2, flowLabel & 0xffff);
  writeU16(bytes, offset + 4, fields.payloadLength);
  bytes[offset + 6] = fields.nextHeader;
  bytes[offset + 7] = fields.hopLimit ?? 64;
  bytes.set(fields.source.bytes, offset + 8);
  bytes.set(fields.destination.bytes, offset + 24);
  return ipv6HeaderBytes;
}

/** Decodes the header and skips extension headers: the payload starts after the last of them. */
export function decodeIpv6(bytes: Uint8Array, range: DecodeRange = {}): DecodeResult<Ipv6Header> {
  const { offset = 0, end = bytes.length } = range;
  const found = end - offset;
  if (found < ipv6HeaderBytes) return truncated('ipv6', offset, { needed: ipv6HeaderBytes, found });
  const version = bytes[offset]! >> 4;
  if (version !== 6) return failed('ipv6', 'version', offset, `IP version ${version}, not 6`);
  const payloadLength = readU16(bytes, offset + 4);
  if (found < ipv6HeaderBytes + payloadLength && range.payload !== 'cut')
    return truncated('ipv6', offset, { needed: ipv6HeaderBytes + payloadLength, found });
  const payloadEnd = Math.min(offset + ipv6HeaderBytes + payloadLength, end);
  const nextHeader = bytes[offset + 6]!;
  const extensions = skipExtensions(bytes, {
    nextHeader,
    offset: offset + ipv6HeaderBytes,
    end: payloadEnd,
  });
  if (!extensions.ok) return extensions;
  const trafficClass = ((bytes[offset]! & 0x0f) << 4) | (bytes[offset + 1]! >> 4);
  return {
    ok: true,
    header: {
      dscp: trafficClass >> 2,
      ecn: (trafficClass & 3) as Ecn,
      flowLabel: ((bytes[offset + 1]! & 0x0f) << 16) | readU16(bytes, offset + 2),
      payloadLength,
      nextHeader,
      hopLimit: bytes[offset + 7]!,
      source: addressFromBytes(bytes.slice(offset + 8, offset + 24)),
      destination: addressFromBytes(bytes.slice(offset + 24, offset + 40)),
      ...extensions.header,
    },
    payloadOffset: extensions.payloadOffset,
    payloadEnd,
  };
}

function skipExtensions(
  bytes: Uint8Array,
  start: { readonly nextHeader: number; readonly offset: number; readonly end: number },
): DecodeResult<Pick<Ipv6Header, 'protocol' | 'fragment'>> {
  let { nextHeader: protocol, offset } = start;
  let fragment: Ipv6Header['fragment'];
  for (;;) {
    const isFragmentHeader = protocol === ipProtocol.fragment;
    const isExtension =
      isFragmentHeader ||
      protocol === ipProtocol.hopByHop ||
      protocol === ipProtocol.routing ||
      protocol === ipProtocol.destinationOptions;
    // Behind a later fragment's header comes the middle of something.
    if (!isExtension || (fragment?.offset ?? 0) > 0)
      return {
        ok: true,
        header: { protocol, fragment },
        payloadOffset: offset,
        payloadEnd: start.end,
      };
    const found = start.end - offset;
    if (found < 8) return truncated('ipv6', offset, { needed: 8, found });
    const length = isFragmentHeader ? 8 : (bytes[offset + 1]! + 1) << 3;
    if (found < length) return truncated('ipv6', offset, { needed: length, found });
    if (isFragmentHeader) {
      const field = readU16(bytes, offset + 2);
      fragment = { offset: field & 0xfff8, moreFragments: (field & 1) !== 0 };
    }
    protocol = bytes[offset]!;
    offset += length;
  }
}
