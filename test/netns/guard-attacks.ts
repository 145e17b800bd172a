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
  /** Of guard-lab.ts's specs; default `plain`. */
  readonly under?: 'plain' | 'change' | 'masquerade';
  /** `node` is a program on the node itself. */
  readonly from: 'peer' | 'work' | 'node';
  /** Scapy; of the node itself the destination's address. */
  readonly code: (id: string) => string;
  /** Where it must arrive (and from whom), or why it must be dropped. */
  readonly expect:
    | { readonly at: 'peer' | 'node' | 'work'; readonly socket: string; readonly source?: string }
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

/**
 * While VNI and port change: the old pair reaches the old device, the new one a plain socket that
 * stands for the new device, and a VNI on the other's port is somebody else's.
 */
const changing: readonly PacketCase[] = [
  { vni: 42, port: 4789 },
  { vni: 43, port: 4790 },
].flatMap(({ vni, port }): readonly PacketCase[] =>
  carriages.slice(0, 4).flatMap(({ name, outer, stranger, inner, ok }): readonly PacketCase[] => {
    const head = `UDP(sport=50000,dport=${port})/VXLAN(flags=8,vni=${vni})/${innerEther}`;
    const socket = `udp${outer.startsWith('IPv6') ? 6 : 4}:${port}`;
    const title = `VNI ${vni} on port ${port}, ${name}`;
    const one = (
      what: string,
      packet: { sender: string; prefix: number; expect: PacketCase['expect'] },
    ): PacketCase => ({
      title: `during a change, ${title}: ${what}`,
      under: 'change',
      from: 'peer',
      code: (id) => `${ether}/${packet.sender}/${head}/${innerFrom(inner, id, packet.prefix)}`,
      expect: packet.expect,
    });
    return [
      one('the own source passes', {
        sender: outer,
        prefix: 2,
        expect: port === 4789 ? ok : { at: 'node', socket },
      }),
      one("another node's source is dropped", {
        sender: outer,
        prefix: 3,
        expect: { dropped: 'inner_source' },
      }),
      one('a sender that is no node is dropped', {
        sender: stranger,
        prefix: 2,
        expect: { dropped: 'outer_source' },
      }),
    ];
  }),
);

