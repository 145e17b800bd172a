/**
 * The checks of preflight one by one. What the answers mean for packets is
 * test/netns/preflight.test.ts.
 */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { mainTable } from '../../routes/ownership.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import type { Op, RouteObject, VxlanLink } from '../../tunnel/kernel.js';
import { renderChecks, renderPreflight } from '../../src/cli/render/preflight.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { cloudChecks, nodeChecks } from '../../src/preflight/registry.js';
import { preflightReport } from '../../src/preflight/run.js';
import {
  type World,
  clusterOf,
  nic,
  one,
  preflight,
  problems,
  rack,
} from '../support/preflight-world.js';

t.test('a server before its first agent has nothing but a missing key', async (t) => {
  t.same(problems(await preflight(t)), ['warn cluster-key']);
  t.match(await one(t, 'forwarding-ipv4'), { status: 'ok', found: /the agent switches it on/ });
  t.match(await one(t, 'decisions'), { status: 'ok', found: 'vxlan 4' });
});

t.test('ids are stable, unique and documented', (t) => {
  const all = [...nodeChecks, ...cloudChecks];
  t.equal(new Set(all.map(({ id }) => id)).size, all.length);
  for (const { id, about } of all) {
    t.match(id, /^[a-z0-9-]+$/);
    t.ok(about.length > 20, id);
  }
  t.match(renderChecks(all), /^kernel-access +the native addon loads/);
  t.end();
});

t.test('privileges and the kernel itself', async (t) => {
  const status = (effective: string, bounding: string) => ({
    'proc/self/status': `CapBnd:\t${bounding}\nCapEff:\t${effective}\n`,
  });
  const none = '0000000000000000';
  t.match(await one(t, 'capabilities', { files: status(none, none) }), {
    status: 'fail',
    found: 'CAP_NET_ADMIN and CAP_NET_RAW cannot be had in this container or service',
  });
  t.match(await one(t, 'capabilities', { files: status(none, '0000000000003000') }), {
    status: 'warn',
    found: /the systemd unit gives both/,
  });
  t.match(await one(t, 'capabilities', { files: status('0000000000003000', '0000000000003000') }), {
    status: 'ok',
  });
  const refused = await preflight(t, { refused: 'this needs root' });
  t.match(
    refused.find(({ id }) => id === 'kernel-access'),
    { status: 'warn', found: 'this needs root' },
  );
  t.match(
    refused.find(({ id }) => id === 'nic-mtu'),
    { status: 'skip', found: /see kernel-access/ },
  );
  const old = { 'proc/sys/kernel/osrelease': '4.19.0-27-amd64' };
  t.match(await one(t, 'kernel-version', { files: old }), {
    status: 'warn',
    needed: /^Linux 5\.0/,
  });
});

t.test('kinds of device are needed where something goes so', async (t) => {
  const without = await preflight(t, { kernel: { kinds: [] } });
  const of = (id: string) => without.find((result) => result.id === id)!;
  t.match(of('kernel-vxlan'), {
    status: 'fail',
    needed: /module vxlan, as packets to n2, n3 go so/,
  });
  t.match(of('kernel-vxlan').fix?.commands, [
    /linux-modules-extra-6\.1\.0-28-amd64/,
    'modprobe vxlan',
  ]);
  t.match(of('kernel-ipip'), { status: 'skip' }, 'no rule asks for it');
  const known = {
    'lib/modules/6.1.0-28-amd64/modules.dep':
      'kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/x.ko\n',
  };
  const loadable = await one(t, 'kernel-vxlan', { kernel: { kinds: [] }, files: known });
  t.equal(loadable.fix?.commands[0], 'modprobe vxlan');

  const ipip = clusterOf(rack.replace('mode: vxlan', 'mode: ipip, family: 4, force: true'));
  const plane = { cluster: ipip, kernel: { kinds: ['vxlan', 'tun'] as const } };
  t.match(await one(t, 'kernel-ipip', plane), { status: 'warn', found: /userspace process/ });
  t.match(await one(t, 'tun', plane), { status: 'ok' });
  const noTun = { ...plane, files: { 'dev/net/tun': null } };
  t.match(await one(t, 'kernel-ipip', noTun), { status: 'fail', found: /no other plane/ });
  t.match(await one(t, 'tun', noTun), { status: 'fail' });
  t.match(await one(t, 'raw-socket', { ...plane, rawSocket: 'cannot load raw-socket' }), {
    status: 'fail',
  });
  t.match(await one(t, 'raw-socket', { rawSocket: 'cannot load raw-socket' }), { status: 'warn' });
});

