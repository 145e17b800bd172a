/**
 * IP in IP on the wire: RFC 2003 (IPv4 in IPv4, protocol 4), RFC 4213 section 3 (IPv6 in IPv4,
 * protocol 41), RFC 2473 (either in IPv6, the same numbers as next header).
 *
 *     +----------------------------------------+
 *     | outer IP: source = this node, dest. =  |   20 bytes (IPv4) or 40 (IPv6)
 *     | the owner's node, protocol 4 or 41     |
 *     +----------------------------------------+
 *     | inner IP header, unchanged but for ECN |
 *     +----------------------------------------+
 *     | inner payload                          |
 *     +----------------------------------------+
 *
 * There is no header in between, so nothing tells one overlay from another: who sent it (the outer
 * source) is all that a receiver can check. The inner TTL is the forwarding router's business (RFC
 * 2003 section 3.1); a packet that has none left is not encapsulated and not delivered. The outer
 * header says don't-fragment always: path MTU discovery must see small links (RFC 2003 section 5.1),
 * and with it set the identification carries no meaning (RFC 6864 section 4.1).
 */
import type { Address, Family } from '../address.js';
import { type Ecn, ecnAfterDecapsulation, ecnForOuter } from '../wire/ecn.js';
import { type IpHeader, decodeIp, hopsLeft, isIpFragment } from '../wire/ip.js';
import { encodeIpv4, ipv4MaxTotalBytes, ipv4MinHeaderBytes } from '../wire/ipv4.js';
import { encodeIpv6, ipv6HeaderBytes, ipv6MaxPayloadBytes } from '../wire/ipv6.js';
import { type Failed, failed } from '../wire/problem.js';
import { ipProtocol } from '../wire/protocol.js';

/** Bytes that a packet grows by; IPv6 without the encapsulation-limit option (8 more). */
export function ipipOverheadBytes(outer: Family): number {
  return outer === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
}

/** The outer protocol number for an inner packet. */
export function ipipProtocol(inner: Family): number {
  return inner === 4 ? ipProtocol.ipv4 : ipProtocol.ipv6;
}

export interface IpipEncapsulation {
  /** Where the inner packet lies in the buffer; the outer header goes right in front of it. */
  readonly innerOffset: number;
  readonly innerEnd: number;
  /** Outer addresses, of one family. */
  readonly source: Address;
  readonly destination: Address;
  readonly ttl: number;
}

export interface IpipEncapsulated {
  readonly ok: true;
  /** The outer packet is `bytes.subarray(offset, end)`. */
  readonly offset: number;
  /** Before `innerEnd` when bytes follow the inner packet. */
  readonly end: number;
  readonly inner: IpHeader;
}

/** Writes the outer header into the room before the inner packet. */
export function encapsulateIpip(
  bytes: Uint8Array,
  how: IpipEncapsulation,
): IpipEncapsulated | Failed {
  const { innerOffset, innerEnd, source, destination } = how;
  const decoded = decodeIp(bytes, { offset: innerOffset, end: innerEnd });
  if (!decoded.ok) return decoded;
  const inner = decoded.header;
  if (hopsLeft(inner) === 0)
    return failed('ipip', 'ttl', innerOffset, 'the inner packet has no hops left to be sent with');
  const offset = innerOffset - ipipOverheadBytes(source.family);
  if (offset < 0)
    throw new RangeError(
      `the outer header needs ${-offset} bytes more in front of the inner packet`,
    );
  const payloadLength = decoded.payloadEnd - innerOffset;
  const largest =
    source.family === 4 ? ipv4MaxTotalBytes - ipv4MinHeaderBytes : ipv6MaxPayloadBytes;
  if (payloadLength > largest)
    return failed(
      'ipip',
      'total-length',
      innerOffset,
      `an inner packet of ${payloadLength} bytes does not fit`,
    );
  const common = {
    source,
    destination,
    dscp: inner.dscp,
    ecn: ecnForOuter(inner.ecn),
    payloadLength,
  };
  const protocol = ipipProtocol(inner.family);
  if (source.family === 4)
    encodeIpv4(bytes, offset, { ...common, protocol, ttl: how.ttl, dontFragment: true });
  else encodeIpv6(bytes, offset, { ...common, nextHeader: protocol, hopLimit: how.ttl });
  return { ok: true, offset, end: decoded.payloadEnd, inner };
}

export interface IpipDecapsulated {
  readonly ok: true;
  readonly outer: IpHeader;
  readonly inner: IpHeader;
  /** The inner packet is `bytes.subarray(innerOffset, innerEnd)`. */
  readonly innerOffset: number;
  readonly innerEnd: number;
  /** What the inner ECN field must become (RFC 6040); write it with `rewriteEcn` if it differs. */
  readonly innerEcn: Ecn;
}

/** Takes a whole, reassembled outer packet apart. Whether its sender may send it is not decided here. */
export function decapsulateIpip(
  bytes: Uint8Array,
  range: { readonly offset?: number; readonly end?: number } = {},
): IpipDecapsulated | Failed {
  const outside = decodeIp(bytes, range);
  if (!outside.ok) return outside;
  const outer = outside.header;
  const family = innerFamily(outer.protocol);
  const at = range.offset ?? 0;
  if (family === undefined)
    return failed('ipip', 'protocol', at, `outer protocol ${outer.protocol} is neither 4 nor 41`);
  if (isIpFragment(outer))
    return failed('ipip', 'fragment', at, 'the outer packet is a fragment, not yet reassembled');
  const innerOffset = outside.payloadOffset;
  const inside = decodeIp(bytes, { offset: innerOffset, end: outside.payloadEnd, family });
  if (!inside.ok) return inside;
  const inner = inside.header;
  if (hopsLeft(inner) === 0)
    return failed('ipip', 'ttl', innerOffset, 'the inner packet has no hops left');
  const innerEcn = ecnAfterDecapsulation(inner.ecn, outer.ecn);
  if (innerEcn === 'drop')
    return failed(
      'ipip',
      'ecn',
      innerOffset,
      'marked for congestion outside, yet inside not ECN-capable',
    );
  return { ok: true, outer, inner, innerOffset, innerEnd: inside.payloadEnd, innerEcn };
}

function innerFamily(protocol: number): Family | undefined {
  if (protocol === ipProtocol.ipv4) return 4;
  return protocol === ipProtocol.ipv6 ? 6 : undefined;
}