const changingBesides: readonly PacketCase[] = [
  {
    title: "during a change, the old VNI on the new port is somebody else's",
    under: 'change',
    from: 'peer',
    code: (id) =>
      `${ether}/${stranger4}/UDP(dport=4790)/VXLAN(flags=8,vni=42)/${innerEther}/${inner4(id)}`,
    expect: { at: 'node', socket: 'udp4:4790' },
  },
  {
    title: 'during a change, a spoofed packet on the new port in fragments is dropped',
    under: 'change',
    from: 'peer',
    code: (id) =>
      `fragment(${ether}/${outer4}/UDP(dport=4790)/VXLAN(flags=8,vni=43)/${innerEther}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: 'during a change, IPv6 fragments on the new port are dropped',
    under: 'change',
    from: 'peer',
    code: (id) =>
      `frag6(${ether}/${outer6}/UDP(dport=4790)/VXLAN(flags=8,vni=43)/${innerEther}/${inner4(id)}, 8)`,
    expect: { dropped: 'outer_fragment' },
  },
  {
    title: "during a change, a workload's own VXLAN on the new port is dropped",
    under: 'change',
    from: 'work',
    code: (id) =>
      `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/UDP(dport=4790)/VXLAN(flags=8,vni=43)/${innerEther}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
];

/** The second tunnel packet comes out of the first as if this node had let it in. */
const nestedCase = (title: string, packet: string): PacketCase => ({
  title: `overlay within overlay: ${title} is dropped`,
  from: 'peer',
  code: (id) => `${ether}/${outer4}/${vxlan42}/${packet}/${inner4(id, '10.3.0.5')}`,
  expect: { dropped: 'workload_tunnel' },
});

const nested: readonly PacketCase[] = [
  nestedCase("VXLAN on from a peer's workload", `IP(src='10.2.0.5',dst='192.0.2.3')/${vxlan42}`),
  nestedCase('VXLAN on from a peer', `IP(src='192.0.2.2',dst='192.0.2.3')/${vxlan42}`),
  nestedCase('VXLAN to this node', `IP(src='192.0.2.2',dst='192.0.2.1')/${vxlan42}`),
  nestedCase('VXLAN over IPv6', `IPv6(src='fd00:2::5',dst='2001:db8::3')/${vxlan42}`),
  nestedCase(
    'VXLAN over IPv6 to this node',
    `IPv6(src='2001:db8::2',dst='2001:db8::1')/${vxlan42}`,
  ),
  nestedCase('IP in IP on', `IP(src='10.2.0.5',dst='192.0.2.3')`),
  nestedCase('IP in IP to this node', `IP(src='192.0.2.2',dst='192.0.2.1')`),
  nestedCase('IP in IP over IPv6', `IPv6(src='fd00:2::5',dst='2001:db8::3')`),
  {
    title: 'overlay within overlay: VXLAN on in fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) =>
      `[${ether}/${outer4}/${vxlan42}/part for part in fragment(IP(src='10.2.0.5',dst='192.0.2.3')/${vxlan42}/${inner4(id, '10.3.0.5')}, 8)]`,
    expect: { dropped: 'workload_tunnel' },
  },
];

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
    title: "a workload's own VXLAN to a node in IPv6 fragments is dropped",
    from: 'work',
    code: (id) =>
      `frag6(${podEther}/IPv6(src='fd00:1::2',dst='2001:db8::2')/${vxlan42}/${inner4(id)}, 8)`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own VXLAN to its own node is dropped",
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.1')/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own IP-in-IP to a node over IPv6 is dropped",
    from: 'work',
    code: (id) => `${podEther}/IPv6(src='fd00:1::2',dst='2001:db8::2')/${inner4(id)}`,
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

const toPeer4 = { at: 'peer', socket: 'udp4:9000' } as const;
const toPeer6 = { at: 'peer', socket: 'udp6:9000' } as const;

/** By somebody's routes, all of these would leave by the NIC as they are. */
const leaks: readonly PacketCase[] = [
  ['10.1.0.2', '10.2.0.5'],
  ['10.1.0.2', '10.99.0.5'],
  ['fd00:1::2', 'fd00:2::5'],
  ['172.17.0.5', '10.2.0.5'],
].map(([from, to]) => ({
  title: `from ${from} to ${to}: not out without its tunnel`,
  from: 'work',
  code: (id) => plain(from!, to!, id),
  expect: { dropped: 'native_leak' },
}));

const leaving: readonly PacketCase[] = [
  ...leaks,
  {
    title: 'a prefix decided to go natively does',
    from: 'work',
    code: (id) => plain('10.1.0.2', '10.3.0.5', id),
    expect: { ...toPeer4, source: '10.1.0.2' },
  },
  {
    title: 'an IPv6 prefix decided to go natively does',
    from: 'work',
    code: (id) => plain('fd00:1::2', 'fd00:3::5', id),
    expect: { ...toPeer6, source: 'fd00:1::2' },
  },
  {
    title: 'a program on the node does not get past the tunnel either',
    from: 'node',
    code: () => '10.2.0.5',
    expect: { dropped: 'native_leak' },
  },
  {
    title: 'nor by IPv6',
    from: 'node',
    code: () => 'fd00:2::5',
    expect: { dropped: 'native_leak' },
  },
  {
    title: 'a program on the node reaches a native prefix',
    from: 'node',
    code: () => '10.3.0.5',
    expect: toPeer4,
  },
  {
    title: 'a program on the node reaches a workload of its own',
    from: 'node',
    code: () => '10.1.0.2',
    expect: toWork4,
  },
  {
    title: 'by the tunnel device it goes',
    from: 'work',
    code: (id) => plain('10.1.0.2', '10.2.1.5', id),
    expect: { at: 'peer', socket: 'udp4:4789', source: '10.1.0.2' },
  },
];

/** Sources as their receivers see them; with connections tracked, fragments meet before `input`. */
const masqueraded: readonly PacketCase[] = [
  {
    title: "out of the overlay: the node's address",
    from: 'work',
    code: (id) => plain('10.1.0.2', '192.0.2.9', id),
    expect: { ...toPeer4, source: '192.0.2.1' },
  },
  {
    title: "to another node's own address: the node's address",
    from: 'work',
    code: (id) => plain('10.1.0.2', '192.0.2.3', id),
    expect: { ...toPeer4, source: '192.0.2.1' },
  },
  {
    title: "by IPv6: the node's address",
    from: 'work',
    code: (id) => plain('fd00:1::2', '2001:db8::2', id),
    expect: { ...toPeer6, source: '2001:db8::1' },
  },
  {
    title: 'to an excluded destination: its own address',
    from: 'work',
    code: (id) => plain('10.1.0.2', '203.0.113.9', id),
    expect: { ...toPeer4, source: '10.1.0.2' },
  },
  {
    title: 'overlay to overlay, natively: its own address',
    from: 'work',
    code: (id) => plain('10.1.0.2', '10.3.0.5', id),
    expect: { ...toPeer4, source: '10.1.0.2' },
  },
  {
    title: 'overlay to overlay, natively by IPv6: its own address',
    from: 'work',
    code: (id) => plain('fd00:1::2', 'fd00:3::5', id),
    expect: { ...toPeer6, source: 'fd00:1::2' },
  },
  {
    title: 'overlay to overlay, by a tunnel: its own address',
    from: 'work',
    code: (id) => plain('10.1.0.2', '10.2.1.5', id),
    expect: { at: 'peer', socket: 'udp4:4789', source: '10.1.0.2' },
  },
  {
    title: 'overlay to overlay, on the same node: its own address',
    from: 'node',
    code: () => '10.1.0.2',
    expect: { ...toWork4, source: '10.1.0.1' },
  },
  {
    title: 'no workload of the overlay: its own address',
    from: 'work',
    code: (id) => plain('172.17.0.5', '192.0.2.9', id),
    expect: { ...toPeer4, source: '172.17.0.5' },
  },
  {
    title: 'decapsulated: the inner source',
    from: 'peer',
    code: (id) => `${ether}/${outer4}/${vxlan42}/${inner4(id)}`,
    expect: { ...toWork4, source: '10.2.0.5' },
  },
  {
    title: 'decapsulated IPv6: the inner source',
    from: 'peer',
    code: (id) => `${ether}/${outer6}/${vxlan42}/${inner6(id)}`,
    expect: { ...toWork6, source: 'fd00:2::5' },
  },
  {
    title: 'native: its own source',
    from: 'peer',
    code: (id) => `${ether}/${inner4(id, '10.3.0.5')}`,
    expect: { ...toWork4, source: '10.3.0.5' },
  },
  {
    title: 'a spoofed VXLAN packet in fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `fragment(${ether}/${outer4}/${vxlan42}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: 'a spoofed VXLAN packet in IPv6 fragments of 8 bytes is dropped',
    from: 'peer',
    code: (id) => `frag6(${ether}/${outer6}/${vxlan42}/${inner4(id, '10.3.0.5')}, 8)`,
    expect: { dropped: 'inner_source' },
  },
  {
    title: "a workload's own VXLAN to a node is dropped, whole",
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${vxlan42}/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own VXLAN to a node is dropped, in fragments",
    from: 'work',
    code: (id) =>
      `fragment(${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${vxlan42}/${inner4(id)}, 8)`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: "a workload's own IP-in-IP to a node is dropped",
    from: 'work',
    code: (id) => `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/${inner4(id)}`,
    expect: { dropped: 'workload_tunnel' },
  },
  {
    title: 'nothing leaks for being masqueraded',
    from: 'work',
    code: (id) => plain('10.1.0.2', '10.2.0.5', id),
    expect: { dropped: 'native_leak' },
  },
  {
    title: 'VXLAN over VXLAN is dropped',
    from: 'peer',
    code: (id) =>
      `${ether}/${outer4}/${vxlan42}/IP(src='10.2.0.5',dst='192.0.2.3')/${vxlan42}/${inner4(id, '10.3.0.5')}`,
    expect: { dropped: 'workload_tunnel' },
  },
];

const masquerading = masqueraded.map((one): PacketCase => ({
  ...one,
  title: `masquerading, ${one.title}`,
  under: 'masquerade',
}));

/** By spec, as each exchange of specs costs time. */
export const packetCases: readonly PacketCase[] = [
  ...tunnelled,
  ...malformed,
  ...nested,
  ...native,
  ...workload,
  ...leaving,
  ...changing,
  ...changingBesides,
  ...masquerading,
];
