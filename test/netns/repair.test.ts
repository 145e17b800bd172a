/**
 * Drift of every attribute of every object that is ours, one at a time, seen and repaired by a real
 * agent on a real kernel, and how long that takes. The peers of this node need not exist:
 *
 *     namespace a:  n1, 192.0.2.1/24 on eth0, slv4a to n2 … n12, native to n13
 */
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { firstAddress, parsePrefix } from '../../encap/prefix.js';
import { parseAddress } from '../../encap/address.js';
import { mainTable, metrics, ownState, routeProtocol } from '../../routes/ownership.js';
import type { KernelState, Op, RouteObject, VxlanLink } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { workingPaths } from '../support/working.js';

const skip = skipReason('root', 'netns', 'nft', 'kernel-vxlan');
const nodes = Array.from({ length: 13 }, (_, index) => index + 1);
const yaml = `
cluster: repair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
rules:
  - { name: near, between: [{ node: n1 }, { node: n13 }], mode: native, family: 4, force: true }
  - { name: rest, mode: vxlan, force: true }
nodes:
${nodes
  .map(
    (n) =>
      `  - { name: n${n}, address: 192.0.2.${n}/24, overlay: [10.64.${n}.0/24, "fd64:0:0:${n}::/64"] }`,
  )
  .join('\n')}
`;

interface Damage {
  readonly what: string;
  /** By the port, as somebody else would; or a command line in the namespace. */
  readonly ops?: (state: KernelState, peer: number) => readonly Op[];
  readonly command?: string;
  /** Of the agent's log line about the repair. */
  readonly repaired: RegExp;
}

const device = (state: KernelState): VxlanLink =>
  state.links.find((link): link is VxlanLink => link.name === 'slv4a' && link.kind === 'vxlan')!;
const edited = (change: Partial<VxlanLink>): NonNullable<Damage['ops']> => {
  return (state) => [{ verb: 'set', object: { ...device(state), ...change } }];
};
const exchanged = (parameters: string): string =>
  `ip link del slv4a; ip link del slv4b; ip link add slv4a type vxlan ${parameters} local 192.0.2.1 dev eth0 nolearning`;
const sysctl = (path: string, value: string): NonNullable<Damage['ops']> => {
  return () => [{ verb: 'set', object: { type: 'sysctl', path, value } }];
};

/** Each at most twice: more on one device within ten seconds would be a fight. */
const deviceDamages: readonly Damage[] = [
  { what: 'mtu', ops: edited({ mtu: 1300 }), repaired: /"attributes":\["mtu"\].*slv4a/ },
  { what: 'mtu below IPv6', ops: edited({ mtu: 1000 }), repaired: /"mtu".*slv4a/ },
  { what: 'down', ops: edited({ up: false }), repaired: /"attributes":\["up"\].*slv4a/ },
  { what: 'mac', ops: edited({ mac: '02:00:00:00:00:99' }), repaired: /\["mac"\].*slv4a/ },
  { what: 'local', ops: edited({ local: parseAddress('192.0.2.77') }), repaired: /"local"/ },
  { what: 'learning', ops: edited({ learning: true }), repaired: /\["learning"\]/ },
  { what: 'ttl', ops: edited({ ttl: 3 }), repaired: /\["ttl"\]/ },
  { what: 'tos', ops: edited({ tos: 0x20 }), repaired: /\["tos"\]/ },
  { what: 'df', ops: edited({ df: 'unset' }), repaired: /\["df"\]/ },
  { what: 'parent', ops: edited({ parent: 'lo' }), repaired: /\["parent"\]/ },
  { what: 'deleted', ops: (s) => [{ verb: 'delete', object: device(s) }], repaired: /create link/ },
  {
    what: 'default remote',
    command: 'ip link set slv4a type vxlan id 4096 remote 192.0.2.9 dev eth0',
    repaired: /"extra".*slv4a/,
  },
  {
    what: 'all IPv6 addresses flushed',
    command: 'ip -6 addr flush dev slv4a',
    repaired: /create addr fe80/,
  },
  {
    what: 'disable_ipv6',
    ops: sysctl('net/ipv6/conf/slv4a/disable_ipv6', '1'),
    repaired: /slv4a\/disable_ipv6/,
  },
];

