/**
 * ICMP echo, RFC 792 and RFC 4443 section 4.1, as a whole IP packet of a wanted size:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+---------------+-------------------------------+
 *     | Type 8 / 128  |    Code 0     |           Checksum            |
 *     +---------------+---------------+-------------------------------+
 *     |          Identifier           |        Sequence Number        |
 *     +-------------------------------+-------------------------------+
 *     |    Token (8 bytes): tells our packets from any others         |
 *     +---------------------------------------------------------------+
 *     |    zeros up to the size                                       |
 *
 * The answer brings the token back; an error quotes at least the first eight bytes of the message,
 * in which identifier and sequence number are.
 */
import { type Address, addressFromBytes, compareBytes } from '../address.js';
import { readU16, writeU16 } from '../wire/bytes.js';
import { internetChecksum, pseudoHeaderSum } from '../wire/checksum.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../wire/ipv4.js';
import { encodeIpv6, ipv6HeaderBytes } from '../wire/ipv6.js';
import { ipProtocol } from '../wire/protocol.js';

export const echoTokenBytes = 8;
const icmpHeaderBytes = 8;

export interface Echo {
  readonly source: Address;
  readonly destination: Address;
  readonly identifier: number;
  readonly sequence: number;
  readonly token: Uint8Array;
  /** Of the whole IP packet; raised to what headers and token need. */
  readonly packetBytes: number;
}

export function echoMinBytes(family: 4 | 6): number {
  return (family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes) + icmpHeaderBytes + echoTokenBytes;
}

/** An echo request that must not be fragmented (IPv6 has no other). */
export function encodeEchoRequest(echo: Echo): Uint8Array {
  const { source, destination } = echo;
  const isV4 = source.family === 4;
  const at = isV4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
  const bytes = new Uint8Array(Math.max(echo.packetBytes, echoMinBytes(source.family)));
  const payloadLength = bytes.length - at;
  const common = { source, destination, payloadLength };
  if (isV4)
    encodeIpv4(bytes, 0, {
      ...common,
      protocol: ipProtocol.icmp,
      ttl: 64,
      dontFragment: true,
    });
  else encodeIpv6(bytes, 0, { ...common, nextHeader: ipProtocol.icmpv6, hopLimit: 64 });
  bytes[at] = isV4 ? 8 : 128;
  writeU16(bytes, at + 4, echo.identifier);
  writeU16(bytes, at + 6, echo.sequence);
  bytes.set(echo.token, at + icmpHeaderBytes);
  const initial = isV4
    ? 0
    : pseudoHeaderSum({
        source,
        destination,
        protocol: ipProtocol.icmpv6,
        lengthBytes: payloadLength,
      });
  writeU16(bytes, at + 2, internetChecksum(bytes, { offset: at, end: bytes.length, initial }));
  return bytes;
}

/** What an ICMP message means to somebody who sent packets. */
export type IcmpNews =
  | {
      readonly kind: 'reply';
      readonly identifier: number;
      readonly sequence: number;
      readonly token: Uint8Array;
    }
  | {
      readonly kind: 'error';
      readonly reason: IcmpReason;
      /** Next-hop MTU of `too-big`; 0 when the router gives none. */
      readonly mtu: number;
      /** Of the packet in question. */
      readonly destination: Address;
      readonly protocol: number;
      /** What is quoted behind its IP header, at least 8 bytes. */
      readonly quoted: Uint8Array;
    };

export type IcmpReason =
  | 'too-big'
  | 'host-unreachable'
  | 'protocol-unreachable'
  | 'port-unreachable'
  | 'prohibited'
  | 'hops-exceeded'
  | 'other';

/** Reads an ICMP message (its bytes from the type on); undefined when it is no news for a sender. */
export function decodeIcmpNews(icmp: Uint8Array, family: 4 | 6): IcmpNews | undefined {
  if (icmp.length < icmpHeaderBytes) return undefined;
  const [type, code] = [icmp[0]!, icmp[1]!];
  if (type === (family === 4 ? 0 : 129)) {
    const token = icmp.subarray(icmpHeaderBytes, icmpHeaderBytes + echoTokenBytes);
    if (token.length < echoTokenBytes) return undefined;
    return {
      kind: 'reply',
      identifier: readU16(icmp, 4),
      sequence: readU16(icmp, 6),
      token,
    };
  }
  const reason = family === 4 ? reasonOfIcmp(type, code) : reasonOfIcmpv6(type, code);
  if (reason === undefined) return undefined;
  const about = family === 4 ? quotedIpv4(icmp) : quotedIpv6(icmp);
  // RFC 1191 section 4: the lower half; RFC 4443 section 3.2: all of the word.
  const mtu = reason === 'too-big' ? readU16(icmp, 6) : 0;
  return about && { kind: 'error', reason, mtu, ...about };
}

type Quoted = Pick<Extract<IcmpNews, { kind: 'error' }>, 'destination' | 'protocol' | 'quoted'>;

/** Without a look at its checksum: routers and translators on the way may have changed the header. */
function quotedIpv4(icmp: Uint8Array): Quoted | undefined {
  const about = icmp.subarray(icmpHeaderBytes);
  const header = (about[0]! & 0xf) * 4;
  if (about[0]! >> 4 !== 4 || header < ipv4MinHeaderBytes) return undefined;
  if (about.length < header + icmpHeaderBytes) return undefined;
  const destination = addressFromBytes(about.slice(16, 20));
  return { destination, protocol: about[9]!, quoted: about.subarray(header) };
}

function quotedIpv6(icmp: Uint8Array): Quoted | undefined {
  const about = icmp.subarray(icmpHeaderBytes);
  if (about[0]! >> 4 !== 6 || about.length < ipv6HeaderBytes + icmpHeaderBytes) return undefined;
  const destination = addressFromBytes(about.slice(24, 40));
  return { destination, protocol: about[6]!, quoted: about.subarray(ipv6HeaderBytes) };
}

/** RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1. */
function reasonOfIcmp(type: number, code: number): IcmpReason | undefined {
  if (type === 11) return 'hops-exceeded';
  if (type !== 3) return undefined;
  switch (code) {
    case 0:
    case 1:
      return 'host-unreachable';
    case 2:
      return 'protocol-unreachable';
    case 3:
      return 'port-unreachable';
    case 4:
      return 'too-big';
    case 9:
    case 10:
    case 13:
      return 'prohibited';
    default:
      return 'other';
  }
}

/** RFC 4443 section 3. An unknown next header is a parameter problem there (code 1). */
function reasonOfIcmpv6(type: number, code: number): IcmpReason | undefined {
  switch (type) {
    case 1:
      if (code === 1 || code >= 5) return 'prohibited';
      return code === 4 ? 'port-unreachable' : 'host-unreachable';
    case 2:
      return 'too-big';
    case 3:
      return 'hops-exceeded';
    case 4:
      return code === 1 ? 'protocol-unreachable' : 'other';
    default:
      return undefined;
  }
}

/** Is this error about the echo request with these numbers? */
export function isAbout(
  news: Extract<IcmpNews, { kind: 'error' }>,
  echo: Pick<Echo, 'destination' | 'identifier' | 'sequence'>,
): boolean {
  return (
    compareBytes(news.destination.bytes, echo.destination.bytes) === 0 &&
    (news.protocol === ipProtocol.icmp || news.protocol === ipProtocol.icmpv6) &&
    readU16(news.quoted, 4) === echo.identifier &&
    readU16(news.quoted, 6) === echo.sequence
  );
}
