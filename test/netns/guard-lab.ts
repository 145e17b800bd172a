/**
 * The ground for the guard's attack tests:
 *
 *     [ peer ]eth0 ────── eth0[ node ]pod0 ────── eth0[ work ]
 *     192.0.2.2, .3           192.0.2.1                10.1.0.2
 *     2001:db8::2             2001:db8::1              fd00:1::2
 *
 * `peer` plays every other host of the underlay, whatever source address it takes. `node` is the
 * guarded one, with kernel vxlan devices for VNI 42 over both families and a foreign one (VNI 7).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import type { GuardPeer, GuardSpec } from '../../tunnel/guard/guard.js';

export const nodeMac = '02:00:00:00:00:01';
export const podMac = '02:00:00:00:00:02';
const vtepMac = '02:00:00:00:00:42';
const peerVtepMac = '02:00:00:00:00:43';

const foreignRoutes = [
  ['203.0.113.9/32', '192.0.2.2'],
  ['10.2.0.0/24', '192.0.2.2'],
  ['10.3.0.0/24', '192.0.2.3'],
  ['10.99.0.0/24', '192.0.2.9'],
  ['fd00:2::/64', '2001:db8::2'],
  ['fd00:3::/64', '2001:db8::2'],
] as const;

export class PacketHost {
  readonly #child: ChildProcess;
  readonly #waiting: ((answer: unknown) => void)[] = [];
  readonly ready: Promise<unknown>;

  constructor(netns: string, sockets: readonly string[]) {
    const script = join(repositoryRoot(), 'test/netns/guard-packets.py');
    const python = ['/usr/bin/python3', script, ...sockets];
    this.#child = spawn('ip', ['netns', 'exec', netns, ...python], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) =>
      this.#waiting.shift()?.(JSON.parse(line)),
    );
    this.ready = this.#answer();
  }

  async send(code: string): Promise<void> {
    await this.#ask({ op: 'send', device: 'eth0', code });
  }

  /** An ordinary program's datagram to port 9000. */
  async say(to: string, id: string): Promise<void> {
    await this.#ask({ op: 'say', to, id });
  }

  /** Who sent what arrived as `SOCKET/NAME`; of a VXLAN packet the inner IPv4 source. */
  async source(key: string): Promise<string> {
    return (await this.#ask({ op: 'source', key })) as string;
  }

  async start(name: string, options: { code: string; rate: number }): Promise<void> {
    await this.#ask({ op: 'start', device: 'eth0', name, ...options });
  }

  async stop(name: string): Promise<number> {
    return (await this.#ask({ op: 'stop', name })) as number;
  }

  async arrives(key: string): Promise<boolean> {
    return (await this.#ask({ op: 'wait', key, timeoutMs: 3000 })) as boolean;
  }

  /** What came in since the last call: how often, by `SOCKET/NAME`. */
  async received(): Promise<Readonly<Record<string, number>>> {
    return (await this.#ask({ op: 'received' })) as Record<string, number>;
  }

  close(): void {
    this.#child.stdin!.end();
    this.#child.kill();
  }

  #ask(command: object): Promise<unknown> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
    return this.#answer();
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export interface GuardLab {
  readonly netns: string;
  readonly peer: PacketHost;
  readonly node: PacketHost;
  readonly work: PacketHost;
  close(): void;
}

export async function guardLab(name: string): Promise<GuardLab> {
  const prefix = `sgt${process.pid}${name}`;
  const [peer, node, work] = ['p', 'n', 'w'].map((suffix) => `${prefix}${suffix}`) as [
    string,
    string,
    string,
  ];
  const all = [peer, node, work];
  const remove = (): void => all.forEach((ns) => tryRun(['ip', 'netns', 'del', ns]));
  try {
    for (const ns of all) {
      run(['ip', 'netns', 'add', ns]);
      inside(ns, 'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0');
      inside(ns, 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0');
      inside(ns, 'ip link set lo up');
    }
    inside(node, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    inside(node, `ip link add eth0 address ${nodeMac} type veth peer name eth0 netns ${peer}`);
    inside(node, `ip link add pod0 address ${podMac} type veth peer name eth0 netns ${work}`);
    addresses(peer, 'eth0', ['192.0.2.2/24', '192.0.2.3/24', '192.0.2.9/24', '2001:db8::2/64']);
    addresses(peer, 'eth0', ['169.254.169.254/32', 'fd00:ec2::254/128', '203.0.113.9/32']);
    addresses(peer, 'eth0', ['10.2.0.5/32', '10.3.0.5/32', '10.99.0.5/32', 'fd00:2::5/128']);
    addresses(peer, 'eth0', ['fd00:3::5/128']);
    addresses(node, 'eth0', ['192.0.2.1/24', '198.51.100.1/32', '2001:db8::1/64']);
    addresses(node, 'pod0', ['10.1.0.1/24', 'fd00:1::1/64']);
    addresses(work, 'eth0', ['10.1.0.2/24', 'fd00:1::2/64']);
    inside(node, 'ip route add 169.254.169.254/32 dev eth0');
    inside(node, 'ip route add fd00:ec2::254/128 dev eth0');
    // As if somebody had set them: of overlay prefixes only 10.3.0.0/24 and fd00:3::/64 are decided so.
    for (const [to, via] of foreignRoutes) inside(node, `ip route add ${to} via ${via} dev eth0`);
    const vxlan = (device: string, rest: string): void => {
      inside(node, `ip link add ${device} address ${vtepMac} type vxlan ${rest}`);
      inside(node, `ip link set ${device} up`);
    };
    vxlan('slv4a', 'id 42 dstport 4789 local 192.0.2.1 nolearning');
    vxlan('slv6a', 'id 42 dstport 4789 local 2001:db8::1 nolearning');
    vxlan('foreign7', 'id 7 dstport 4789 local 192.0.2.1 nolearning');
    // What ours look like to a peer: by the tunnel device, to its address.
    inside(node, 'ip route add 10.2.1.0/24 via 10.2.1.0 dev slv4a onlink');
    inside(node, `ip neigh add 10.2.1.0 lladdr ${peerVtepMac} nud permanent dev slv4a`);
    inside(node, `bridge fdb add ${peerVtepMac} dev slv4a dst 192.0.2.2`);
    const hosts = {
      peer: new PacketHost(peer, ['udp4:9000', 'udp6:9000', 'udp4:4789', 'udp6:4789', 'raw4:4']),
      node: new PacketHost(node, [
        ...['udp4:9000', 'udp4:4790', 'udp6:4790'],
        ...['raw4:4', 'raw4:41', 'raw6:4', 'raw6:41'],
      ]),
      work: new PacketHost(work, ['udp4:9000', 'udp6:9000']),
    };
    await Promise.all(Object.values(hosts).map((host) => host.ready));
    return {
      netns: node,
      ...hosts,
      close() {
        Object.values(hosts).forEach((host) => host.close());
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** node-b is reached by tunnel only, node-c may also come natively, node-d shares nothing. */
export function labPeer(node: string, address: number, prefix: number): GuardPeer {
  const overlay = [`10.${prefix}.0.0/24`, `fd00:${prefix}::/64`].map(parsePrefix);
  return {
    node,
    outerSources: [`192.0.2.${address}`, `2001:db8::${address}`].map(parseAddress),
    innerSources: [
      ...overlay,
      ...[`192.0.2.${address}/32`, `2001:db8::${address}/128`].map(parsePrefix),
    ],
    nativeSources: node === 'node-c' ? overlay : [],
  };
}

export const labSpec: GuardSpec = {
  vxlan: [{ vni: 42, port: 4789 }],
  localAddresses: ['192.0.2.1', '2001:db8::1'].map(parseAddress),
  peers: [labPeer('node-b', 2, 2), labPeer('node-c', 3, 3)],
  nics: ['eth0'],
  tunnelDevices: ['slv4a', 'slv6a', 'slip4'],
  pools: ['10.0.0.0/9', 'fd00::/24'].map(parsePrefix),
  ownPrefixes: ['10.1.0.0/24', 'fd00:1::/64'].map(parsePrefix),
  nodeAddresses: [
    '192.0.2.1',
    '192.0.2.2',
    '192.0.2.3',
    '2001:db8::1',
    '2001:db8::2',
    '2001:db8::3',
  ].map(parseAddress),
  blockMetadata: true,
  nativeDestinations: ['10.3.0.0/24', 'fd00:3::/64'].map(parsePrefix),
};

/** In the middle of a change of both: either is accepted. */
export const changingSpec: GuardSpec = {
  ...labSpec,
  vxlan: [...labSpec.vxlan, { vni: 43, port: 4790 }],
};

export const masqueradingSpec: GuardSpec = {
  ...labSpec,
  masquerade: {
    sources: labSpec.ownPrefixes,
    exclude: ['203.0.113.0/24', '2001:db8:99::/48'].map(parsePrefix),
  },
};

/** Scapy: from the underlay to the node's NIC. */
export const ether = `Ether(src='02:00:00:00:00:99',dst='${nodeMac}')`;
/** Scapy: from the workload to the node. */
export const podEther = `Ether(src='02:00:00:00:00:98',dst='${podMac}')`;
/** Scapy: the frame inside VXLAN. */
export const innerEther = `Ether(src='02:00:00:00:00:97',dst='${vtepMac}')`;

/** Scapy: an inner packet to the workload. */
export function inner4(id: string, source = '10.2.0.5'): string {
  return `IP(src='${source}',dst='10.1.0.2')/UDP(sport=1,dport=9000)/b'id=${id};'`;
}

export function inner6(id: string, source = 'fd00:2::5'): string {
  return `IPv6(src='${source}',dst='fd00:1::2')/UDP(sport=1,dport=9000)/b'id=${id};'`;
}

export const outer4 = `IP(src='192.0.2.2',dst='192.0.2.1')`;
export const outer6 = `IPv6(src='2001:db8::2',dst='2001:db8::1')`;
export const vxlan42 = `UDP(sport=50000,dport=4789)/VXLAN(flags=8,vni=42)/${innerEther}`;

export function run(argv: readonly string[], input = ''): string {
  return execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8', input, stdio: 'pipe' });
}

export function inside(netns: string, command: string): string {
  return run(['ip', 'netns', 'exec', netns, ...command.split(' ')]);
}

function tryRun(argv: readonly string[]): void {
  try {
    run(argv);
  } catch {
    // Half-built labs lack some of their namespaces.
  }
}

function addresses(netns: string, device: string, list: readonly string[]): void {
  for (const address of list)
    inside(netns, `ip addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
  inside(netns, `ip link set ${device} up`);
}

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