const overlay = (peer: number) => parsePrefix(`10.64.${peer}.0/24`);
const overlay6 = (peer: number) => parsePrefix(`fd64:0:0:${peer}::/64`);
function routeTo(state: KernelState, text: string): RouteObject {
  return state.routes.find((r) => r.protocol === routeProtocol && r.prefix.text === text)!;
}
function routeDamage(
  what: string,
  change: (route: RouteObject) => RouteObject,
  options: { readonly repaired: RegExp; readonly family?: 4 | 6; readonly native?: boolean },
): Damage {
  return {
    what: `IPv${options.family ?? 4} route: ${what}`,
    repaired: options.repaired,
    ops: (state, peer) => {
      const to = options.native === true ? 13 : peer;
      const prefix = (options.family ?? 4) === 4 ? overlay(to) : overlay6(to);
      const route = routeTo(state, prefix.text);
      const damaged = change(route);
      return [
        ...(damaged.metric === route.metric && route.prefix.family === 4
          ? []
          : [{ verb: 'delete', object: route } as const]),
        { verb: 'set', object: damaged },
      ];
    },
  };
}
const retarget =
  (target: Partial<Extract<RouteObject['target'], { kind: 'unicast' }>>) =>
  (route: RouteObject): RouteObject => ({
    ...route,
    target: { ...route.target, ...target } as RouteObject['target'],
  });
const fdbOf = (state: KernelState, peer: number) =>
  state.fdb.find((entry) => entry.remote.text === `192.0.2.${peer}`)!;
const neighbourOf = (state: KernelState, peer: number) =>
  state.neighbours.find((entry) => entry.address.text === `10.64.${peer}.0`)!;

