/**
 * Sizes of packets, with a type for each kind so that a device's MTU is never taken for a path's,
 * and the overhead of each carriage item by item (never a bare "- 20").
 */
import type { Carriage } from './mode.js';

/** Largest IP packet in bytes that crosses the underlay between two nodes. */
export type PathMtu = number & { readonly kind: 'path' };
/** Largest inner IP packet in bytes that fits a path once encapsulated. */
export type InnerMtu = number & { readonly kind: 'inner' };

export interface OverheadItem {
  readonly header: string;
  readonly bytes: number;
}

/** RFC 8200 section 5: a link below this carries no IPv6. */
export const minimumIpv6Mtu = 1280;
/** RFC 791: what every IPv4 link carries unfragmented. */
export const minimumIpv4Mtu = 68;
export const ipv4HeaderBytes = 20;
export const ipv6HeaderBytes = 40;
export const udpHeaderBytes = 8;
export const vxlanHeaderBytes = 8;
export const ethernetHeaderBytes = 14;
export const tcpHeaderBytes = 20;

const outerIpv4: OverheadItem = { header: 'outer IPv4', bytes: ipv4HeaderBytes };
const outerIpv6: OverheadItem = { header: 'outer IPv6', bytes: ipv6HeaderBytes };
const vxlanItems: readonly OverheadItem[] = [
  { header: 'UDP', bytes: udpHeaderBytes },
  { header: 'VXLAN', bytes: vxlanHeaderBytes },
  { header: 'inner Ethernet', bytes: ethernetHeaderBytes },
];
const ledgers = {
  native: { 4: [], 6: [] },
  ipip: { 4: [outerIpv4], 6: [outerIpv6] },
  vxlan: { 4: [outerIpv4, ...vxlanItems], 6: [outerIpv6, ...vxlanItems] },
} as const satisfies Record<string, Record<4 | 6, readonly OverheadItem[]>>;

/** The headers that a carriage puts before the inner IP packet, outermost first. */
export function overheadItems(carriage: Pick<Carriage, 'mode' | 'outer'>): readonly OverheadItem[] {
  return ledgers[carriage.mode][carriage.outer];
}

export function overheadBytes(carriage: Pick<Carriage, 'mode' | 'outer'>): number {
  let bytes = 0;
  for (const item of overheadItems(carriage)) bytes += item.bytes;
  return bytes;
}

export function innerMtu(path: PathMtu, carriage: Pick<Carriage, 'mode' | 'outer'>): InnerMtu {
  return (path - overheadBytes(carriage)) as InnerMtu;
}

/** Largest TCP segment (RFC 9293 section 3.7.1) in an inner packet without IP or TCP options. */
export function tcpMss(mtu: InnerMtu, inner: 4 | 6): number {
  return mtu - (inner === 4 ? ipv4HeaderBytes : ipv6HeaderBytes) - tcpHeaderBytes;
}
