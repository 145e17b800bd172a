/**
 * Packets of every carriage, written by our own encoders: the golden ones, and what properties are
 * tried on.
 */
import { parseAddress } from '../../encap/address.js';
import { encapsulateIpip } from '../../encap/ipip/header.js';
import { encapsulateVxlan } from '../../encap/vxlan/header.js';
import type { Ecn } from '../../encap/wire/ecn.js';
import { encodeEthernet } from '../../encap/wire/ethernet.js';
import { encodeIpv4 } from '../../encap/wire/ipv4.js';
import { encodeIpv6 } from '../../encap/wire/ipv6.js';
import { ipProtocol } from '../../encap/wire/protocol.js';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const node1 = { 4: parseAddress('192.0.2.1'), 6: parseAddress('2001:db8::1') };
export const node2 = { 4: parseAddress('198.51.100.2'), 6: parseAddress('2001:db8:2::2') };
export const pod1 = { 4: parseAddress('10.1.1.2'), 6: parseAddress('fd00:1::2') };
export const pod2 = { 4: parseAddress('10.1.2.3'), 6: parseAddress('fd00:2::3') };
export const headroom = 96;

/** An echo request of the family between two workloads, with room for outer headers before it. */
export function innerPacket(family: 4 | 6, ecn: Ecn = 2): Uint8Array {
  const payload = Buffer.from('selvage!');
  const bytes = new Uint8Array(headroom + (family === 4 ? 20 : 40) + 8 + payload.length);
  const ends = { source: pod1[family], destination: pod2[family] };
  const payloadLength = 8 + payload.length;
  const at =
    family === 4
      ? headroom +
        encodeIpv4(bytes, headroom, {
          ...ends,
          payloadLength,
          protocol: ipProtocol.icmp,
          ttl: 63,
          dscp: 46,
          ecn,
          identification: 0xbeef,
        })
      : headroom +
        encodeIpv6(bytes, headroom, {
          ...ends,
          payloadLength,
          nextHeader: ipProtocol.icmpv6,
          hopLimit: 61,
          dscp: 10,
          ecn,
          flowLabel: 0xabcde,
        });
  bytes.set([family === 4 ? 8 : 128, 0, 0, 0, 0x12, 0x34, 0, 7], at);
  bytes.set(payload, at + 8);
  return bytes;
}

export function ipipPacket(outer: 4 | 6, inner: 4 | 6): Uint8Array {
  const bytes = innerPacket(inner);
  const ends = { source: node1[outer], destination: node2[outer] };
  const range = { innerOffset: headroom, innerEnd: bytes.length };
  const result = encapsulateIpip(bytes, { ...range, ...ends, ttl: 64 });
  if (!result.ok) throw new Error(result.problem.message);
  return bytes.subarray(result.offset, result.end);
}

export function vxlanPacket(outer: 4 | 6, inner: 4 | 6): Uint8Array {
  const bytes = innerPacket(inner);
  const frameOffset = headroom - 14;
  encodeEthernet(bytes, frameOffset, {
    destination: '02:00:00:00:00:02',
    source: '02:00:00:00:00:01',
    etherType: inner === 4 ? 0x0800 : 0x86dd,
  });
  const offset = encapsulateVxlan(bytes, {
    frameOffset,
    frameEnd: bytes.length,
    vni: 0xabcdef,
    source: node1[outer],
    destination: node2[outer],
    sourcePort: 50123,
    destinationPort: 4789,
    ttl: 64,
  });
  return bytes.subarray(offset);
}

export const families = [4, 6] as const;
export const pairs = families.flatMap((outer) => families.map((inner) => ({ outer, inner })));
export const packets = [
  ...families.map((family) => ({
    name: `native ${family}`,
    carriage: { mode: 'native', outer: family, inner: family },
    bytes: innerPacket(family).subarray(headroom),
  })),
  ...pairs.map(({ outer, inner }) => ({
    name: `ipip ${inner} in ${outer}`,
    carriage: { mode: 'ipip', outer, inner },
    bytes: ipipPacket(outer, inner),
  })),
  ...pairs.map(({ outer, inner }) => ({
    name: `vxlan ${inner} over ${outer}`,
    carriage: { mode: 'vxlan', outer, inner },
    bytes: vxlanPacket(outer, inner),
  })),
];
