/**
 * The bytes of one packet of the pair, made by the very encoders that the data plane uses: an echo
 * request of the node itself to the destination that was asked for, in all its headers.
 */
import type { Address } from '../encap/address.js';
import { encapsulateIpip } from '../encap/ipip/header.js';
import { internetChecksum, pseudoHeaderSum } from '../encap/wire/checksum.js';
import { encodeEthernet, ethernetHeaderBytes } from '../encap/wire/ethernet.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../encap/wire/ipv4.js';
import { encodeIpv6, ipv6HeaderBytes } from '../encap/wire/ipv6.js';
import { etherType } from '../encap/wire/protocol.js';
import { udpHeaderBytes } from '../encap/wire/udp.js';
import { encapsulateVxlan, vxlanHeaderBytes } from '../encap/vxlan/header.js';
import type { Verdict } from '../encap/trail.js';
import { outerTtl } from './desired.js';

export interface HexInput {
  readonly verdict: Extract<Verdict, { readonly kind: 'forward' }>;
  readonly source: Address;
  readonly destination: Address;
  readonly vxlan: { readonly vni: number; readonly port: number };
  /** Of the VXLAN devices of sender and owner. */
  readonly macs: { readonly source: string; readonly destination: string };
}

/** IANA: ICMP, ICMPv6. RFC 792 and RFC 4443 section 4.1: types of an echo request. */
const icmp = { 4: { protocol: 1, type: 8 }, 6: { protocol: 58, type: 128 } } as const;
const icmpBytes = 8;
/** What a node's own packets begin with: net.ipv4.ip_default_ttl. */
const innerTtl = 64;
/** The lowest of net.ipv4.ip_local_port_range: the flow's hash picks one from there. */
const exampleSourcePort = 32768;
/** Outer IPv6, UDP, VXLAN and Ethernet: nothing has more in front. */
const headroomBytes = ipv6HeaderBytes + udpHeaderBytes + vxlanHeaderBytes + ethernetHeaderBytes;

/** Hexadecimal of each header, outermost first; the inner packet is the last. */
export function headerBytes(input: HexInput): readonly string[] {
  const { verdict, source, destination } = input;
  const { carriage, ends } = verdict;
  const ipBytes = source.family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
  const bytes = new Uint8Array(headroomBytes + ipBytes + icmpBytes);
  const at = headroomBytes;
  const end = bytes.length;
  writeEcho(bytes, at + ipBytes, { source, destination });
  const { protocol } = icmp[source.family];
  if (source.family === 4)
    encodeIpv4(bytes, at, {
      source,
      destination,
      protocol,
      ttl: innerTtl,
      dontFragment: true,
      payloadLength: icmpBytes,
    });
  else
    encodeIpv6(bytes, at, {
      source,
      destination,
      nextHeader: protocol,
      hopLimit: innerTtl,
      payloadLength: icmpBytes,
    });
  const hex = (from: number, to: number): string =>
    Buffer.from(bytes.subarray(from, to)).toString('hex');
  const inner = hex(at, end);
  if (ends === undefined || carriage.mode === 'native') return [inner];
  const outerBytes = ends.family === 4 ? ipv4MinHeaderBytes : ipv6HeaderBytes;
  const outer = { source: ends.local, destination: ends.remote, ttl: outerTtl };
  if (carriage.mode === 'ipip') {
    const result = encapsulateIpip(bytes, { ...outer, innerOffset: at, innerEnd: end });
    return result.ok ? [hex(result.offset, at), inner] : [];
  }
  const frameOffset = at - ethernetHeaderBytes;
  encodeEthernet(bytes, frameOffset, {
    ...input.macs,
    etherType: source.family === 4 ? etherType.ipv4 : etherType.ipv6,
  });
  const start = encapsulateVxlan(bytes, {
    ...outer,
    frameOffset,
    frameEnd: end,
    vni: input.vxlan.vni,
    sourcePort: exampleSourcePort,
    destinationPort: input.vxlan.port,
  });
  const udp = start + outerBytes;
  const vxlan = udp + udpHeaderBytes;
  return [hex(start, udp), hex(udp, vxlan), hex(vxlan, frameOffset), hex(frameOffset, at), inner];
}

function writeEcho(
  bytes: Uint8Array,
  offset: number,
  ends: { readonly source: Address; readonly destination: Address },
): void {
  const { type, protocol } = icmp[ends.source.family];
  bytes[offset] = type;
  // Identifier and sequence 1.
  bytes[offset + 5] = 1;
  bytes[offset + 7] = 1;
  const end = offset + icmpBytes;
  const initial =
    ends.source.family === 6 ? pseudoHeaderSum({ ...ends, protocol, lengthBytes: icmpBytes }) : 0;
  const checksum = internetChecksum(bytes, { offset, end, initial });
  bytes[offset + 2] = checksum >>> 8;
  bytes[offset + 3] = checksum & 0xff;
}
