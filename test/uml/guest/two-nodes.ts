/**
 * Two nodes on one L2 segment, the same in either direction, made by the product's own port to the
 * kernel:
 *
 *     node a                                      node b
 *     10.1.0.0/32, fd00:1::/128                   10.2.0.0/32, fd00:2::/128     (tunnel addresses)
 *     slip4 slsit4 slip6 slv4a                    slip4 slsit4 slip6 slv4a
 *     eth0 192.0.2.1/24, 2001:db8::1/64 ───────── eth0 192.0.2.2/24, 2001:db8::2/64
 *
 * Each node has every tunnel device up, with an address on it: without one the kernel drops
 * packets whose way back leads through another device, even in loose reverse-path mode.
 */
import { type Address, parseAddress } from '../../../encap/address.js';
import { type Prefix, parsePrefix } from '../../../encap/prefix.js';
import type {
  AddressObject,
  Kernel,
  Op,
  OwnLink,
  RouteObject,
  RouteTarget,
} from '../../../tunnel/kernel.js';
import { openKernel } from '../../../tunnel/real-kernel.js';
import { type Namespace, type Teardown, createNamespace, vethPair } from '../../support/netns.js';

export interface TunnelNode {
  readonly namespace: Namespace;
  readonly kernel: Kernel;
  readonly underlay4: Address;
  readonly underlay6: Address;
  /** Address of every tunnel device, first of `prefix4`. */
  readonly tunnel4: Address;
  readonly tunnel6: Address;
  readonly prefix4: Prefix;
  readonly prefix6: Prefix;
  readonly vxlanMac: string;
  /** What IPv6 next hops of the vxlan device are: the link-local address of that MAC. */
  readonly linkLocal: Address;
  /** Next hop of the sit device: the IPv4-compatible form of `underlay4`. */
  readonly compatible: Address;
}

export const vni = 4242;
export const vxlanPort = 4789;
/** Any number that is nobody's: the objects are not for an agent. */
const protocol = 250;

function makeNode(t: Teardown, digit: 1 | 2): TunnelNode {
  const namespace = createNamespace(t);
  return {
    namespace,
    kernel: openKernel({ netns: namespace.name }),
    underlay4: parseAddress(`192.0.2.${digit}`),
    underlay6: parseAddress(`2001:db8::${digit}`),
    tunnel4: parseAddress(`10.${digit}.0.0`),
    tunnel6: parseAddress(`fd00:${digit}::`),
    prefix4: parsePrefix(`10.${digit}.0.0/24`),
    prefix6: parsePrefix(`fd00:${digit}::/64`),
    vxlanMac: `02:00:00:00:00:0${digit}`,
    linkLocal: parseAddress(`fe80::ff:fe00:${digit}`),
    compatible: parseAddress(`::c000:20${digit}`),
  };
}

function links(own: TunnelNode): readonly OwnLink[] {
  const base = { type: 'link', up: true, ttl: 64, tos: 'inherit' } as const;
  const v4 = { ...base, local: own.underlay4, pmtudisc: true } as const;
  return [
    { ...v4, kind: 'ipip', name: 'slip4', mtu: 1480 },
    { ...v4, kind: 'sit', name: 'slsit4', mtu: 1480 },
    { ...v4, kind: 'ip6tnl', name: 'slip6', mtu: 1460, local: own.underlay6 },
    {
      ...base,
      kind: 'vxlan',
      name: 'slv4a',
      mtu: 1450,
      mac: own.vxlanMac,
      vni,
      port: vxlanPort,
      local: own.underlay4,
      parent: 'eth0',
      learning: false,
      df: 'set',
    },
  ];
}

function receiveSide(own: TunnelNode, peer: TunnelNode): readonly Op[] {
  const device = 'slv4a';
  const mac = peer.vxlanMac;
  const addresses = links(own).flatMap(({ name, kind }): readonly AddressObject[] => {
    const on = { type: 'address', device: name } as const;
    const v4 = { ...on, address: { address: own.tunnel4, length: 32 } };
    return kind === 'ipip' ? [v4] : [v4, { ...on, address: { address: own.tunnel6, length: 128 } }];
  });
  return [
    ...links(own),
    ...addresses,
    { type: 'fdb', device, mac, remote: peer.underlay4 } as const,
    { type: 'neighbour', device, mac, address: peer.tunnel4 } as const,
    { type: 'neighbour', device, mac, address: peer.linkLocal } as const,
  ].map((object): Op => ({ verb: 'set', object }));
}

export async function applyAll(kernel: Kernel, ops: readonly Op[]): Promise<void> {
  for (const { failure } of await kernel.apply(ops))
    if (failure !== undefined) throw new Error(failure.message);
}

export async function twoNodes(
  t: Teardown,
): Promise<{ readonly a: TunnelNode; readonly b: TunnelNode }> {
  const a = makeNode(t, 1);
  const b = makeNode(t, 2);
  const end = (node: TunnelNode) => ({
    namespace: node.namespace,
    device: 'eth0',
    addresses: [`${node.underlay4.text}/24`, `${node.underlay6.text}/64`],
  });
  vethPair(end(a), end(b));
  for (const [own, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    t.teardown(() => own.kernel.close());
    own.namespace.sysctl({
      'net/ipv4/conf/all/rp_filter': 2,
      'net/ipv4/conf/default/rp_filter': 2,
      'net/ipv4/ip_forward': 1,
      'net/ipv6/conf/all/forwarding': 1,
    });
    await applyAll(own.kernel, receiveSide(own, peer));
  }
  return { a, b };
}

/** Every way to a peer: mode, inner family, outer family. */
export type Way =
  | 'native 4'
  | 'ipip 4 in 4'
  | 'ipip 6 in 4'
  | 'ipip 4 in 6'
  | 'ipip 6 in 6'
  | 'vxlan 4 in 4'
  | 'vxlan 6 in 4';

type Hop = Pick<
  Extract<RouteTarget, { kind: 'unicast' }>,
  'device' | 'gateway' | 'onlink' | 'mtu' | 'encapDestination'
>;

function hop(way: Way, peer: TunnelNode): Hop {
  const direct = { gateway: undefined, onlink: false, encapDestination: peer.underlay6 };
  switch (way) {
    case 'native 4':
      return { device: 'eth0', gateway: peer.underlay4, onlink: true, mtu: 1500 };
    case 'ipip 4 in 4':
      return { device: 'slip4', gateway: peer.underlay4, onlink: true, mtu: 1480 };
    case 'ipip 6 in 4':
      return { device: 'slsit4', gateway: peer.compatible, onlink: true, mtu: 1480 };
    case 'ipip 4 in 6':
    case 'ipip 6 in 6':
      return { device: 'slip6', ...direct, mtu: 1460 };
    case 'vxlan 4 in 4':
      return { device: 'slv4a', gateway: peer.tunnel4, onlink: true, mtu: 1450 };
    case 'vxlan 6 in 4':
      return { device: 'slv4a', gateway: peer.linkLocal, onlink: false, mtu: 1450 };
  }
}

/** The one route that says how packets from `own` reach `peer`; setting another way replaces it. */
export function route(way: Way, { own, peer }: { own: TunnelNode; peer: TunnelNode }): RouteObject {
  const inner = way.split(' ')[1] === '6' ? 6 : 4;
  return {
    type: 'route',
    prefix: inner === 4 ? peer.prefix4 : peer.prefix6,
    table: 254,
    metric: 512,
    protocol,
    target: {
      kind: 'unicast',
      preferredSource: inner === 4 ? own.tunnel4 : own.tunnel6,
      ...hop(way, peer),
    },
  };
}
