/**
 * The question which MAC an address of the segment has, and the answers to it: ARP for IPv4, neighbour
 * discovery for IPv6, each as a whole Ethernet frame.
 *
 * ARP for IPv4 over Ethernet, RFC 826:
 *
 *     | hardware 1 (2) | protocol 0x0800 (2) | 6 (1) | 4 (1) | operation (2) |
 *     | sender MAC (6) | sender address (4) | target MAC (6) | target address (4) |
 *
 * A neighbour solicitation (135) and advertisement (136), RFC 4861 sections 4.3 and 4.4, behind an IPv6
 * header with hop limit 255:
 *
 *     | type (1) | code 0 (1) | checksum (2) | flags (4) | target (16) | options: type (1), length in 8s (1), MAC (6) |
 *
 * Without a sender the question is a probe for an address of one's own: RFC 5227 section 2.1.1, RFC 4862
 * section 5.4.2. It leaves no trace in anybody's tables.
 */
import type { Address } from '../address.js';
import { addressFromBytes, parseAddress } from '../address.js';
import { readU16, writeU16 } from './bytes.js';
import { internetChecksum, pseudoHeaderSum } from './checksum.js';
import { decodeEthernet, encodeEthernet, ethernetHeaderBytes } from './ethernet.js';
import { macFromBytes, macToBytes } from './ethernet.js';
import { encodeIpv6, ipv6HeaderBytes } from './ipv6.js';
import { etherType, ipProtocol } from './protocol.js';

export interface WhoHas {
  /** Of the device that asks. */
  readonly mac: string;
  /** Undefined for a probe. */
  readonly sender: Address | undefined;
  readonly target: Address;
}

const arpBytes = 28;
const arpRequest = 1;
const arpReply = 2;
const broadcast = 'ff:ff:ff:ff:ff:ff';
/** Type, code, checksum, flags and target. */
const solicitationBytes = 24;
const linkAddressOptionBytes = 8;
const solicitationType = 135;
export const advertisementType = 136;
const sourceLinkAddress = 1;
const targetLinkAddress = 2;
/** Beyond a router it would be less: RFC 4861 section 7.1. */
const hopLimit = 255;

/** Both ends of one family. */
export function encodeWhoHas(question: WhoHas): Uint8Array {
  return question.target.family === 4 ? arpFrame(question) : solicitationFrame(question);
}

/** The MAC that a frame gives to the target, if it is an answer about it. */
export function whoHasAnswer(frame: Uint8Array, target: Address): string | undefined {
  const ethernet = decodeEthernet(frame);
  if (!ethernet.ok) return undefined;
  const body = frame.subarray(ethernet.payloadOffset);
  return target.family === 4
    ? ethernet.header.etherType === etherType.arp
      ? macOfReply(body, target)
      : undefined
    : ethernet.header.etherType === etherType.ipv6
      ? macOfAdvertisement(body, { target, from: ethernet.header.source })
      : undefined;
}

function arpFrame({ mac, sender, target }: WhoHas): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + arpBytes);
  encodeEthernet(frame, 0, { destination: broadcast, source: mac, etherType: etherType.arp });
  const at = ethernetHeaderBytes;
  writeU16(frame, at, 1);
  writeU16(frame, at + 2, etherType.ipv4);
  frame[at + 4] = 6;
  frame[at + 5] = 4;
  writeU16(frame, at + 6, arpRequest);
  frame.set(macToBytes(mac), at + 8);
  if (sender !== undefined) frame.set(sender.bytes, at + 14);
  frame.set(target.bytes, at + 24);
  return frame;
}

function solicitationFrame({ mac, sender, target }: WhoHas): Uint8Array {
  const icmpBytes = solicitationBytes + (sender === undefined ? 0 : linkAddressOptionBytes);
  const frame = new Uint8Array(ethernetHeaderBytes + ipv6HeaderBytes + icmpBytes);
  const low = target.bytes.subarray(13);
  encodeEthernet(frame, 0, {
    destination: macFromBytes(Uint8Array.of(0x33, 0x33, 0xff, ...low)),
    source: mac,
    etherType: etherType.ipv6,
  });
  // The solicited-node multicast address: RFC 4291 section 2.7.1.
  const group = Uint8Array.from(parseAddress('ff02::1:ff00:0').bytes);
  group.set(low, 13);
  const ends = { source: sender ?? parseAddress('::'), destination: addressFromBytes(group) };
  encodeIpv6(frame, ethernetHeaderBytes, {
    ...ends,
    nextHeader: ipProtocol.icmpv6,
    hopLimit,
    payloadLength: icmpBytes,
  });
  const offset = ethernetHeaderBytes + ipv6HeaderBytes;
  frame[offset] = solicitationType;
  frame.set(target.bytes, offset + 8);
  if (sender !== undefined) {
    frame[offset + solicitationBytes] = sourceLinkAddress;
    frame[offset + solicitationBytes + 1] = 1;
    frame.set(macToBytes(mac), offset + solicitationBytes + 2);
  }
  const pseudo = { ...ends, protocol: ipProtocol.icmpv6, lengthBytes: icmpBytes };
  const initial = pseudoHeaderSum(pseudo);
  writeU16(frame, offset + 2, internetChecksum(frame, { offset, end: frame.length, initial }));
  return frame;
}

function macOfReply(arp: Uint8Array, target: Address): string | undefined {
  if (arp.length < arpBytes || readU16(arp, 0) !== 1 || readU16(arp, 2) !== etherType.ipv4)
    return undefined;
  const isAnswer = readU16(arp, 6) === arpReply && startsWith(arp.subarray(14), target.bytes);
  return isAnswer ? macFromBytes(arp.subarray(8, 14)) : undefined;
}

function macOfAdvertisement(
  packet: Uint8Array,
  of: { readonly target: Address; readonly from: string },
): string | undefined {
  const icmp = packet.subarray(ipv6HeaderBytes);
  if (icmp.length < solicitationBytes || packet[6] !== ipProtocol.icmpv6) return undefined;
  if (packet[7] !== hopLimit || icmp[0] !== advertisementType) return undefined;
  if (!startsWith(icmp.subarray(8), of.target.bytes)) return undefined;
  for (let at = solicitationBytes; at + linkAddressOptionBytes <= icmp.length;) {
    if (icmp[at] === targetLinkAddress) return macFromBytes(icmp.subarray(at + 2, at + 8));
    const bytes = icmp[at + 1]! * 8;
    if (bytes === 0) return undefined;
    at += bytes;
  }
  return of.from;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}
