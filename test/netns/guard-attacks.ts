/**
 * The packets of the guard's attack tests, each with what must become of it. Sources and headers
 * are written in scapy, see guard-lab.ts for the addresses.
 */
import type { DropReason } from '../../tunnel/guard/names.js';
import {
  ether,
  inner4,
  inner6,
  innerEther,
  outer4,
  outer6,
  podEther,
  vxlan42,
} from './guard-lab.js';

export interface PacketCase {
  readonly title: string;
  readonly from: 'peer' | 'work';
  readonly code: (id: string) => string;
  /** Where it must arrive, or why it must be dropped. */
  readonly expect:
    | { readonly at: 'peer' | 'node' | 'work'; readonly socket: string }
    | { readonly dropped: DropReason };
}

const toWork4 = { at: 'work', socket: 'udp4:9000' } as const;
const toWork6 = { at: 'work', socket: 'udp6:9000' } as const;
const stranger4 = `IP(src='192.0.2.66',dst='192.0.2.1')`;
const stranger6 = `IPv6(src='2001:db8::66',dst='2001:db8::1')`;

/** Every tunnel that a packet can come by, with an inner packet of each family. */
const carriages = [
  {
    name: 'VXLAN, IPv4 in IPv4',
    outer: outer4,
    stranger: stranger4,
    head: `/${vxlan42}`,
    inner: 4,
    ok: toWork4,
  },
  {
    name: 'VXLAN, IPv6 in IPv4',
    outer: outer4,
    stranger: stranger4,
    head: `/${vxlan42}`,
    inner: 6,
    ok: toWork6,
  },
  {
    name: 'VXLAN, IPv4 in IPv6',
    outer: outer6,
    stranger: stranger6,
    head: `/${vxlan42}`,
    inner: 4,
    ok: toWork4,
  },
  {
    name: 'VXLAN, IPv6 in IPv6',
    outer: outer6,
    stranger: stranger6,
    head: `/${vxlan42}`,
    inner: 6,
    ok: toWork6,
  },
  {
    name: 'IP in IP, 4in4',
    outer: outer4,
    stranger: stranger4,
    head: '',
    inner: 4,
    ok: { at: 'node', socket: 'raw4:4' },
  },
  {
    name: 'IP in IP, 6in4',
    outer: outer4,
    stranger: stranger4,
    head: '',
    inner: 6,
    ok: { at: 'node', socket: 'raw4:41' },
  },
  {
    name: 'IP in IP, 4in6',
    outer: outer6,
    stranger: stranger6,
    head: '',
    inner: 4,
    ok: { at: 'node', socket: 'raw6:4' },
  },
  {
    name: 'IP in IP, 6in6',
    outer: outer6,
    stranger: stranger6,
    head: '',
    inner: 6,
    ok: { at: 'node', socket: 'raw6:41' },
  },
] as const;

function innerFrom(family: 4 | 6, id: string, prefix: number): string {
  return family === 4 ? inner4(id, `10.${prefix}.0.5`) : inner6(id, `fd00:${prefix}::5`);
}

const tunnelled: readonly PacketCase[] = carriages.flatMap(
  ({ name, outer, stranger, head, inner, ok }): readonly PacketCase[] => [
    {
      title: `${name}: the sender's own source passes`,
      from: 'peer',
      code: (id) => `${ether}/${outer}${head}/${innerFrom(inner, id, 2)}`,
      expect: ok,
    },
    {
      title: `${name}: another node's source is dropped`,
      from: 'peer',
      code: (id) => `${ether}/${outer}${head}/${innerFrom(inner, id, 3)}`,
      expect: { dropped: 'inner_source' },
    },
    {
      title: `${name}: this node's own source is dropped`,
      from: 'peer',
      code: (id) => `${ether}/${outer}${head}/${innerFrom(inner, id, 1)}`,
      expect: { dropped: 'inner_source' },
    },
    {
      title: `${name}: a sender that is no node is dropped`,
      from: 'peer',
      code: (id) => `${ether}/${stranger}${head}/${innerFrom(inner, id, 2)}`,
      expect: { dropped: 'outer_source' },
    },
  ],
);

