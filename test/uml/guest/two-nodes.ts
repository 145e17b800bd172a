/**
 * Two nodes on one L2 segment, in either direction the same:
 *
 *     node a                                      node b
 *     10.1.0.0/32, fd00:1::/128                   10.2.0.0/32, fd00:2::/128     (tunnel addresses)
 *     slip4 slip6 slt6 slv4a                      slip4 slip6 slt6 slv4a
 *     eth0 192.0.2.1/24, 2001:db8::1/64 ───────── eth0 192.0.2.2/24, 2001:db8::2/64
 *
 * Each node has every tunnel device up, with an address on it: without one the kernel drops
 * packets whose way back leads through another device, even in loose reverse-path mode.
 */
import { type Namespace, type Teardown, createNamespace, vethPair } from '../../support/netns.js';

export interface Node {
  readonly namespace: Namespace;
  readonly underlay4: string;
  readonly underlay6: string;
  /** Address of every IPv4-carrying tunnel device, first of `prefix4`. */
  readonly tunnel4: string;
  readonly tunnel6: string;
  readonly prefix4: string;
  readonly prefix6: string;
  readonly vxlanMac: string;
  /** What IPv6 next hops of the vxlan device are: the link-local address of that MAC. */
  readonly linkLocal: string;
}

export const vni = 4242;
export const vxlanPort = 4789;

function makeNode(t: Teardown, digit: 1 | 2): Node {
  return {
    namespace: createNamespace(t),
    underlay4: `192.0.2.${digit}`,
    underlay6: `2001:db8::${digit}`,
    tunnel4: `10.${digit}.0.0`,
    tunnel6: `fd00:${digit}::`,
    prefix4: `10.${digit}.0.0/24`,
    prefix6: `fd00:${digit}::/64`,
    vxlanMac: `02:00:00:00:00:0${digit}`,
    linkLocal: `fe80::ff:fe00:${digit}`,
  };
}

/** The lines for `ip -batch` that make this node's devices. */
function deviceLines(own: Node, peer: Node): readonly string[] {
  const { underlay4 } = own;
  return [
    `link add slip4 mtu 1480 type ipip remote any local ${underlay4} ttl 64 tos inherit pmtudisc`,
    `link add slip6 mtu 1480 type sit remote any local ${underlay4} ttl 64 tos inherit pmtudisc`,
    'link add slt6 mtu 1460 type ip6tnl external encaplimit none',
    `link add slv4a mtu 1450 address ${own.vxlanMac} type vxlan id ${vni} dstport ${vxlanPort} ` +
      `local ${underlay4} dev eth0 nolearning ttl 64 tos inherit df set`,
    ...['slip4', 'slt6', 'slv4a'].map((device) => `addr add ${own.tunnel4}/32 dev ${device}`),
    ...['slip6', 'slt6', 'slv4a'].map(
      (device) => `addr add ${own.tunnel6}/128 dev ${device} nodad`,
    ),
    'link set slv4a addrgenmode none',
    `addr add ${own.linkLocal}/64 dev slv4a nodad`,
    ...['slip4', 'slip6', 'slt6', 'slv4a'].map((device) => `link set ${device} up`),
    `neigh add ${peer.tunnel4} lladdr ${peer.vxlanMac} dev slv4a nud permanent`,
    `neigh add ${peer.linkLocal} lladdr ${peer.vxlanMac} dev slv4a nud permanent`,
  ];
}

export function twoNodes(t: Teardown): { readonly a: Node; readonly b: Node } {
  const a = makeNode(t, 1);
  const b = makeNode(t, 2);
  const end = (node: Node) => ({
    namespace: node.namespace,
    device: 'eth0',
    addresses: [`${node.underlay4}/24`, `${node.underlay6}/64`],
  });
  vethPair(end(a), end(b));
  for (const [own, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    own.namespace.sysctl({
      'net/ipv4/conf/all/rp_filter': 2,
      'net/ipv4/conf/default/rp_filter': 2,
      'net/ipv4/ip_forward': 1,
      'net/ipv6/conf/all/forwarding': 1,
    });
    own.namespace.ip(...deviceLines(own, peer));
    own.namespace.run('bridge', [
      ...['fdb', 'append', peer.vxlanMac, 'dev', 'slv4a'],
      ...['dst', peer.underlay4, 'self', 'permanent'],
    ]);
  }
  return { a, b };
}

/** Way of a packet from `own` to `peer`, as an argument list of `ip route replace`. */
export const routes = {
  'native 4': (own: Node, peer: Node) =>
    `${peer.prefix4} via ${peer.underlay4} dev eth0 onlink src ${own.tunnel4} mtu 1500`,
  'ipip 4 in 4': (own: Node, peer: Node) =>
    `${peer.prefix4} via ${peer.underlay4} dev slip4 onlink src ${own.tunnel4} mtu 1480`,
  'vxlan 4 in 4': (own: Node, peer: Node) =>
    `${peer.prefix4} via ${peer.tunnel4} dev slv4a onlink src ${own.tunnel4} mtu 1450`,
  'vxlan 6 in 4': (own: Node, peer: Node) =>
    `${peer.prefix6} via ${peer.linkLocal} dev slv4a src ${own.tunnel6} mtu 1450`,
  'ipip 6 in 4': (own: Node, peer: Node) =>
    `${peer.prefix6} via ::${peer.underlay4} dev slip6 onlink src ${own.tunnel6} mtu 1480`,
  'ipip 4 in 6': (own: Node, peer: Node) =>
    `${peer.prefix4} encap ip6 dst ${peer.underlay6} src ${own.underlay6} hoplimit 64 ` +
    `dev slt6 src ${own.tunnel4} mtu 1460`,
  'ipip 6 in 6': (own: Node, peer: Node) =>
    `${peer.prefix6} encap ip6 dst ${peer.underlay6} src ${own.underlay6} hoplimit 64 ` +
    `dev slt6 src ${own.tunnel6} mtu 1460`,
} as const;

export type RouteName = keyof typeof routes;
