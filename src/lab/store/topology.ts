/**
 * The network of a lab's store: three members in namespaces of their own, and a switch that every
 * node has a second cable to, as clusters have a management network.
 *
 *     [store 1] eth0 ─ m1 ┐          ┌ n0 ─ mgmt0 [node 0]
 *     [store 2] eth0 ─ m2 ┤ [switch] ├ n1 ─ mgmt0 [node 1]
 *     [store 3] eth0 ─ m3 ┘          └ …
 *
 * Its addresses are of 198.18.0.0/15, which RFC 2544 sets aside for test networks, so no cluster
 * file of a user has them. Nothing of the overlay crosses it.
 */
import type { NodePlan } from '../plan.js';
import { namespaceName } from '../names.js';
import type { Topology } from '../topology.js';

export interface StoreMember {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
}

const memberNumbers = [1, 2, 3] as const;
const prefixLength = 15;

export const clientPort = 2379;
export const peerPort = 2380;

export function storeMembers(lab: string): readonly StoreMember[] {
  return memberNumbers.map((number) => ({
    name: `store${number}`,
    namespace: namespaceName(lab, 'store', String(number)),
    address: `198.18.0.${number}`,
  }));
}

/** By the order of the nodes in the cluster. */
export function managementAddress(index: number): string {
  return `198.18.${1 + (index >> 8)}.${index & 255}`;
}

/** The members and the switch; they stand before the nodes do. */
export function storeTopology(lab: string): Topology {
  const members = storeMembers(lab);
  const hub = switchNamespace(lab);
  return {
    namespaces: [
      {
        name: hub,
        sysctls: {},
        lines: [
          'link set lo up',
          'link add switch type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
          'link set switch up',
          ...members.flatMap((_, index) => plugged(`m${index + 1}`)),
        ],
        deviceSysctls: {},
        nftables: undefined,
      },
      ...members.map(({ namespace, address }) => ({
        name: namespace,
        sysctls: {},
        lines: [
          'link set lo up',
          `addr add ${address}/${prefixLength} dev eth0`,
          'link set eth0 up',
        ],
        deviceSysctls: {},
        nftables: undefined,
      })),
    ],
    cables: members.map(
      ({ namespace }, index) =>
        `link add m${index + 1} netns ${hub} type veth peer name eth0 netns ${namespace}`,
    ),
  };
}

/** The nodes' second cables, once the nodes stand: lines run outside, in the switch, and in each node. */
export function managementCables(
  lab: string,
  nodes: readonly NodePlan[],
): {
  readonly cables: readonly string[];
  readonly hub: { readonly namespace: string; readonly lines: readonly string[] };
  readonly ends: readonly { readonly namespace: string; readonly lines: readonly string[] }[];
} {
  const hub = switchNamespace(lab);
  return {
    cables: nodes.map(
      ({ namespace }, index) =>
        `link add n${index} netns ${hub} type veth peer name mgmt0 netns ${namespace}`,
    ),
    hub: { namespace: hub, lines: nodes.flatMap((_, index) => plugged(`n${index}`)) },
    ends: nodes.map(({ namespace }, index) => ({
      namespace,
      lines: [
        `addr add ${managementAddress(index)}/${prefixLength} dev mgmt0`,
        'link set mgmt0 up',
      ],
    })),
  };
}

export function switchNamespace(lab: string): string {
  return namespaceName(lab, 'store', 'net');
}

function plugged(port: string): readonly string[] {
  return [`link set ${port} master switch`, `link set ${port} up`];
}
