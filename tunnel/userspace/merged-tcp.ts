/**
 * TCP packets as a raw socket may get them and a TUN device must not.
 *
 * A NIC with generic receive offload merges neighbouring TCP segments even inside IP-in-IP, before
 * the raw socket sees them: one packet of up to 64 KB, in whose checksum field stands only the sum
 * of the pseudo-header, since the kernel's own stack would not look at it again. Written
 * to the TUN device as it is, such a packet is dropped by whoever gets it.
 *
 * So the checksum is completed, and what exceeds the path's MTU is cut into segments again. TCP is
 * a stream: any cut is right as long as sequence numbers, flags and checksums are (RFC 9293).
 */
import { readU16, writeU16 } from '../../encap/wire/bytes.js';
import { internetChecksum, onesComplementSum } from '../../encap/wire/checksum.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import {
  field,
  flagMoreFragments,
  fragmentOffsetMask,
  headerLength,
  readU32,
  sealHeader,
  writeU32,
} from './packet.js';

const tcp = { sequence: 4, dataOffset: 12, flags: 13, checksum: 16, headerBytes: 20 } as const;
const flagFin = 0x01;
const flagPush = 0x08;
const flagCwr = 0x80;
const flagSynRstUrg = 0x02 | 0x04 | 0x20;

/** Where the TCP header starts; undefined for anything that is not a whole TCP packet. */
function tcpStart(packet: Uint8Array): number | undefined {
  if (packet[field.protocol] !== ipProtocol.tcp) return undefined;
  if ((readU16(packet, field.flagsAndOffset) & (flagMoreFragments | fragmentOffsetMask)) !== 0)
    return undefined;
  const start = headerLength(packet);
  return packet.length >= start + tcp.headerBytes ? start : undefined;
}

/** Source, destination, protocol and length, summed (RFC 9293 section 3.1). */
function pseudoHeaderSum(packet: Uint8Array, start: number): number {
  return onesComplementSum(packet, {
    offset: field.source,
    end: field.source + 8,
    initial: ipProtocol.tcp + packet.length - start,
  });
}

/** Computes the checksum where only its first half is there; true when it was. */
export function completeTcpChecksum(packet: Uint8Array): boolean {
  const start = tcpStart(packet);
  if (start === undefined) return false;
  // A whole checksum has this value once in 65,536 packets, and completing it then changes nothing.
  if (readU16(packet, start + tcp.checksum) !== pseudoHeaderSum(packet, start)) return false;
  const checksum = internetChecksum(packet, { offset: start, end: packet.length });
  writeU16(packet, start + tcp.checksum, checksum);
  return true;
}

/** Cuts a packet that exceeds the MTU and can only be a merged one; others come back as they are. */
export function unmergeTcp(packet: Uint8Array, mtu: number): readonly Uint8Array[] {
  if (packet.length <= mtu) return [packet];
  const start = tcpStart(packet);
  if (start === undefined) return [packet];
  const headers = start + (packet[start + tcp.dataOffset]! >> 4) * 4;
  const flags = packet[start + tcp.flags]!;
  const room = mtu - headers;
  // Nothing merges segments with these flags; such a packet was really sent so.
  if (headers < start + tcp.headerBytes || headers >= packet.length || room < 1) return [packet];
  if ((flags & flagSynRstUrg) !== 0) return [packet];

  const sequence = readU32(packet, start + tcp.sequence);
  const id = readU16(packet, field.id);
  const segments: Uint8Array[] = [];
  for (let at = headers; at < packet.length; at += room) {
    const data = packet.subarray(at, Math.min(at + room, packet.length));
    const segment = new Uint8Array(headers + data.length);
    segment.set(packet.subarray(0, headers));
    segment.set(data, headers);
    writeU16(segment, field.totalLength, segment.length);
    writeU16(segment, field.id, (id + segments.length) & 0xffff);
    sealHeader(segment);
    writeU32(segment, start + tcp.sequence, (sequence + at - headers) >>> 0);
    // What ends the data stays with its last segment, "window reduced" with its first.
    const notLast = at + room < packet.length ? flagFin | flagPush : 0;
    segment[start + tcp.flags] = flags & ~notLast & ~(at > headers ? flagCwr : 0);
    writeU16(segment, start + tcp.checksum, 0);
    const checksum = internetChecksum(segment, {
      offset: start,
      end: segment.length,
      initial: pseudoHeaderSum(segment, start),
    });
    writeU16(segment, start + tcp.checksum, checksum);
    segments.push(segment);
  }
  return segments;
}