t.test('no guard, no tunnel', async (t) => {
  t.match(await one(t, 'guard-backend', { guard: 'none' }), { status: 'fail', found: /no guard/ });
  t.match(await one(t, 'guard-backend', { guard: 'iptables' }), { status: 'warn' });
  t.match(await one(t, 'guard-backend'), { status: 'ok', found: 'held by nftables' });
});

/** The agent's own devices, without their agent. */
function installed(kernel: FakeKernel): void {
  kernel.outside([{ verb: 'set', object: vxlanLink('slv4a', {}) }]);
}

function vxlanLink(name: string, more: Partial<VxlanLink>): VxlanLink {
  return {
    ...{ type: 'link', kind: 'vxlan', name, mtu: 1450, up: true, mac: '02:00:00:00:00:01' },
    ...{ vni: 4096, port: 4789, local: parseAddress('192.168.10.11'), parent: 'eth0' },
    ...{ learning: false, df: 'set', ttl: 64, tos: 'inherit' },
    ...more,
  };
}

const frozen = { status: { freeze: { since: 'noon', until: null, reason: null, drift: [] } } };

t.test('forwarding counts where nobody will switch it on', async (t) => {
  t.match(await one(t, 'forwarding-ipv4', { agent: frozen }), {
    status: 'fail',
    found: 'off (net.ipv4.ip_forward = 0)',
    fix: { commands: ['sysctl -w net.ipv4.ip_forward=1'] },
  });
  t.match(
    await one(t, 'forwarding-ipv6', { spoil: installed }),
    { status: 'fail' },
    'its agent is dead',
  );
  t.match(await one(t, 'forwarding-ipv4', { agent: { status: {} } }), { status: 'warn' });
  const v4 = clusterOf(rack.replace(/, 'fd64[^']*'/g, ''));
  t.match(await one(t, 'forwarding-ipv6', { cluster: v4, agent: frozen }), { status: 'skip' });
});

t.test('a strict reverse-path filter counts where pairs go two ways', async (t) => {
  const strict = { 'net/ipv4/conf/all/rp_filter': '1', 'net/ipv4/ip_forward': '1' };
  const kernel = {
    nics: [nic('192.168.10.11/24')],
    sysctls: { ...strict, 'net/ipv6/conf/all/forwarding': '1' },
  };
  t.match(await one(t, 'reverse-path', { kernel }), { status: 'ok' }, 'the agent makes it loose');
  const [symmetric] = (await preflight(t, { kernel, agent: frozen })).filter(
    ({ id }) => id === 'reverse-path',
  );
  t.match(symmetric, { status: 'warn', found: /today all pairs are symmetric/ });
  const cluster = clusterOf(
    rack.replace(
      'rules:',
      'rules:\n  - { name: there, from: { node: n2 }, to: { node: n1 }, family: 4, mode: native }',
    ),
  );
  const found = (await preflight(t, { kernel, cluster, agent: frozen })).filter(
    ({ id, status }) => id === 'reverse-path' && status === 'fail',
  );
  t.match(found, [
    {
      found:
        'strict on eth0 (all 1, eth0 0), and packets of n2 arrive there while answers leave elsewhere',
      fix: {
        commands: ['sysctl -w net.ipv4.conf.eth0.rp_filter=2'],
        file: {
          path: '/etc/sysctl.d/90-selvage.conf',
          lines: ['net.ipv4.conf.eth0.rp_filter = 2'],
        },
      },
    },
  ]);
});

t.test('tables that are full', async (t) => {
  const count = (text: string) => ({ 'proc/sys/net/netfilter/nf_conntrack_count': text });
  t.match(await one(t, 'conntrack', { files: count('262144') }), {
    status: 'fail',
    found: '262144 of 262144 connections',
    fix: { commands: ['sysctl -w net.netfilter.nf_conntrack_max=1048576'] },
  });
  t.match(await one(t, 'conntrack', { files: count('250000') }), { status: 'warn' });
  const room = (text: string) => ({ 'proc/sys/net/ipv4/neigh/default/gc_thresh3': text });
  t.match(await one(t, 'neighbour-table', { files: room('1') }), {
    status: 'fail',
    found: 'room for 1 IPv4 neighbours, and 2 peers are on the same subnet',
    fix: {
      commands: [
        'sysctl -w net.ipv4.neigh.default.gc_thresh3=8 net.ipv4.neigh.default.gc_thresh2=4',
      ],
    },
  });
  t.match(await one(t, 'neighbour-table', { files: room('3') }), { status: 'warn' });
  t.match(await one(t, 'inotify', { files: { 'proc/sys/fs/inotify/max_user_instances': '2' } }), {
    status: 'warn',
  });
});

t.test('the NIC and its address', async (t) => {
  const elsewhere = { nics: [nic('192.168.10.99/24')], sysctls: {} };
  t.match(await one(t, 'underlay-address', { kernel: elsewhere }), {
    status: 'fail',
    found: 'no device of this machine has 192.168.10.11',
    fix: { commands: ['ip address add 192.168.10.11/24 dev NIC', /--node NAME/] },
  });
  t.match(
    await one(t, 'underlay-address', {
      kernel: { nics: [nic('192.168.10.11/24'), { ...nic('192.168.10.12/24'), name: 'eth1' }] },
    }),
    { status: 'fail', found: 'eth1 has 192.168.10.12, the address of node n2' },
  );
  t.match(
    await one(t, 'underlay-address', {
      spoil: (kernel) => kernel.setDetails({ duplicates: ['192.168.10.11'] }),
    }),
    { status: 'fail', found: /another host of the link has it/ },
  );
  const link = (kernel: FakeKernel): void =>
    kernel.setDetails({ devices: { eth0: { mac: '02:00:5e:00:00:01' } } });
  const others = ['02:00:5e:00:00:01', '02:00:5e:00:00:02'];
  t.match(await one(t, 'duplicate-address', { spoil: link, others }), {
    status: 'fail',
    found: '02:00:5e:00:00:02 answers for 192.168.10.11 as well',
  });
  t.match(await one(t, 'duplicate-address', { spoil: link }), { status: 'ok' });
  t.match(await one(t, 'nic-mtu', { kernel: { nics: [nic('192.168.10.11/24', 1400)] } }), {
    status: 'fail',
    found:
      'eth0 has 1400, and peers count on 1500, as onprem has it: larger packets of theirs are lost here',
  });
  const small = clusterOf(rack.replace('segment: row', 'segment: row, mtu: 1400'));
  t.match(
    await one(t, 'nic-mtu', { cluster: small, kernel: { nics: [nic('192.168.10.11/24', 1400)] } }),
    { status: 'ok', found: 'eth0 1400, peers count on 1400' },
  );
  t.match(
    await one(t, 'nic-state', {
      spoil: (kernel) => kernel.setDetails({ devices: { eth0: { carrier: false } } }),
    }),
    { status: 'fail', found: 'eth0 is without carrier' },
  );
});

t.test('ways to peers', async (t) => {
  const other = { nics: [{ name: 'eth0', addresses: nic('192.168.10.11/32').addresses }] };
  const far = clusterOf(
    rack
      .replace('192.168.10.12/24', '192.168.11.12/24')
      .replace('[192.168.10.0/24]', '[192.168.10.0/24, 192.168.11.0/24]'),
  );
  const lost = (await preflight(t, { cluster: far, kernel: other })).filter(
    ({ id }) => id === 'underlay-routes',
  );
  t.match(lost[0], { status: 'fail', found: 'no route to 192.168.11.12, the address of n2' });
  const shut = clusterOf(
    rack
      .replace(
        'segment: row',
        'segment: row, firewall: { vxlan: blocked, ipip: blocked, native: blocked }',
      )
      .replace('{ name: all, mode: vxlan }', '{ name: all, mode: auto }'),
  );
  t.match(await one(t, 'decisions', { cluster: shut }), {
    status: 'fail',
    found: 'no way to n2, n3 (no-mode)',
  });
});

const udp = (port: number, inode: number, address = '00000000'): string =>
  `  sl  local_address\n 1: ${address}:${port.toString(16).toUpperCase()} 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 ${inode} 2 0 0\n`;

function holder(root: string, inode: number): void {
  mkdirSync(join(root, 'proc/4242/fd'), { recursive: true });
  writeFileSync(join(root, 'proc/4242/comm'), 'flanneld\n');
  symlinkSync(`socket:[${inode}]`, join(root, 'proc/4242/fd/9'));
}

t.test("others on the tunnels' port", async (t) => {
  const add = (link: VxlanLink) => (kernel: FakeKernel) => {
    const op: Op = { verb: 'set', object: link };
    kernel.outside([op]);
  };
  const same = { spoil: add(vxlanLink('flannel.1', {})) };
  t.match(await one(t, 'vxlan-device', same), {
    status: 'fail',
    found: 'flannel.1 (flannel) has VNI 4096 on port 4789',
    fix: { commands: ['# cluster file: overlay: { vxlan: { vni: 14096, port: 4789 } }'] },
  });
  const beside = { spoil: add(vxlanLink('vxlan.calico', { vni: 7 })) };
  t.match(await one(t, 'vxlan-device', beside), {
    status: 'warn',
    found: /^vxlan\.calico \(Calico\)/,
  });
  const metadata = { spoil: add(vxlanLink('cilium_vxlan', { vni: 0, extra: ['external'] })) };
  t.match(
    await one(t, 'vxlan-device', metadata),
    { status: 'fail' },
    'no device comes up beside it',
  );
  const apart = { spoil: add(vxlanLink('flannel.1', { port: 8472, vni: 1 })) };
  t.match(await one(t, 'vxlan-device', apart), {
    status: 'ok',
    found: /flannel\.1 \(flannel\) on port 8472/,
  });

  const taken = {
    files: { 'proc/net/udp': udp(4789, 555, '0100007F') },
    prepare: (root: string) => holder(root, 555),
  };
  t.match(await one(t, 'vxlan-port', taken), {
    status: 'fail',
    found: 'process flanneld (pid 4242) has UDP port 4789',
  });
  t.match(await one(t, 'vxlan-port', { files: { 'proc/net/udp': udp(4789, 555) } }), {
    status: 'warn',
    found: /Docker Swarm/,
  });
  t.match(await one(t, 'vxlan-port', { ...same, files: { 'proc/net/udp': udp(4789, 555) } }), {
    status: 'ok',
    found: 'held by flannel.1',
  });
  const probes = {
    files: { 'proc/net/udp': udp(8473, 556) },
    prepare: (root: string) => holder(root, 556),
  };
  t.match(await one(t, 'probe-port', probes), { status: 'warn', found: /flanneld/ });
  t.match(await one(t, 'probe-port', { ...probes, agent: { status: { pid: 4242 } } }), {
    status: 'ok',
    found: "8473 is the agent's",
  });
  const writer = 'Num RefCount\n0000: 00000002 00000000 00010000 0001 01 99 @selvage/writer\n';
  t.match(await one(t, 'other-agent', { files: { 'proc/net/unix': writer } }), { status: 'warn' });
});

t.test("others' routes and rules", async (t) => {
  const route = (prefix: string, protocol: number): RouteObject => ({
    ...{ type: 'route', prefix: parsePrefix(prefix), table: mainTable, metric: 0, protocol },
    target: { kind: 'blackhole' },
  });
  const world = (prefix: string): World => ({
    kernel: { nics: [nic('192.168.10.11/24')], routes: [route(prefix, 4)] },
  });
  t.match(await one(t, 'foreign-routes', world('10.64.2.0/25')), {
    status: 'fail',
    found: /10\.64\.2\.0\/25.* inside of 10\.64\.2\.0\/24 of n2, leads away/,
  });
  t.match(
    await one(t, 'foreign-routes', world('10.64.1.0/25')),
    { status: 'ok' },
    "this node's own",
  );
  t.match(
    await one(t, 'foreign-routes', world('10.64.0.0/17')),
    { status: 'ok' },
    'wider than ours',
  );
});

t.test('what holds our place is named with its deletion', async (t) => {
  const held = async (actual: string) => {
    const plan = { foreign: [{ desired: 'ours', actual }] };
    return (await one(t, 'foreign-routes', { agent: { status: {}, plan } })).fix?.commands;
  };
  t.same(await held('route 10.64.2.0/24 dev eth1 metric 600'), [
    'ip route delete 10.64.2.0/24 dev eth1 metric 600',
  ]);
  t.same(await held('link slv4a kind dummy'), ['ip link delete slv4a']);
});

t.test('programs that manage networks, with the file that ends it', async (t) => {
  const running = { 'run/NetworkManager/devices/2': '' };
  t.match(await one(t, 'network-manager', { files: running }), {
    status: 'warn',
    found: /would manage .*slv4a/,
    fix: {
      file: {
        path: '/etc/NetworkManager/conf.d/90-selvage.conf',
        lines: ['[keyfile]', /^unmanaged-devices\+=interface-name:slv4\?;/],
      },
      commands: ['nmcli general reload'],
    },
  });
  const told = (text: string) => ({
    ...running,
    'etc/NetworkManager/conf.d/90-selvage.conf': `[keyfile]\n${text}\n`,
  });
  const names = 'interface-name:slv*;interface-name:sl?b*;interface-name:slsit4*';
  t.match(await one(t, 'network-manager', { files: told(`unmanaged-devices+=${names}`) }), {
    status: 'warn',
    found: 'runs, and would manage slip4, slip6, slip4b',
  });
  const whole = names.replace('sl?b*', 'slip*');
  t.match(await one(t, 'network-manager', { files: told(`unmanaged-devices+=${whole}`) }), {
    status: 'ok',
  });
  t.match(
    await one(t, 'network-manager', {
      files: {
        ...told(`unmanaged-devices+=${whole}`),
        'etc/NetworkManager/conf.d/99-last.conf':
          '[keyfile]\nunmanaged-devices=mac:00:11:22:33:44:55\n',
      },
    }),
    { status: 'warn' },
    'a later file begins the list anew',
  );

  const netif = { 'run/systemd/netif/state': 'OPER_STATE=routable\n' };
  t.match(await one(t, 'networkd', { files: netif }), {
    status: 'warn',
    found: /ManageForeignRoutes, ManageForeignRoutingPolicyRules/,
    fix: {
      file: {
        lines: ['[Network]', 'ManageForeignRoutes=no', 'ManageForeignRoutingPolicyRules=no'],
      },
    },
  });
  const kept = {
    ...netif,
    'etc/systemd/networkd.conf.d/90-selvage.conf':
      '[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n',
  };
  t.match(await one(t, 'networkd', { files: kept }), { status: 'ok' });
  const greedy = {
    ...kept,
    'etc/systemd/network/80-all.network': '[Match]\nName=*\n[Network]\nDHCP=yes\n',
  };
  t.match(await one(t, 'networkd', { files: greedy }), {
    status: 'warn',
    found: 'runs, and etc/systemd/network/80-all.network matches our devices',
  });
  t.match(
    await one(t, 'networkd', {
      files: {
        ...greedy,
        'etc/systemd/network/05-selvage.network':
          '[Match]\nName=slv4? slv6?\n[Link]\nUnmanaged=yes\n',
      },
    }),
    { status: 'ok' },
  );
  const init = {
    'run/cloud-init/status.json': '{}',
    'etc/netplan/50-cloud-init.yaml': 'network: {}\n',
  };
  t.match(await one(t, 'cloud-init', { files: init }), { status: 'ok', found: /50-cloud-init/ });
  t.match(
    await one(t, 'cloud-init', {
      files: { ...init, 'etc/netplan/50-cloud-init.yaml': 'tunnels: { slip4: {} }' },
    }),
    { status: 'warn' },
  );
  t.match(await one(t, 'firewall-manager', { files: { 'etc/ufw/ufw.conf': 'ENABLED=yes\n' } }), {
    status: 'warn',
    fix: { commands: ['ufw allow 4789/udp', /-p 4/] },
  });
});

t.test("others' packet filters", async (t) => {
  const chain = (hook: string, policy: string) => [
    { table: { family: 'inet', name: 'strict', handle: 1 } },
    {
      chain: {
        family: 'inet',
        table: 'strict',
        name: hook,
        handle: 1,
        type: 'filter',
        hook,
        prio: 0,
        policy,
      },
    },
  ];
  const world = (hook: string, policy = 'drop'): World => ({
    rulesets: { nft: JSON.stringify({ nftables: chain(hook, policy) }) },
  });
  const inputs = (await preflight(t, world('input'))).filter(({ id }) => id === 'foreign-filter');
  t.same(
    inputs.map(({ status, found }) => `${status} ${/drops (.*)/.exec(found)?.[1]}`),
    [
      'fail VXLAN (UDP 4789) over IPv4',
      'warn IP in IP (protocol 4) over IPv4',
      'warn IP in IP (protocol 41) over IPv4',
    ],
    'what nobody sends is not lost',
  );
  t.match(inputs[0]?.fix?.commands, [
    'nft insert rule inet strict input iifname "eth0" udp dport 4789 accept',
  ]);
  const forwarded = (await preflight(t, world('forward'))).filter(
    ({ id }) => id === 'foreign-filter',
  );
  t.ok(forwarded.length > 0 && forwarded.every(({ status }) => status === 'fail'));
  t.match(await one(t, 'foreign-filter', world('forward', 'accept')), { status: 'ok' });
});

t.test('the guard and our own objects, by who would put them right', async (t) => {
  const plan = {
    guard: 'set outer4 lacks 192.168.10.12',
    changes: [
      {
        action: 'update',
        object: 'link slv4a',
        actual: 'link slv4a vni 7',
        attributes: ['vni'],
        recreate: true,
      },
      { action: 'update', object: 'link slv6a', actual: 'x', attributes: ['ttl'], recreate: false },
      { action: 'delete', object: 'route 1', actual: 'route 1', attributes: [], recreate: false },
      {
        action: 'update',
        object: 'sysctl net/ipv4/ip_forward=1',
        actual: '0',
        attributes: ['value'],
        recreate: false,
      },
    ],
  } as const;
  const of = async (agent: World['agent'] & object, id: string) =>
    (await preflight(t, { agent }))
      .filter((result) => result.id === id)
      .map(({ status }) => status);
  t.same(await of({ ...frozen, plan }, 'objects'), ['fail', 'warn']);
  t.same(await of({ status: {}, plan }, 'objects'), ['warn', 'warn']);
  t.same(await of({ ...frozen, plan }, 'guard-state'), ['fail']);
  t.same(
    await of({ ...frozen, plan: { guard: 'table inet selvage_guard is missing' } }, 'guard-state'),
    ['warn'],
  );
  t.same(await of({ status: {}, plan }, 'guard-state'), ['warn']);
  const dead = (await preflight(t, { spoil: installed })).filter(({ id }) => id === 'objects');
  t.ok(
    dead.some(
      ({ status, found }) =>
        status === 'fail' && / of link slv4a: .* is missing, .* and \d+ more$/.test(found),
    ),
  );
  t.match(await one(t, 'agent', { spoil: installed }), { status: 'warn', found: /none answers/ });
  const failed = { node: 'n2', state: 'failed', error: 'EEXIST' };
  t.match(
    await one(t, 'agent-problems', { agent: { status: { peers: [failed] } } } as unknown as World),
    { status: 'fail', found: 'no way is made to n2: EEXIST' },
  );
  const finding = {
    node: 'n2',
    family: 4,
    way: 'vxlan over IPv4',
    text: 'lost',
    acted: false,
    instead: null,
  };
  const probes = { policy: 'observe', packetsPerSecond: 1, probed: ['n2'], findings: [finding] };
  const seen = { peers: [{ node: 'n2', mode: 'vxlan', state: 'ok' }], probes };
  t.match(await one(t, 'probes', { agent: { status: seen } } as unknown as World), {
    status: 'fail',
  });
  const unused = { ...seen, probes: { ...probes, findings: [{ ...finding, way: 'ipip' }] } };
  t.match(await one(t, 'probes', { agent: { status: unused } } as unknown as World), {
    status: 'warn',
  });
});

t.test('what the service needs', async (t) => {
  const user = { 'proc/self/status': 'Uid:\t1000\t1000\t1000\t1000\n' };
  t.match(await one(t, 'directories', { files: user }), { status: 'skip' }, 'another user');
  t.match(await one(t, 'raw-socket', { rawSocket: 'cannot open: give it CAP_NET_RAW' }), {
    status: 'skip',
  });
  t.match(
    await one(t, 'directories', { prepare: (root) => chmodSync(join(root, 'run/selvage'), 0o755) }),
    { status: 'warn', found: '/run/selvage has mode 0755' },
  );
  t.match(
    await one(t, 'directories', {
      prepare: (root) => {
        rmSync(join(root, 'var/lib/selvage'), { recursive: true });
        writeFileSync(join(root, 'var/lib/selvage'), '');
      },
    }),
    { status: 'fail', found: '/var/lib/selvage is no directory' },
  );
  const key = (mode: number) => (root: string) => {
    mkdirSync(join(root, 'etc/selvage'), { recursive: true });
    writeFileSync(join(root, 'etc/selvage/cluster.key'), 'k'.repeat(44), { mode });
  };
  t.match(await one(t, 'cluster-key', { prepare: key(0o600) }), { status: 'ok' });
  t.match(await one(t, 'cluster-key', { prepare: key(0o644) }), {
    status: 'warn',
    found: /others than its owner/,
    fix: { commands: ['chmod 0600 /etc/selvage/cluster.key'] },
  });
  t.match(await one(t, 'clock', { files: { 'run/systemd/timesync/synchronized': null } }), {
    status: 'warn',
  });
  t.match(
    await one(t, 'clock', {
      files: { 'run/systemd/timesync/synchronized': null, 'run/chrony/chronyd.pid': '9' },
    }),
    { status: 'ok', found: 'kept by chrony' },
  );
});

t.test('the answer is grouped, and problems say what to type', async (t) => {
  const checks = await preflight(t, {
    guard: 'none',
    files: { 'run/NetworkManager/devices/2': '' },
  });
  const about = { cluster: 'racks', node: 'n1', file: 'cluster.yaml', keeper: 'absent' } as const;
  const report = preflightReport(about, checks);
  t.match(report, { schema: 'selvage.preflight/1', worst: 'fail', counts: { fail: 1, warn: 2 } });
  const terminal = terminalFor({ isTty: false, columns: undefined, env: {}, noColor: true });
  const text = renderPreflight(report, terminal, { all: false });
  t.match(
    text,
    /^node n1 of cluster racks \(cluster\.yaml\): nothing of selvage is here yet\n\nKernel\n/,
  );
  t.match(text, / {2}✓ kernel release +Linux 6\.1\.0-28-amd64\n/);
  t.match(text, / {2}✗ guard +no guard, so no tunnel/);
  t.match(text, /needed +nftables with a kernel that has nf_tables\n/);
  t.match(text, /\$ nmcli general reload\n/);
  t.match(
    text,
    /✗ packets would be lost: \d+ ok, 2 warn, 1 fail, \d+ skipped \(--all shows them\)$/,
  );
  t.notMatch(text, /not asked|no cloud/);
  t.match(renderPreflight(report, terminal, { all: true }), /· protocol 4 +no cloud/);
});