const damages: readonly Damage[] = [
  ...([4, 6] as const).flatMap((family) => [
    routeDamage('metric', (route) => ({ ...route, metric: 77 }), {
      family,
      repaired: /create route/,
    }),
    routeDamage('mtu', retarget({ mtu: 1200 }), { family, repaired: /"target.mtu".*route/ }),
    routeDamage('no mtu', retarget({ mtu: undefined }), {
      family,
      repaired: /"target.mtu".*route/,
    }),
    routeDamage('type', (route) => ({ ...route, target: { kind: 'blackhole' } }), {
      family,
      repaired: /"target.kind".*route/,
    }),
    routeDamage('device', retarget({ device: 'eth0', preferredSource: undefined }), {
      family,
      repaired: /"target.device".*route/,
    }),
  ]),
  routeDamage('gateway', retarget({ gateway: parseAddress('10.64.99.0') }), {
    repaired: /"target.gateway".*route/,
  }),
  routeDamage('source', retarget({ preferredSource: parseAddress('192.0.2.1') }), {
    repaired: /"target.preferredSource".*route/,
  }),
  routeDamage('native gateway', retarget({ gateway: parseAddress('192.0.2.99') }), {
    native: true,
    repaired: /"target.gateway".*10\.64\.13\.0/,
  }),
  {
    what: 'route deleted',
    ops: (s, peer) => [{ verb: 'delete', object: routeTo(s, overlay(peer).text) }],
    repaired: /create route/,
  },
  {
    what: 'IPv6 route deleted',
    ops: (s, peer) => [{ verb: 'delete', object: routeTo(s, overlay6(peer).text) }],
    repaired: /create route fd64/,
  },
  {
    what: 'a second IPv4 route of the same key',
    command:
      'eval "$(ip route show 10.64.5.0/24 proto 83 | sed -n "1s/^\\(10.64.5.0.24\\).*\\(metric [0-9]*\\).*/ip route append \\1 via 192.0.2.9 dev eth0 proto 83 \\2/p")"',
    repaired: /(update|delete|create) route 10\.64\.5\.0/,
  },
  {
    what: 'a second IPv6 next hop',
    command:
      'eval "$(ip -6 route show fd64:0:0:5::/64 proto 83 | sed -n "1s/^\\(fd64[^ ]*\\).*\\(metric [0-9]*\\).*/ip -6 route append \\1 via fe80::9 dev slv4a proto 83 \\2/p")"',
    repaired: /route fd64:0:0:5::/,
  },
  {
    what: 'a route of ours that nobody asked for',
    ops: () => [
      {
        verb: 'set',
        object: {
          type: 'route',
          prefix: parsePrefix('203.0.113.0/24'),
          table: mainTable,
          metric: metrics.path,
          protocol: routeProtocol,
          target: { kind: 'blackhole' },
        },
      },
    ],
    repaired: /delete route blackhole 203\.0\.113/,
  },
  {
    what: "the own block's blackhole",
    ops: (s) => [{ verb: 'delete', object: routeTo(s, '10.64.1.0/24') }],
    repaired: /create route blackhole 10\.64\.1\.0/,
  },
  {
    what: "the pool's unreachable",
    ops: (s) => [{ verb: 'delete', object: routeTo(s, '10.64.0.0/16') }],
    repaired: /create route unreachable 10\.64\.0\.0/,
  },
  {
    what: 'neighbour deleted',
    ops: (s, peer) => [{ verb: 'delete', object: neighbourOf(s, peer) }],
    repaired: /create neigh/,
  },
  {
    what: "neighbour's mac",
    ops: (s, peer) => [
      { verb: 'set', object: { ...neighbourOf(s, peer), mac: '02:00:00:00:00:98' } },
    ],
    repaired: /"mac".*neigh/,
  },
  {
    what: "neighbour's state",
    command: 'ip neigh change 10.64.6.0 dev slv4a lladdr 02:00:00:00:00:97 nud reachable',
    repaired: /neigh 10\.64\.6\.0/,
  },
  {
    what: 'an extra neighbour',
    ops: (s) => [
      { verb: 'set', object: { ...neighbourOf(s, 2), address: parseAddress('10.64.200.0') } },
    ],
    repaired: /delete neigh 10\.64\.200\.0/,
  },
  {
    what: 'FDB entry deleted',
    ops: (s, peer) => [{ verb: 'delete', object: fdbOf(s, peer) }],
    repaired: /create fdb/,
  },
  {
    what: "FDB entry's destination",
    ops: (s, peer) => [
      { verb: 'set', object: { ...fdbOf(s, peer), remote: parseAddress('192.0.2.200') } },
    ],
    repaired: /"remote".*fdb/,
  },
  {
    what: "FDB entry's port",
    command:
      'eval "$(bridge fdb show dev slv4a | sed -n "s/^\\([^ ]*\\) dst 192.0.2.7 .*/bridge fdb replace \\1 dev slv4a dst 192.0.2.7 port 5555 self permanent/p")"',
    repaired: /fdb/,
  },
  {
    what: 'an extra FDB entry',
    ops: (s) => [{ verb: 'set', object: { ...fdbOf(s, 2), mac: '02:00:00:00:00:96' } }],
    repaired: /delete fdb 02:00:00:00:00:96/,
  },
  {
    what: 'flooding to a stranger',
    command: 'bridge fdb append 00:00:00:00:00:00 dev slv4a dst 192.0.2.66 self permanent',
    repaired: /delete fdb 00:00:00:00:00:00/,
  },
  {
    what: 'address deleted',
    ops: (s) => [
      {
        verb: 'delete',
        object: s.addresses.find((a) => a.device === 'slv4a' && a.address.length === 32)!,
      },
    ],
    repaired: /create addr 10\.64\.1\.0/,
  },
  {
    what: 'IPv6 address deleted',
    ops: (s) => [
      {
        verb: 'delete',
        object: s.addresses.find((a) => a.device === 'slv4a' && a.address.length === 128)!,
      },
    ],
    repaired: /create addr fd64/,
  },
  {
    what: 'an extra address',
    ops: () => [
      {
        verb: 'set',
        object: {
          type: 'address',
          device: 'slv4a',
          address: { address: firstAddress(overlay(55)), length: 24 },
        },
      },
    ],
    repaired: /delete addr 10\.64\.55\.0/,
  },
  {
    what: 'link-local address deleted',
    ops: (s) => [
      {
        verb: 'delete',
        object: s.addresses.find((a) => a.device === 'slv4a' && a.address.length === 64)!,
      },
    ],
    repaired: /create addr fe80/,
  },
  {
    what: 'rp_filter of the device',
    ops: sysctl('net/ipv4/conf/slv4a/rp_filter', '1'),
    repaired: /slv4a\/rp_filter/,
  },
  {
    what: 'forwarding of the device',
    ops: sysctl('net/ipv4/conf/slv4a/forwarding', '0'),
    repaired: /ipv4\/conf\/slv4a\/forwarding/,
  },
  {
    what: 'IPv6 forwarding of the device',
    ops: sysctl('net/ipv6/conf/slv4a/forwarding', '0'),
    repaired: /ipv6\/conf\/slv4a\/forwarding/,
  },
  { what: 'ip_forward', ops: sysctl('net/ipv4/ip_forward', '0'), repaired: /ip_forward/ },
  {
    what: 'IPv6 forwarding',
    ops: sysctl('net/ipv6/conf/all/forwarding', '0'),
    repaired: /forwarding/,
  },
  {
    what: 'rp_filter of the NIC',
    ops: sysctl('net/ipv4/conf/eth0/rp_filter', '1'),
    repaired: /eth0\/rp_filter/,
  },
];

