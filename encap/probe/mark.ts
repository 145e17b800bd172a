/**
 * The mark of a probe packet: its last 16 bytes, whatever is in front of it.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     |                                                               |
 *     +                Session (12 bytes, random)                     +
 *     |                                                               |
 *     +-------------------------------+-------------------------------+
 *     |             Train             |           Sequence            |
 *     +-------------------------------+-------------------------------+
 *
 * Encapsulation only ever adds in front, so the same bytes end the bare packet, the one in IP-in-IP
 * and the frame in VXLAN: whoever looks at a device recognises the packet without parsing it, also
 * where its headers are not what they should be. The packet is longer than the smallest Ethernet
 * frame, so no padding follows it.
 */
import type { Address } from '../address.js';
import { readU16, writeU16 } from '../wire/bytes.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../wire/ipv4.js';
import { encodeIpv6, ipv6HeaderBytes } from '../wire/ipv6.js';
import { ipProtocol } from '../wire/protocol.js';
import { encodeUdp, udpHeaderBytes } from '../wire/udp.js';

export const sessionBytes = 12;
export const markBytes = 16;
/** Sequence numbers of one train; they are counted once each. */
export const maxTrainPackets = 32;

/** IEEE 802.3: 60 bytes without check sequence; shorter frames are padded. */
const ethernetMinFrameBytes = 60;

export interface Mark {
  readonly session: Uint8Array;
  /** Which of the session's trains of packets. */
  readonly train: number;
  readonly sequence: number;
}

export function encodeMark(bytes: Uint8Array, offset: number, mark: Mark): void {
  bytes.set(mark.session, offset);
  writeU16(bytes, offset + 12, mark.train);
  writeU16(bytes, offset + 14, mark.sequence);
}

/** The last 16 bytes read as a mark; undefined when there are fewer. */
export function decodeMark(bytes: Uint8Array): Mark | undefined {
  const offset = bytes.length - markBytes;
  if (offset < 0) return undefined;
  return {
    session: bytes.subarray(offset, offset + sessionBytes),
    train: readU16(bytes, offset + 12),
    sequence: readU16(bytes, offset + 14),
  };
}

/** UDP payload of a marked packet of that many bytes in all. */
export function markedPayload(mark: Mark, payloadBytes: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(payloadBytes, markedPayloadMinBytes));
  encodeMark(bytes, bytes.length - markBytes, mark);
  return bytes;
}

const markedPayloadMinBytes = ethernetMinFrameBytes - ipv4MinHeaderBytes;

/** IP and UDP headers of a marked packet. */
export function markedOverheadBytes(family: 4 | 6): number {
  return (family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes) + udpHeaderBytes;
}

/** Of the smallest marked packet, IP header included. */
export function markedMinBytes(family: 4 | 6): number {
  return markedOverheadBytes(family) + markedPayloadMinBytes;
}

export interface MarkedPacket {
  readonly source: Address;
  readonly destination: Address;
  readonly port: number;
  readonly payload: Uint8Array;
  /** Bytes that are left free in front of it, for outer headers. */
  readonly headroom: number;
}

/** A whole UDP packet from and to the probe port, as the kernel would make it of the payload. */
export function encodeMarkedPacket(packet: MarkedPacket): Uint8Array {
  const { source, destination, port, payload, headroom } = packet;
  const { family } = source;
  const ip = family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
  const bytes = new Uint8Array(headroom + ip + udpHeaderBytes + payload.length);
  const common = { source, destination, payloadLength: udpHeaderBytes + payload.length };
  const protocol = ipProtocol.udp;
  if (family === 4) encodeIpv4(bytes, headroom, { ...common, protocol, ttl: 64 });
  else encodeIpv6(bytes, headroom, { ...common, nextHeader: protocol, hopLimit: 64 });
  bytes.set(payload, headroom + ip + udpHeaderBytes);
  encodeUdp(bytes, headroom + ip, {
    sourcePort: port,
    destinationPort: port,
    payloadLength: payload.length,
    checksumFor: { source, destination },
  });
  return bytes;
}
