/**
 * Names that both ends of a tunnel derive alike, without asking each other: a node's VTEP MAC, the
 * IPv6 link-local address that its kernel makes from it, and its tunnel address.
 */
import { createHash } from 'node:crypto';
import type { Address, Family } from '../encap/address.js';
import { addressFromBytes } from '../encap/address.js';
import type { ClusterNode } from '../encap/cluster.js';
import { firstAddress } from '../encap/prefix.js';

/** MACs already derived: every pass asks for those of all peers. */
const derived = new Map<string, string>();
const derivedMax = 200_000;

/** 02 (locally administered, unicast) and the first five bytes of a hash of cluster and node. */
export function vtepMac(cluster: string, node: string): string {
  const name = `selvage/1/${cluster}/${node}`;
  const known = derived.get(name);
  if (known !== undefined) return known;
  const digest = createHash('sha256').update(name).digest('hex');
  const mac = `02:${digest.slice(0, 10).match(/../g)!.join(':')}`;
  if (derived.size >= derivedMax) derived.clear();
  derived.set(name, mac);
  return mac;
}

/** fe80::/64 and the modified EUI-64 of the MAC (RFC 4291 appendix A). */
export function linkLocalOf(mac: string): Address {
  const bytes = mac.split(':').map((part) => parseInt(part, 16));
  const [a, b, c, d, e, f] = bytes as [number, number, number, number, number, number];
  return addressFromBytes(
    Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f),
  );
}

/** The first address of the node's first overlay prefix of the family: never a workload's. */
export function tunnelAddress(node: ClusterNode, family: Family): Address | undefined {
  const prefix = node.overlay.find((entry) => entry.family === family);
  return prefix === undefined ? undefined : firstAddress(prefix);
}
