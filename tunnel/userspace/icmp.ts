/**
 * ICMP errors (RFC 792): those that we send to the sender of an inner packet, and those that the
 * underlay sends us about an outer one.
 *
 *      0                   1                   2                   3
 *     +---------------+---------------+-------------------------------+
 *   0 |     Type      |     Code      |           Checksum            |
 *     +---------------+---------------+-------------------------------+
 *   4 |            unused             |  Next-Hop MTU (type 3 code 4) |
 *     +-------------------------------+-------------------------------+
 *   8 |   the packet in question: its header and what fits of the rest
 *                                RFC 792, RFC 1191 section 4
 */
import { type Address, addressFromBytes } from '../../encap/address.js';
import { readU16, writeU16 } from '../../encap/wire/bytes.js';
import { internetChecksum } from '../../encap/wire/checksum.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../../encap/wire/ipv4.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import { field, fragmentOffsetMask, headerLength, readU32 } from './packet.js';

export const icmpType = {
  unreachable: 3,
  timeExceeded: 11,
  parameterProblem: 12,
} as const;

/** Codes of destination unreachable (RFC 792, RFC 1122 section 3.2.2.1). */
export const unreachableCode = {
  network: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  sourceRouteFailed: 5,
} as const;

export const icmpHeaderBytes = 8;
/** RFC 1812 section 4.3.2.3: as much of the packet as fits without the error exceeding this. */
export const icmpErrorLimitBytes = 576;
/** Precedence "internetwork control", the upper bits of TOS (RFC 1812 section 4.3.2.5). */
const errorDscp = 0b110000;

export interface IcmpError {
  readonly code: number;
  /** Next-hop MTU; only with fragmentation needed. */
  readonly mtu?: number;
  /** Address of ours that the error comes from. */
  readonly source: Address;
}

/** A destination-unreachable message about the packet, to its source. */
export function unreachable(about: Uint8Array, error: IcmpError): Uint8Array {
  const quoted = Math.min(
    about.length,
    readU16(about, field.totalLength),
    icmpErrorLimitBytes - ipv4MinHeaderBytes - icmpHeaderBytes,
  );
  const packet = new Uint8Array(ipv4MinHeaderBytes + icmpHeaderBytes + quoted);
  encodeIpv4(packet, 0, {
    dscp: errorDscp,
    dontFragment: true,
    protocol: ipProtocol.icmp,
    source: error.source,
    destination: addressFromBytes(about.slice(field.source, field.destination)),
    payloadLength: icmpHeaderBytes + quoted,
  });

  packet[ipv4MinHeaderBytes] = icmpType.unreachable;
  packet[ipv4MinHeaderBytes + 1] = error.code;
  writeU16(packet, ipv4MinHeaderBytes + 6, error.mtu ?? 0);
  packet.set(about.subarray(0, quoted), ipv4MinHeaderBytes + icmpHeaderBytes);
  const checksum = internetChecksum(packet, { offset: ipv4MinHeaderBytes, end: packet.length });
  writeU16(packet, ipv4MinHeaderBytes + 2, checksum);
  return packet;
}

/** May an ICMP error be sent about this packet at all? (RFC 1812 section 4.3.2.7) */
export function mayAnswer(packet: Uint8Array): boolean {
  if ((readU16(packet, field.flagsAndOffset) & fragmentOffsetMask) !== 0) return false;
  if (!isUnicast(readU32(packet, field.destination))) return false;
  const source = readU32(packet, field.source);
  if (!isUnicast(source) || source >>> 24 === 127) return false;
  if (packet[field.protocol] !== ipProtocol.icmp) return true;
  const type = packet[headerLength(packet)];
  return type !== undefined && icmpQueries.has(type);
}

/** Neither 0.0.0.0/8 nor multicast, reserved or broadcast. */
function isUnicast(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first < 224;
}

/** Echo, router discovery, timestamp, information, mask: everything else may be an error. */
const icmpQueries: ReadonlySet<number> = new Set([0, 8, 9, 10, 13, 14, 15, 16, 17, 18]);

export interface ReceivedError {
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU as the router gave it; 0 from one older than RFC 1191. */
  readonly mtu: number;
  /** What it quotes of the packet in question, from its IPv4 header on; often cut short. */
  readonly about: Uint8Array;
}

/**
 * Takes an ICMP packet (IPv4 header included, `checkHeader` passed) apart; undefined when it is no
 * error, damaged, or quotes less than an IPv4 header and the 8 bytes behind it.
 */
export function parseIcmpError(packet: Uint8Array): ReceivedError | undefined {
  const icmp = packet.subarray(headerLength(packet), readU16(packet, field.totalLength));
  if (icmp.length < icmpHeaderBytes + ipv4MinHeaderBytes + 8) return undefined;
  const type = icmp[0]!;
  if (
    type !== icmpType.unreachable &&
    type !== icmpType.timeExceeded &&
    type !== icmpType.parameterProblem
  )
    return undefined;
  const about = icmp.subarray(icmpHeaderBytes);
  if (about[0]! >> 4 !== 4 || headerLength(about) < ipv4MinHeaderBytes) return undefined;
  if (about.length < headerLength(about) + 8) return undefined;
  if (internetChecksum(icmp, { offset: 0, end: icmp.length }) !== 0) return undefined;
  return { type, code: icmp[1]!, mtu: readU16(icmp, 6), about };
}

/**
 * What the inner packet's sender is told of an error about the outer one (RFC 2003 section 4):
 * trouble on the way or at the peer is the tunnel's own business and looks like an unreachable
 * host. Undefined: nothing. Fragmentation needed has its own way, since the MTU changes with it.
 */
export function relayedCode(error: ReceivedError): number | undefined {
  switch (error.type) {
    case icmpType.timeExceeded:
      return unreachableCode.host;
    case icmpType.unreachable:
      switch (error.code) {
        case unreachableCode.port:
        case unreachableCode.fragmentationNeeded:
        case unreachableCode.sourceRouteFailed:
          return undefined;
        case unreachableCode.network:
          return unreachableCode.network;
        default:
          return unreachableCode.host;
      }
    default:
      return undefined;
  }
}