/** Each a few times only: more within ten seconds would be a fight. */
const guardDamages: readonly Damage[] = [
  ['table deleted', 'delete table inet selvage_guard', /table inet selvage_guard is missing/],
  ['all rules flushed', 'flush table inet selvage_guard', /its rules missing/],
  ['a chain flushed', 'flush chain inet selvage_guard outer', /chain outer: \d+ of its rules/],
  ['a set flushed', 'flush set inet selvage_guard outer4', /set outer4 lacks/],
  [
    'a set element removed',
    'delete element inet selvage_guard outer4 { 192.0.2.5 }',
    /set outer4 lacks 192\.0\.2\.5/,
  ],
  [
    'a set element added',
    'add element inet selvage_guard outer4 { 192.0.2.99 }',
    /set outer4 has 192\.0\.2\.99 in excess/,
  ],
  ['a rule inserted', 'insert rule inet selvage_guard input accept', /chain input: .*1 not ours/],
  ['a rule appended', 'add rule inet selvage_guard forward accept', /chain forward: .*1 not ours/],
  ['a chain added', 'add chain inet selvage_guard mine', /chain mine is not ours/],
].map(([what, edit, repaired]) => ({
  what: `guard: ${what as string}`,
  command: `nft '${edit as string}'`,
  repaired: repaired as RegExp,
}));

/** Kinds of objects, for the table of times. */
function objectOf(damage: Damage): string {
  if (guardDamages.includes(damage)) return 'guard';
  if (deviceDamages.includes(damage)) return 'device';
  const [found] = /neighbour|FDB|flooding|address|filter|forward|accept_ra/.exec(damage.what) ?? [];
  if (found === undefined) return 'route';
  if (found === 'flooding') return 'FDB';
  return found === 'filter' || found === 'forward' || found === 'accept_ra' ? 'sysctl' : found;
}

/** Not announced by the kernel: found by the look once a second. */
const silentDamages: readonly Damage[] = [
  {
    what: 'accept_ra of the NIC',
    ops: sysctl('net/ipv6/conf/eth0/accept_ra', '1'),
    repaired: /accept_ra/,
  },
];

