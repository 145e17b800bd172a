/**
 * Which addresses the lab gives to what the cluster file does not name: gateways of subnets, and
 * the workload behind each node.
 */
import { type Address, type Family, offsetAddress, parseAddress } from '../../encap/address.js';
import type { ClusterNode } from '../../encap/cluster.js';
import { type Prefix, firstAddress, lastAddress, prefixContains } from '../../encap/prefix.js';

export interface WorkloadAddress {
  readonly family: Family;
  readonly address: Address;
  /** The node's address on `wl0`. */
  readonly gateway: Address;
}

/** Gateways of subnets that have no room for one. */
const linkLocalGateways = { 4: parseAddress('169.254.1.1'), 6: parseAddress('fe80::1') } as const;

/** How many addresses of a subnet are tried for its gateway. */
const gatewayCandidates = 4096n;

/**
 * The first address of the subnet, or the next one that no node has. A subnet of one or two
 * addresses (a /32 NIC that nobody declared a subnet for) gets a link-local gateway.
 */
export function gatewayOf(subnet: Prefix, taken: readonly Address[]): Address {
  const used = new Set(taken.map((address) => address.text));
  const last = lastAddress(subnet);
  for (let offset = 1n; offset < gatewayCandidates; offset++) {
    const candidate = offsetAddress(firstAddress(subnet), offset);
    if (candidate === undefined || !prefixContains(subnet, candidate)) break;
    if (candidate.text === last.text) break; // the broadcast address, in IPv4
    if (!used.has(candidate.text)) return candidate;
  }
  return linkLocalGateways[subnet.family];
}

/**
 * One workload address a family: the node keeps the first address of its prefix for its tunnels,
 * the second is the workload's gateway, the third the workload.
 */
export function workloadPairs(node: ClusterNode): {
  readonly pairs: readonly WorkloadAddress[];
  readonly notes: readonly string[];
} {
  const pairs: WorkloadAddress[] = [];
  const notes: string[] = [];
  for (const family of [4, 6] as const) {
    const owned = node.overlay.filter((prefix) => prefix.family === family);
    const pair = owned.map((prefix) => workloadPair(prefix, family)).find((found) => found);
    if (pair !== undefined) pairs.push(pair);
    else if (owned.length > 0)
      notes.push(
        `no IPv${family} workload: ${owned.map((prefix) => prefix.text).join(', ')} has fewer ` +
          'than three addresses',
      );
  }
  return { pairs, notes };
}

function workloadPair(prefix: Prefix, family: Family): WorkloadAddress | undefined {
  const gateway = offsetAddress(firstAddress(prefix), 1n);
  const address = offsetAddress(firstAddress(prefix), 2n);
  if (gateway === undefined || address === undefined || !prefixContains(prefix, address))
    return undefined;
  return { family, address, gateway };
}
