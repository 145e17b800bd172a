/**
 * Names that both ends of a tunnel derive alike, without asking each other: a node's VTEP MAC, the
 * IPv6 link-local address that its kernel makes from it, and its tunnel address.
 */
import { createHash } from 'node:crypto';
import type { Address, Family } from '../encap/address.js';
import { addressFromBytes } from '../encap/address.js';
import type { ClusterNode } from '../encap/cluster.js';
import { firstAddress } from '../encap/prefix.js';

/** MACs already derived, by cluster and node: every pass asks for those of all peers. */
const derived = new Map<string, Map<string, string>>();
const derivedMax = 200_000;
const clustersMax = 8;

/** 02 (locally administered, unicast) and the first five bytes of a hash of cluster and node. */
export function vtepMac(cluster: string, node: string): string {
  let known = derived.get(cluster);
  if (known === undefined || known.size >= derivedMax) {
    if (derived.size >= clustersMax) derived.clear();
    derived.set(cluster, (known = new Map<string, string>()));
  }
  let mac = known.get(node);
  if (mac === undefined) {
    const digest = createHash('sha256').update(`selvage/1/${cluster}/${node}`).digest('hex');
    mac = ['02', ...digest.slice(0, 10).match(/../g)!].join(':');
    known.set(node, mac);
  }
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