t.setTimeout(150_000);
t.test('every attribute drifts alone and is repaired', { skip, timeout: 140_000 }, async (t) => {
  const a = createNamespace(t);
  const wire = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: wire, device: 'eth0', addresses: ['192.0.2.13/24'] },
  );
  a.sysctl({ 'net/ipv4/conf/eth0/rp_filter': 2, 'net/ipv4/conf/all/rp_filter': 0 });
  const folder = new AgentFolder(t, yaml);
  const agent = folder.start(a, 'n1');
  await agent.ready();
  const kernel = openKernel({ netns: a.path });
  t.teardown(() => kernel.close());

  const sysctls = [
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    'net/ipv4/conf/slv4a/rp_filter',
    'net/ipv4/conf/slv4a/forwarding',
    'net/ipv6/conf/slv4a/forwarding',
    'net/ipv6/conf/slv4a/disable_ipv6',
    'net/ipv4/conf/eth0/rp_filter',
    'net/ipv6/conf/eth0/accept_ra',
  ];
  const picture = async (): Promise<string> => {
    const own = ownState(await kernel.dump());
    return [
      ...[...own.links, ...own.addresses, ...own.neighbours, ...own.fdb, ...own.routes]
        .map((object) =>
          JSON.stringify(object, (key, value: unknown) => (key === 'bytes' ? undefined : value)),
        )
        .sort(),
      ...sysctls.map((path) => `${path}=${kernel.readSysctl(path)}`),
    ].join('\n');
  };
  /** Sorted, as sets that were made anew list their elements in another order. */
  const guardPicture = (): string =>
    a
      .run('nft', ['-s', 'list', 'table', 'inet', 'selvage_guard'])
      .split(/[\n,{}]+/)
      .map((part) => part.trim())
      .sort()
      .join('\n');
  await eventually(
    async () => (await picture()) === (await picture()),
    () => 'no rest',
  );
  const settled = await picture();
  t.match(settled, /"type":"fdb"/);
  const guarded = guardPicture();
  t.match(guarded, /outer_source/);

  const repair = async (damage: Damage, peer: number): Promise<number> => {
    const seen = agent.log().length;
    let start = performance.now();
    if (damage.ops !== undefined) {
      const outcomes = await kernel.apply(damage.ops(await kernel.dump(), peer));
      const [failure] = outcomes.flatMap((outcome) => outcome.failure ?? []);
      if (failure !== undefined) throw new Error(`${damage.what}: ${failure.message}`);
    } else {
      // Faster than a command line is the agent: it must not interfere half-way.
      agent.process.kill('SIGSTOP');
      a.run('sh', ['-c', damage.command!]);
      start = performance.now();
      agent.process.kill('SIGCONT');
    }
    const lines = (): string => agent.log().slice(seen).join('\n');
    let tookMs: number | undefined;
    const isGuard = guardDamages.includes(damage);
    for (;;) {
      // The guard is listed once the agent says so: listing is slower than repairing.
      const found =
        isGuard && (!damage.repaired.test(lines()) || guardPicture() !== guarded)
          ? 'the guard is another one'
          : await picture();
      if (found === settled) tookMs ??= performance.now() - start;
      else tookMs = undefined;
      if (tookMs !== undefined && damage.repaired.test(lines())) return tookMs;
      if (performance.now() - start > 5_000)
        throw new Error(
          `${damage.what} (n${peer}) is not repaired; log:\n${lines()}\nfound:\n${found}\nwanted:\n${settled}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  // Evenly mixed, so that no object is damaged often enough for a fight.
  const rounds = 6;
  const schedule = Array.from({ length: rounds }, () => damages).flat();
  const rare = [...guardDamages, ...deviceDamages, ...guardDamages];
  const every = Math.floor(schedule.length / rare.length);
  const took: { object: string; what: string; ms: number }[] = [];
  let failed = 0;
  for (const [index, damage] of schedule.entries()) {
    const due = [damage];
    if (index % every === 0) due.push(...rare.slice(index / every, index / every + 1));
    for (const each of due) {
      try {
        const ms = await repair(each, 2 + ((index * 7) % 11));
        took.push({ object: objectOf(each), what: each.what, ms });
      } catch (error) {
        t.fail((error as Error).message);
        if (++failed > 3) return;
        await eventually(
          async () => (await picture()) === settled,
          () => 'never repaired',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, (index * 13) % 40));
    }
  }
  const timesOf = (chosen: readonly { readonly ms: number }[]) => {
    const sorted = chosen.map(({ ms }) => ms).sort((x, y) => x - y);
    return (q: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
  };
  const shown = (ms: number): string => `${ms.toFixed(0)} ms`;
  const objects = ['device', 'address', 'neighbour', 'FDB', 'route', 'sysctl', 'guard'];
  t.comment('object     repairs      p50      p99      max');
  for (const object of [...objects, 'all']) {
    const chosen = took.filter((entry) => object === 'all' || entry.object === object);
    t.ok(chosen.length > 0, `${object} was damaged`);
    const at = timesOf(chosen);
    const cells = [at(0.5), at(0.99), at(1)].map((ms) => shown(ms).padStart(9));
    t.comment(`${object.padEnd(10)}${String(chosen.length).padStart(8)}${cells.join('')}`);
  }
  const slowest = [...took].sort((x, y) => y.ms - x.ms).slice(0, 5);
  t.comment(`slowest: ${slowest.map(({ what, ms }) => `${what} ${shown(ms)}`).join(', ')}`);
  const quantile = timesOf(took);
  t.ok(
    took.length >= 200,
    `${took.length} repairs of ${new Set(took.map(({ what }) => what)).size} kinds`,
  );
  // On a quiet machine the 99th percentile is below 100 ms; a busy one may take its time.
  t.ok(quantile(0.5) < 500 && quantile(0.99) < 2_500, `p99 ${shown(quantile(0.99))}`);
  for (const damage of silentDamages) {
    const ms = await repair(damage, 2);
    t.ok(ms < 4_000, `${damage.what}: ${shown(ms)}`);
  }

  // More notifications than the socket has room for, and that of our damage not among them.
  const many = Array.from({ length: 60_000 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24 dev lo`);
  agent.process.kill('SIGSTOP');
  a.ip(...many.map((route) => `route add ${route} table 77`), 'route del 10.64.4.0/24 proto 83');
  const resumedMs = performance.now();
  agent.process.kill('SIGCONT');
  // Another pass may follow at once, so it is looked for from the beginning, and in the log as well.
  let told = false;
  const isTold = async (): Promise<boolean> =>
    (told ||=
      (await agent.status()).lastPass?.reasons.includes('notifications were lost') === true ||
      agent.log().some((line) => line.includes('notifications were lost')));
  await eventually(
    async () => {
      await isTold();
      return (await picture()) === settled;
    },
    () => `missed notifications: not repaired\n${agent.log().slice(-5).join('\n')}`,
  );
  t.comment(`missed notifications: all looked at again in ${shown(performance.now() - resumedMs)}`);
  await eventually(isTold, () => 'that notifications were lost has not led to a pass');
  a.ip('route flush table 77');

  const paths = async () => [...workingPaths(await kernel.dump())].sort();
  const working = await paths();
  t.equal(working.length, 24, 'every peer, both families');
  const devices = [
    'id 77 dstport 4789',
    'id 4096 dstport 5555',
    // Room for one forwarding entry only: the others would be refused.
    'id 4096 dstport 4789 maxaddress 1',
  ];
  for (const what of devices) {
    agent.process.kill('SIGSTOP');
    a.run('sh', ['-c', exchanged(what)]);
    agent.process.kill('SIGCONT');
    const ms = await eventually(
      async () => isDeepStrictEqual(await paths(), working),
      () => `a device with ${what} is not repaired:\n${a.run('ip', ['-d', 'link'])}`,
    );
    t.ok(ms < 5_000, `${what}: ${shown(ms)}`);
  }
  t.same((await agent.status()).contested, []);
});
