/**
 * Packets of a way that is not in use, made by hand: would it pass? The inner packet is what this
 * node could send: from its tunnel address to the peer's, so that a guard at the other end that
 * expects the way lets it in. It is handed to the kernel with the headers around it, and leaves by
 * the kernel's route to the peer's underlay address; no rule, route or device is changed for it.
 *
 *     ipip     outer IP, then the inner packet
 *     vxlan    outer IP, UDP, VXLAN, an Ethernet frame to the peer's VTEP, then the inner packet
 *     native   the inner packet as it is, routed as if it were for the peer's underlay address
 */
import type { Address, Family } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { encapsulateIpip } from '../../encap/ipip/header.js';
import type { Mode } from '../../encap/mode.js';
import {
  type Mark,
  encodeMarkedPacket,
  markedOverheadBytes,
  markedPayload,
} from '../../encap/probe/mark.js';
import { encapsulateVxlan } from '../../encap/vxlan/header.js';
import { encodeEthernet, ethernetHeaderBytes } from '../../encap/wire/ethernet.js';
import { etherType } from '../../encap/wire/protocol.js';
import { vtepMac } from '../../routes/vtep.js';

/** Outer IPv6, UDP, VXLAN and Ethernet headers, and some. */
const headroomBytes = 96;
/** RFC 7348 section 5: source ports come from here. */
const sourcePort = 49_152;
const hopLimit = 64;

export interface CraftedPacket {
  readonly cluster: Cluster;
  readonly self: string;
  readonly peer: string;
  readonly mode: Mode;
  /** Tunnel addresses, of the inner family. */
  readonly inner: { readonly source: Address; readonly destination: Address };
  /** Underlay addresses, of the outer family. */
  readonly outer: { readonly source: Address; readonly destination: Address };
  readonly port: number;
  readonly mark: Mark;
  /** The whole inner packet; the smallest that carries a mark by default. */
  readonly packetBytes?: number;
}

export function craftPacket(packet: CraftedPacket): Uint8Array {
  const { cluster, inner, outer } = packet;
  const bytes = encodeMarkedPacket({
    ...inner,
    port: packet.port,
    payload: markedPayload(
      packet.mark,
      (packet.packetBytes ?? 0) - markedOverheadBytes(inner.source.family),
    ),
    headroom: headroomBytes,
  });
  switch (packet.mode) {
    case 'native':
      return bytes.subarray(headroomBytes);
    case 'ipip': {
      const made = encapsulateIpip(bytes, {
        ...outer,
        innerOffset: headroomBytes,
        innerEnd: bytes.length,
        ttl: hopLimit,
      });
      if (!made.ok) throw new Error(`cannot make an IP-in-IP packet: ${made.problem.message}`);
      return bytes.subarray(made.offset, made.end);
    }
    case 'vxlan': {
      const frameOffset = headroomBytes - ethernetHeaderBytes;
      encodeEthernet(bytes, frameOffset, {
        destination: vtepMac(cluster.name, packet.peer),
        source: vtepMac(cluster.name, packet.self),
        etherType: inner.source.family === 4 ? etherType.ipv4 : etherType.ipv6,
      });
      const offset = encapsulateVxlan(bytes, {
        ...outer,
        frameOffset,
        frameEnd: bytes.length,
        vni: cluster.vxlan.vni,
        sourcePort,
        destinationPort: cluster.vxlan.port,
        ttl: hopLimit,
      });
      return bytes.subarray(offset);
    }
  }
}

/** Where a packet to the peer's underlay address goes next. */
export interface NextHopMacs {
  readonly device: string;
  readonly source: string;
  readonly destination: string;
}

/** The packet in an Ethernet frame to the next hop. */
export function framed(packet: Uint8Array, macs: NextHopMacs): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + packet.length);
  const isV4 = packet[0]! >> 4 === 4;
  encodeEthernet(frame, 0, { ...macs, etherType: isV4 ? etherType.ipv4 : etherType.ipv6 });
  frame.set(packet, ethernetHeaderBytes);
  return frame;
}

/** Native packets have no outer header: theirs are of the inner family. */
export function outerFamilyOf(
  way: { readonly mode: Mode; readonly outerFamily: Family },
  inner: Family,
): Family {
  return way.mode === 'native' ? inner : way.outerFamily;
}
