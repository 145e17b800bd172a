/**
 * VXLAN on the wire, RFC 7348 section 5: an Ethernet frame in UDP.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-+---------------------+-------------------------------+
 *     |R R R R|I|R R R                |            Reserved           |
 *     +-------+-+---------------------+---------------+---------------+
 *     |        VXLAN Network Identifier (VNI)         |   Reserved    |
 *     +-----------------------------------------------+---------------+
 *
 * In full, outermost first: outer IP (20 or 40) + UDP (8) + VXLAN (8) + inner Ethernet (14), which
 * is 50 or 70 bytes in front of the inner IP packet. Reserved bits are sent as zero and ignored on
 * receipt; a header without the I flag has no valid VNI.
 */
import type { Address, Family } from '../address.js';
import { readU24, writeU24 } from '../wire/bytes.js';
import { ecnForOuter } from '../wire/ecn.js';
import { decodeEthernet, ethernetHeaderBytes } from '../wire/ethernet.js';
import { decodeIp } from '../wire/ip.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../wire/ipv4.js';
import { encodeIpv6, ipv6HeaderBytes } from '../wire/ipv6.js';
import { type DecodeRange, type DecodeResult, failed, truncated } from '../wire/problem.js';
import { ipProtocol, isIpEtherType } from '../wire/protocol.js';
import { encodeUdp, udpHeaderBytes } from '../wire/udp.js';

export const vxlanHeaderBytes = 8;
/** Assigned by IANA (RFC 7348 section 5); Linux's own default, 8472, is older than the RFC. */
export const vxlanDefaultPort = 4789;
export const vxlanMaxVni = 0xff_ffff;

const flagVniValid = 0x08;

/** Bytes that an IP packet grows by, the inner Ethernet header among them. */
export function vxlanOverheadBytes(outer: Family): number {
  const ip = outer === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
  return ip + udpHeaderBytes + vxlanHeaderBytes + ethernetHeaderBytes;
}

export interface VxlanHeader {
  readonly vni: number;
}

/** Writes the 8 bytes and returns their number. */
export function encodeVxlan(bytes: Uint8Array, offset: number, header: VxlanHeader): number {
  if (!Number.isInteger(header.vni) || header.vni < 0 || header.vni > vxlanMaxVni)
    throw new RangeError(`a VNI is 0–${vxlanMaxVni}, not ${header.vni}`);
  bytes.fill(0, offset, offset + vxlanHeaderBytes);
  bytes[offset] = flagVniValid;
  writeU24(bytes, offset + 4, header.vni);
  return vxlanHeaderBytes;
}

export function decodeVxlan(bytes: Uint8Array, range: DecodeRange = {}): DecodeResult<VxlanHeader> {
  const { offset = 0, end = bytes.length } = range;
  if (end - offset < vxlanHeaderBytes)
    return truncated('vxlan', offset, { needed: vxlanHeaderBytes, found: end - offset });
  if ((bytes[offset]! & flagVniValid) === 0)
    return failed('vxlan', 'flags', offset, 'the VXLAN header has no valid VNI: its I flag is off');
  return {
    ok: true,
    header: { vni: readU24(bytes, offset + 4) },
    payloadOffset: offset + vxlanHeaderBytes,
    payloadEnd: end,
  };
}

export interface VxlanEncapsulation {
  /** Where the inner Ethernet frame lies in the buffer; the outer headers go in front of it. */
  readonly frameOffset: number;
  readonly frameEnd: number;
  readonly vni: number;
  /** Outer addresses, of one family. */
  readonly source: Address;
  readonly destination: Address;
  /** From the inner flow, in 49152–65535, so that equal-cost paths are all used (section 5). */
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly ttl: number;
}

/**
 * Writes outer IP, UDP and VXLAN headers into the room before the inner frame and returns where
 * they begin. As Linux sends it: no UDP checksum over IPv4, one over IPv6.
 */
export function encapsulateVxlan(bytes: Uint8Array, how: VxlanEncapsulation): number {
  const { frameOffset, frameEnd, source, destination } = how;
  const vxlanOffset = frameOffset - vxlanHeaderBytes;
  const udpOffset = vxlanOffset - udpHeaderBytes;
  const offset = udpOffset - (source.family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes);
  if (offset < 0)
    throw new RangeError(`the outer headers need ${-offset} bytes more in front of the frame`);
  encodeVxlan(bytes, vxlanOffset, { vni: how.vni });
  encodeUdp(bytes, udpOffset, {
    sourcePort: how.sourcePort,
    destinationPort: how.destinationPort,
    payloadLength: frameEnd - vxlanOffset,
    ...(source.family === 6 ? { checksumFor: { source, destination } } : {}),
  });
  const common = {
    source,
    destination,
    payloadLength: frameEnd - udpOffset,
    ...trafficClass(bytes, how),
  };
  if (source.family === 4)
    encodeIpv4(bytes, offset, {
      ...common,
      protocol: ipProtocol.udp,
      ttl: how.ttl,
      dontFragment: true,
    });
  else encodeIpv6(bytes, offset, { ...common, nextHeader: ipProtocol.udp, hopLimit: how.ttl });
  return offset;
}

/** DSCP and ECN of the inner packet, for the outer header; zero for a frame that is not IP. */
function trafficClass(bytes: Uint8Array, how: VxlanEncapsulation) {
  const frame = decodeEthernet(bytes, { offset: how.frameOffset, end: how.frameEnd });
  if (!frame.ok || !isIpEtherType(frame.header.etherType)) return {};
  const inner = decodeIp(bytes, {
    offset: frame.payloadOffset,
    end: frame.payloadEnd,
    payload: 'cut',
  });
  return inner.ok ? { dscp: inner.header.dscp, ecn: ecnForOuter(inner.header.ecn) } : {};
}