const malformed: readonly PacketCase[] = [
  {
    title: 'a good VXLAN packet in fragments of 8 bytes passes',
    from: 'peer',
    code: (id) => `fragment(${ether}/${outer4}/${vxlan42}/${inner4(id)}, 8)`,
    expect: toWork4,
  },
  {
    title: 'a spoofed VXLAN packet in fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `fragment(${ether}/${outer4}/${vxlan42}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: 'a spoofed IP-in-IP packet in fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `fragment(${ether}/${outer4}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: 'a VXLAN packet in IPv6 fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `frag6(${ether}/${outer6}/${vxlan42}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'outer_fragment' },
  },
  {
    title: 'a VXLAN packet in one IPv6 fragment is dropped',
    from: 'peer',
    code: (id) => `frag6(${ether}/${outer6}/${vxlan42}/${inner4(id, '10.3.0.5')}, 1024)`,
    expect: { dropped: 'outer_fragment' },
  },
  {
    title: 'an IP-in-IP packet in IPv6 fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `frag6(${ether}/${outer6}/${inner4(id)}, 8)`,
    expect: { dropped: 'outer_fragment' },
  },
  {
    title: 'IPv4 options before UDP do not hide the inner source',
    from: 'peer',
    code: (id) =>
      `${ether}/IP(src='192.0.2.2',dst='192.0.2.1',options=[IPOption(b'\\x01')]*4)/${vxlan42}/${inner4(id, '10.3.0.5')}`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: 'a VLAN tag inside VXLAN is dropped',
    from: 'peer',
    code: (id) => `${ether}/${outer4}/${vxlan42}/Dot1Q(vlan=5)/${inner4(id)}`,
    expect: { dropped: 'inner_ethertype' },
  },
  {
    title: 'ARP inside VXLAN is dropped',
    from: 'peer',
    code: (id) => `${ether}/${outer4}/${vxlan42}/ARP(psrc='10.2.0.5')/b'id=${id};'`,
    expect: { dropped: 'inner_ethertype' },
  },
  {
    title: 'IPv6 under the EtherType of IPv4 is dropped',
    from: 'peer',
    code: (id) =>
      `${ether}/${outer4}/UDP(dport=4789)/VXLAN(flags=8,vni=42)/${innerEther.replace('Ether(', 'Ether(type=0x800,')}/${inner6(id)}`,
    expect: { dropped: 'inner_version' },
  },
  {
    title: 'IPv6 under IP protocol 4 is dropped',
    from: 'peer',
    code: (id) => `${ether}/${outer4.replace('IP(', 'IP(proto=4,')}/${inner6(id)}`,
    expect: { dropped: 'inner_version' },
  },
  {
    title: 'VXLAN without the I flag is dropped',
    from: 'peer',
    code: (id) =>
      `${ether}/${outer4}/UDP(dport=4789)/VXLAN(flags=0,vni=42)/${innerEther}/${inner4(id)}`,
    expect: { dropped: 'vxlan_flags' },
  },
  {
    title: 'VXLAN with a reserved bit is dropped',
    from: 'peer',
    code: (id) =>
      `${ether}/${outer4}/UDP(dport=4789)/VXLAN(flags=8,vni=42,reserved2=1)/${innerEther}/${inner4(id)}`,
    expect: { dropped: 'vxlan_flags' },
  },
  {
    title: 'a frame cut off before its inner source is dropped',
    from: 'peer',
    code: () =>
      `${ether}/${outer4}/${vxlan42.replace('Ether(', 'Ether(type=0x800,')}/Raw(b'\\x45\\x00\\x00\\x20')`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: "VXLAN to an address of this node that is not its underlay's is dropped",
    from: 'peer',
    code: (id) => `${ether}/IP(src='192.0.2.2',dst='198.51.100.1')/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'tunnel_destination' },
  },
  {
    title: "a node's own underlay address is an inner source of its own",
    from: 'peer',
    code: (id) => `${ether}/${outer4}/${vxlan42}/${inner4(id, '192.0.2.2')}`,
    expect: toWork4,
  },
  {
    title: "somebody else's VNI on the port is left alone",
    from: 'peer',
    code: (id) =>
      `${ether}/${stranger4}/UDP(dport=4789)/VXLAN(flags=8,vni=7)/${innerEther}/${inner4(id, '172.20.0.5')}`,
    expect: toWork4,
  },
  {
    title: "somebody else's VNI is no way into the overlay",
    from: 'peer',
    code: (id) =>
      `${ether}/${stranger4}/UDP(dport=4789)/VXLAN(flags=8,vni=7)/${innerEther}/${inner4(id)}`,
    expect: { dropped: 'workload_source' },
  },
];

const native: readonly PacketCase[] = [
  {
    title: 'a native source passes on the NIC',
    from: 'peer',
    code: (id) => `${ether}/${inner4(id, '10.3.0.5')}`,
    expect: toWork4,
  },
  {
    title: 'a native IPv6 source passes on the NIC',
    from: 'peer',
    code: (id) => `${ether}/${inner6(id, 'fd00:3::5')}`,
    expect: toWork6,
  },
  {
    title: 'a source outside every pool is not our business',
    from: 'peer',
    code: (id) => `${ether}/${inner4(id, '203.0.113.9')}`,
    expect: toWork4,
  },
  ...['10.2.0.5', '10.1.0.9', '10.99.0.1'].map((source): PacketCase => ({
    title: `${source} without its tunnel is dropped`,
    from: 'peer',
    code: (id) => `${ether}/${inner4(id, source)}`,
    expect: { dropped: 'native_source' },
  })),
  {
    title: 'an IPv6 overlay source without its tunnel is dropped',
    from: 'peer',
    code: (id) => `${ether}/${inner6(id)}`,
    expect: { dropped: 'native_source' },
  },
  {
    title: 'a forged overlay source does not reach the node itself either',
    from: 'peer',
    code: (id) => `${ether}/IP(src='10.2.0.5',dst='192.0.2.1')/UDP(dport=9000)/b'id=${id};'`,
    expect: { dropped: 'native_source' },
  },
];

const plain = (source: string, destination: string, id: string): string =>
  source.includes(':')
    ? `${podEther}/IPv6(src='${source}',dst='${destination}')/UDP(dport=9000)/b'id=${id};'`
    : `${podEther}/IP(src='${source}',dst='${destination}')/UDP(dport=9000)/b'id=${id};'`;

const workload: readonly PacketCase[] = [
  {
    title: 'a workload reaches out with its own source',
    from: 'work',
    code: (id) => plain('10.1.0.2', '192.0.2.2', id),
    expect: { at: 'peer', socket: 'udp4:9000' },
  },
  {
    title: 'a source outside the pools (a container bridge) passes',
    from: 'work',
    code: (id) => plain('172.17.0.5', '192.0.2.2', id),
    expect: { at: 'peer', socket: 'udp4:9000' },
  },
  {
    title: "a workload with another node's source is dropped",
    from: 'work',
    code: (id) => plain('10.2.0.5', '192.0.2.2', id),
    expect: { dropped: 'workload_source' },
  },
  {
    title: "a workload with another node's IPv6 source is dropped",
    from: 'work',
    code: (id) => plain('fd00:2::5', '2001:db8::2', id),
    expect: { dropped: 'workload_source' },
  },
  {
    title: "a workload with another node's source does not reach the node",
    from: 'work',
    code: (id) => plain('10.2.0.5', '192.0.2.1', id),
    expect: { dropped: 'workload_source' },
  },
  {
    title: "a workload's own VXLAN to a node is dropped",
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own VXLAN to a node in fragments is dropped",
    from: 'work',
    code: (id) =>
      `fragment(${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${vxlan42}/${inner4(id)}, 8)`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own VXLAN to a node over IPv6 is dropped",
    from: 'work',
    code: (id) => `${podEther}/IPv6(src='fd00:1::2',dst='2001:db8::2')/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own IP-in-IP to a node is dropped",
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: 'UDP to the port of VXLAN elsewhere is not our business',
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.9')/UDP(dport=4789)/b'id=${id};'`,
    expect: { at: 'peer', socket: 'udp4:4789' },
  },
  {
    title: "a workload that takes a node's address is not decapsulated",
    from: 'work',
    code: (id) => `${podEther}/${outer4}/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: 'the metadata service is out of reach',
    from: 'work',
    code: (id) => plain('10.1.0.2', '169.254.169.254', id),
    expect: { dropped: 'metadata' },
  },
  {
    title: 'the IPv6 metadata service is out of reach',
    from: 'work',
    code: (id) => plain('fd00:1::2', 'fd00:ec2::254', id),
    expect: { dropped: 'metadata' },
  },
];

export const packetCases: readonly PacketCase[] = [
  ...tunnelled,
  ...malformed,
  ...native,
  ...workload,
];
