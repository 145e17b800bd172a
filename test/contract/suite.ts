/**
 * The behaviour that both kernels must have. Each case starts from a namespace without anything of
 * ours and says what must be there afterwards, as `ip`-like lines.
 */
import { parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P } from '../../encap/prefix.js';
import type {
  FdbObject,
  NeighbourObject,
  Op,
  OpOutcome,
  OwnLink,
  RouteObject,
  RouteTarget,
} from '../../tunnel/kernel.js';
import { changedAttributes, needsRecreate } from '../../tunnel/link-kinds/index.js';
import {
  type Bench,
  addressOn,
  eventOf,
  foreign,
  lines,
  nic,
  ours,
  ownLines,
  remove,
  set,
  vxlan4,
  vxlan6,
  wipe,
} from './bench.js';

type Test = (typeof import('tap'))['default'];
type Unicast = Extract<RouteTarget, { kind: 'unicast' }>;

const peerMac = '02:aa:00:00:00:02';
const own4 = addressOn('slv4a', '10.1.0.0/32');
const own6 = addressOn('slv4a', 'fd00:1::/128');
const hop6 = 'fe80::aa:ff:fe00:2';

const fdb: FdbObject = { type: 'fdb', device: 'slv4a', mac: peerMac, remote: A('192.0.2.2') };
const neighbour = (address: string, mac = peerMac): NeighbourObject => ({
  type: 'neighbour',
  device: 'slv4a',
  address: A(address),
  mac,
});

function plainRoute(prefix: string, target: RouteTarget): RouteObject {
  return { type: 'route', prefix: P(prefix), table: 254, metric: 512, protocol: ours, target };
}

type Refusing = { readonly kind: 'blackhole' | 'unreachable' | 'prohibit' };

function isRefusing(target: Partial<Unicast> | Refusing): target is Refusing {
  return target.kind !== undefined && target.kind !== 'unicast';
}

function route(prefix: string, target: Partial<Unicast> | Refusing): RouteObject {
  if (isRefusing(target)) return plainRoute(prefix, target);
  const unset = { gateway: undefined, onlink: false, mtu: undefined, preferredSource: undefined };
  return plainRoute(prefix, { kind: 'unicast', device: 'slv4a', ...unset, ...target });
}

const route4 = route('10.1.1.0/24', {
  gateway: A('10.1.1.0'),
  onlink: true,
  mtu: 1400,
  preferredSource: A('10.1.0.0'),
});
const route6 = route('fd00:1:1::/64', {
  gateway: A(hop6),
  mtu: 1380,
  preferredSource: A('fd00:1::'),
});
const peer = [fdb, neighbour('10.1.1.0'), neighbour(hop6), route4, route6] as const;
const everything = [vxlan4, own4, own6, ...peer] as const;

function codes(outcomes: readonly OpOutcome[]): readonly string[] {
  return outcomes.map(({ failure }) =>
    failure === undefined
      ? 'ok'
      : failure.extendedAck === undefined
        ? failure.code
        : `${failure.code}: ${failure.extendedAck}`,
  );
}

export function kernelContract(t: Test, bench: Bench): void {
  const { kernel } = bench;

  /** A case, from nothing; `apply` must succeed, `refused` gives what each op was told. */
  function behaviour(
    name: string,
    body: (
      t: Test,
      apply: (...ops: readonly Op[]) => Promise<void>,
      refused: (...ops: readonly Op[]) => Promise<readonly string[]>,
    ) => Promise<void>,
  ): void {
    void t.test(`${name} (${bench.name})`, async (t) => {
      await wipe(kernel);
      t.same(ownLines(await kernel.dump()), [], 'nothing of ours at the start');
      const refused = async (...ops: readonly Op[]): Promise<readonly string[]> =>
        codes(await kernel.apply(ops));
      await body(
        t as unknown as Test,
        async (...ops) => {
          const outcomes = await kernel.apply(ops);
          const failures = outcomes.flatMap(({ failure }) => failure?.message ?? []);
          if (failures.length > 0) throw new Error(failures.join('\n'));
        },
        refused,
      );
    });
  }

  behaviour('what is set is what a dump shows', async (t, apply) => {
    const more = [
      vxlan6,
      route('10.1.0.0/24', { kind: 'blackhole' }),
      route('10.0.0.0/8', { kind: 'unreachable' }),
      route('10.66.0.0/16', { kind: 'prohibit' }),
      route('fd00::/16', { kind: 'unreachable' }),
      route('fd00:66::/32', { kind: 'prohibit' }),
      route('fd00:67::/32', { kind: 'blackhole' }),
      route('10.2.0.0/16', { device: nic, gateway: A('192.0.2.9') }),
      route('fd00:2::/32', { device: nic, gateway: A('2001:db8::9') }),
      { ...route('10.3.0.0/16', { device: nic }), table: 4711, metric: 7 },
      { ...route('fd00:3::/32', { device: nic }), table: 4711, metric: 7 },
      { ...route('0.0.0.0/0', { device: nic, gateway: A('192.0.2.254') }), metric: 9999 },
      {
        type: 'fdb',
        device: 'slv6a',
        mac: peerMac,
        remote: A('2001:db8::2'),
      } as const,
    ];
    await apply(...[...everything, ...more].map(set));
    t.same(ownLines(await kernel.dump()), lines(...everything, ...more));
    await apply(...[...everything, ...more].map(set));
    t.same(ownLines(await kernel.dump()), lines(...everything, ...more), 'set twice is set once');
    await apply(...[...more, ...[...everything].reverse()].map(remove));
    t.same(ownLines(await kernel.dump()), [], 'all of it can be deleted');
  });

  behaviour('a device changes in place, and keeps what is on it', async (t, apply) => {
    await apply(...everything.map(set));
    const changes: readonly Partial<typeof vxlan4>[] = [
      { mtu: 1400 },
      { learning: true },
      { df: 'inherit' },
      { df: 'unset', ttl: 32 },
      { tos: 0 },
      { local: A('192.0.2.77'), mtu: 1390, learning: true, df: 'inherit', tos: 8 },
    ];
    for (const change of changes) {
      const changed = { ...vxlan4, ...change };
      t.same(needsRecreate(vxlan4, changed), []);
      t.same([...changedAttributes(vxlan4, changed)].sort(), Object.keys(change).sort());
      await apply(set(changed));
      t.same(
        ownLines(await kernel.dump()),
        lines(changed, ...everything.slice(1)),
        `changed: ${Object.keys(change).join(', ')}`,
      );
      await apply(set(vxlan4));
    }
    const moved = { ...vxlan4, mac: '02:11:22:33:44:99' };
    await apply(set(moved));
    t.same(
      ownLines(await kernel.dump()),
      lines(moved, own4, own6, fdb, route4, route6),
      'a new MAC costs the neighbours',
    );
  });

  behaviour('the device below can be given and exchanged', async (t, apply) => {
    const loose = { ...vxlan4, parent: undefined };
    await apply(set(loose));
    t.same(ownLines(await kernel.dump()), lines(loose));
    t.same(needsRecreate(loose, vxlan4), []);
    await apply(set(vxlan4));
    t.same(ownLines(await kernel.dump()), lines(vxlan4));
  });

  behaviour('what a device is born with needs a new device', async (t, apply, refused) => {
    await apply(set(vxlan4), set(fdb));
    const cases = [
      [{ vni: 5 }, 'vni', 'EOPNOTSUPP: Cannot change VNI'],
      [{ port: 8472 }, 'port', 'EOPNOTSUPP: Cannot change port'],
      [
        { local: A('2001:db8::1') },
        'local family',
        'EOPNOTSUPP: New local address family does not match old',
      ],
      [{ parent: undefined }, 'parent', 'EOPNOTSUPP'],
    ] as const;
    for (const [change, attribute, refusal] of cases) {
      const changed = { ...vxlan4, mtu: 1400, ...change };
      t.same(needsRecreate(vxlan4, changed), [attribute]);
      t.same(await refused(set({ ...vxlan4, ...change })), [refusal]);
      t.same(ownLines(await kernel.dump()), lines(vxlan4, fdb), 'nothing has changed');
      await apply(remove(vxlan4), set(changed));
      t.same(ownLines(await kernel.dump()), lines(changed));
      await apply(remove(changed), set(vxlan4), set(fdb));
    }
  });

  behaviour('a failed op stops no other, and says why', async (t, apply, refused) => {
    const via = (gateway: string, more: Partial<Unicast> = {}) =>
      set(
        route(gateway.includes(':') ? 'fd00:9::/64' : '10.9.0.0/24', {
          gateway: A(gateway),
          ...more,
        }),
      );
    const down = { ...vxlan6, up: false };
    await apply(set(vxlan4), set(own4), set(own6), set(down));
    const cases: readonly (readonly [Op, string])[] = [
      [set(fdb), 'ok'],
      [set({ ...fdb, device: 'slnone' }), 'ENODEV'],
      [set({ ...fdb, remote: A('2001:db8::2') }), 'EAFNOSUPPORT'],
      [set({ ...neighbour('10.1.1.0'), device: 'slnone' }), 'ENODEV'],
      [set(addressOn('slnone', '10.1.0.9/32')), 'ENODEV'],
      [set(neighbour('10.1.1.0')), 'ok'],
      [via('10.1.1.0'), 'ENETUNREACH: Nexthop has invalid gateway'],
      [via('10.1.1.0', { device: 'slnone' }), 'ENODEV'],
      [via('192.0.2.1', { device: nic, onlink: true }), 'EINVAL: Nexthop has invalid gateway'],
      [
        via('10.1.1.0', { onlink: true, preferredSource: A('10.7.7.7') }),
        'EINVAL: Invalid prefsrc address',
      ],
      [via('10.1.1.0', { device: 'slv6a', onlink: true }), 'ENETDOWN: Nexthop device is not up'],
      [set(route('10.9.0.0/24', { device: 'slv6a' })), 'ENETDOWN: Device for nexthop is not up'],
      [set(route4), 'ok'],
      [via('fd00:77::1'), 'EHOSTUNREACH'],
      [via('2001:db8::7'), 'EHOSTUNREACH'],
      [
        via('2001:db8::7', { onlink: true }),
        'EINVAL: Nexthop has invalid gateway or device mismatch',
      ],
      [via(hop6, { preferredSource: A('fd00:7::7') }), 'EINVAL: Invalid source address'],
      [via(hop6, { device: 'slv6a' }), 'ENETDOWN: Nexthop device is not up'],
      [via('2001:db8::1', { device: nic }), 'EINVAL: Gateway can not be a local address'],
      [set(route6), 'ok'],
      [
        set({ ...vxlan4, name: 'slv4b' }),
        'EEXIST: A VXLAN device with the specified VNI already exists',
      ],
      [set({ ...vxlan4, name: 'slv4b', vni: 9, parent: 'slnone' }), 'ENODEV'],
      [set({ ...vxlan4, name: 'slv4b', vni: 9, mtu: 1451 }), 'EINVAL'],
      [set({ ...vxlan4, name: nic }), 'EEXIST'],
      [set({ ...vxlan4, mtu: 1451 }), 'EINVAL'],
      [set({ type: 'sysctl', path: 'net/ipv4/conf/slnone/rp_filter', value: '2' }), 'ENOENT'],
      [set({ type: 'sysctl', path: 'net/ipv4/conf/slv4a/rp_filter', value: 'many' }), 'EINVAL'],
      [set(neighbour(hop6)), 'ok'],
    ];
    t.same(
      await refused(...cases.map(([op]) => op)),
      cases.map(([, expected]) => expected),
    );
    t.same(ownLines(await kernel.dump()), lines(...everything, down), 'the good ones were done');
    const [outcome] = await kernel.apply([cases[6]![0]]);
    t.match(outcome!.failure, {
      errno: 101,
      message:
        /^set route 254 10\.9\.0\.0\/24 metric 512: ENETUNREACH.*Nexthop has invalid gateway/,
    });
  });

  behaviour('deleting what is gone succeeds', async (t, apply) => {
    await apply(...[...everything].reverse().map(remove));
    await apply(set(vxlan4), set(own4));
    await apply(...peer.map(remove), remove(addressOn('slv4a', '10.1.0.9/32')));
    t.same(ownLines(await kernel.dump()), lines(vxlan4, own4));
  });

  behaviour("somebody else's route is not deleted", async (t, apply) => {
    await apply(set(vxlan4));
    for (const theirs of [
      { ...route('10.20.0.0/24', { device: nic }), protocol: foreign },
      { ...route('fd00:20::/64', { device: nic }), protocol: foreign },
    ]) {
      bench.outside([set(theirs)]);
      await apply(remove({ ...theirs, protocol: ours }));
      const found = (await kernel.dump()).routes.filter(
        ({ prefix }) => prefix.text === theirs.prefix.text,
      );
      t.same(lines(...found), lines(theirs));
      bench.outside([remove(theirs)]);
    }
  });

  behaviour('a route is replaced by one of any other make', async (t, apply) => {
    await apply(set(vxlan4), set(own4), set(own6));
    for (const [plain, prefix] of [
      [route4, '10.1.1.0/24'],
      [route6, 'fd00:1:1::/64'],
    ] as const)
      for (const next of [
        plain,
        route(prefix, { kind: 'prohibit' }),
        plain,
        route(prefix, { kind: 'blackhole' }),
        route(prefix, { device: nic, gateway: A(plain === route4 ? '192.0.2.9' : '2001:db8::9') }),
        route(prefix, { kind: 'unreachable' }),
        plain,
      ]) {
        await apply(set(next));
        const found = (await kernel.dump()).routes.filter(
          ({ prefix: { text } }) => text === prefix,
        );
        t.same(lines(...found), lines(next));
      }
  });

  behaviour('a deleted device takes everything on it along', async (t, apply) => {
    await apply(...everything.map(set), set(route('10.1.0.0/24', { kind: 'blackhole' })));
    await apply(remove(vxlan4));
    t.same(ownLines(await kernel.dump()), lines(route('10.1.0.0/24', { kind: 'blackhole' })));
  });

  behaviour('a device that goes down keeps its IPv4 address and its FDB', async (t, apply) => {
    const down = { ...vxlan4, up: false };
    await apply(...everything.map(set), set(down));
    t.same(ownLines(await kernel.dump()), lines(down, own4, fdb));
    await apply(set(vxlan4));
    t.same(ownLines(await kernel.dump()), lines(vxlan4, own4, fdb), 'nothing comes back by itself');
  });

  behaviour("an IPv6 route's MTU follows its device's", async (t, apply) => {
    await apply(...everything.map(set), set({ ...vxlan4, mtu: 1380 }));
    await apply(set({ ...vxlan4, mtu: 1440 }));
    const followed = { ...route6, target: { ...(route6.target as Unicast), mtu: 1440 } };
    t.same(
      ownLines(await kernel.dump()),
      lines({ ...vxlan4, mtu: 1440 }, ...everything.slice(1, -1), followed),
    );
    await apply(set(route6));
    t.same(ownLines(await kernel.dump()), lines({ ...vxlan4, mtu: 1440 }, ...everything.slice(1)));
  });

  behaviour('an MTU below 1280 takes IPv6 off the device', async (t, apply, refused) => {
    const small = { ...vxlan4, mtu: 1279 };
    await apply(...everything.map(set), set(small));
    t.same(ownLines(await kernel.dump()), lines(small, own4, fdb, neighbour('10.1.1.0'), route4));
    t.same(await refused(set(own6), set(neighbour(hop6)), set(route6)), [
      'EINVAL',
      'EINVAL: IPv6 is disabled on this device',
      'ENODEV',
    ]);
  });

  behaviour(
    'without its preferred source an IPv4 route goes, an IPv6 one stays',
    async (t, apply) => {
      const second = addressOn('slv4a', '10.1.0.1/32');
      await apply(...everything.map(set), set(second), remove(own4), remove(own6));
      const bare = route('fd00:1:1::/64', { gateway: A(hop6), mtu: 1380 });
      t.same(
        ownLines(await kernel.dump()),
        lines(vxlan4, second, fdb, neighbour('10.1.1.0'), neighbour(hop6), bare),
      );
      await apply(remove(second));
      t.same(
        ownLines(await kernel.dump()),
        lines(vxlan4, fdb, neighbour(hop6), bare),
        'the last IPv4 address takes the IPv4 neighbours along',
      );
    },
  );

  behaviour('changes by others are announced, with their device', async (t, apply) => {
    await apply(...everything.map(set));
    const cases: readonly (readonly [Op, string])[] = [
      [remove(route4), 'route'],
      [remove(route6), 'route'],
      [remove(neighbour('10.1.1.0')), 'neighbour'],
      [set({ ...fdb, remote: A('192.0.2.3') }), 'fdb'],
      [remove({ ...fdb, remote: A('192.0.2.3') }), 'fdb'],
      [remove(own6), 'address'],
      [remove(own4), 'address'],
      [set({ type: 'sysctl', path: 'net/ipv4/conf/slv4a/rp_filter', value: '1' }), 'netconf'],
      [remove(vxlan4), 'link'],
    ];
    for (const [op, type] of cases) {
      const { seen } = eventOf(
        kernel,
        (event) => event.kind === 'changed' && event.type === type && event.device === 'slv4a',
      );
      bench.outside([op]);
      t.same(await seen, { kind: 'changed', type, device: 'slv4a' });
    }
  });

  behaviour('our own changes are announced too', async (t, apply) => {
    const { seen } = eventOf(
      kernel,
      (event) => event.kind === 'changed' && event.type === 'link' && event.device === 'slv4a',
    );
    await apply(set(vxlan4));
    t.same(await seen, { kind: 'changed', type: 'link', device: 'slv4a' });
  });

  behaviour('a NIC that goes down is announced, and takes its routes', async (t, apply) => {
    const through = route('10.2.0.0/16', { device: nic, gateway: A('192.0.2.9') });
    await apply(set(through));
    const { seen } = eventOf(
      kernel,
      (event) => event.kind === 'changed' && event.type === 'link' && event.device === nic,
    );
    bench.setNicUp(false);
    await seen;
    t.same(ownLines(await kernel.dump()), []);
    bench.setNicUp(true);
    bench.outside([set(addressOn(nic, '2001:db8::1/64'))]);
  });

  behaviour('lost notifications are an event', async (t) => {
    const forgetful = bench.forgetful();
    t.teardown(() => (forgetful === kernel ? undefined : forgetful.close()));
    const { seen } = eventOf(forgetful, (event) => event.kind === 'lost');
    await bench.overflow(forgetful);
    t.same(await seen, { kind: 'lost' });
  });

  behaviour('a lookup answers as the routes say', async (t, apply) => {
    await apply(
      ...everything.map(set),
      set(route('10.1.0.0/24', { kind: 'blackhole' })),
      set(route('10.0.0.0/8', { kind: 'unreachable' })),
      set(route('10.66.0.0/16', { kind: 'prohibit' })),
      set(route('fd00:7::/32', { kind: 'unreachable' })),
    );
    t.match(await kernel.lookup(A('10.1.1.7')), {
      kind: 'unicast',
      device: 'slv4a',
      gateway: { text: '10.1.1.0' },
      preferredSource: { text: '10.1.0.0' },
      mtu: 1400,
      matched: { prefix: { text: '10.1.1.0/24' }, protocol: ours, table: 254 },
    });
    t.match(await kernel.lookup(A('fd00:1:1::7'), { from: A('fd00:1::') }), {
      kind: 'unicast',
      device: 'slv4a',
      gateway: { text: hop6 },
      mtu: 1380,
      matched: { prefix: { text: 'fd00:1:1::/64' }, protocol: ours },
    });
    t.match(await kernel.lookup(A('192.0.2.9')), {
      kind: 'unicast',
      device: nic,
      gateway: undefined,
    });
    const kinds = ['10.1.0.9', '10.99.0.1', '10.66.1.1', 'fd00:7::1', '192.0.2.1'];
    t.same(await Promise.all(kinds.map(async (text) => (await kernel.lookup(A(text)))?.kind)), [
      'blackhole',
      'unreachable',
      'prohibit',
      'unreachable',
      'local',
    ]);
    t.equal(await kernel.lookup(A('203.0.113.1')), undefined, 'no route');
    await t.rejects(kernel.lookup(A('192.0.2.9'), { from: A('203.0.113.1') }), {
      message: /no device here has that address/,
    });
  });

  behaviour('sysctls are read and written where the devices are', async (t, apply, refused) => {
    const path = 'net/ipv4/conf/slv4a/rp_filter';
    t.equal(kernel.readSysctl(path), undefined);
    await apply(set(vxlan4), set({ type: 'sysctl', path, value: '2' }));
    t.equal(kernel.readSysctl(path), '2');
    t.same(await refused(remove({ type: 'sysctl', path, value: '2' })), ['EOPNOTSUPP']);
    await apply(remove(vxlan4));
    t.equal(kernel.readSysctl(path), undefined);
  });

  behaviour('a batch of thousands has an outcome for each', async (t, apply, refused) => {
    await apply(set(vxlan4), set(own4));
    // More than fit into one system call, where there are system calls.
    const count = bench.namespace === undefined ? 900 : 9000;
    const ops = Array.from({ length: count }, (_, i) =>
      set(
        route(`10.${100 + (i >> 8)}.${i & 255}.0/24`, {
          gateway: A('10.1.1.0'),
          onlink: i % 10 !== 0,
          mtu: 1400,
        }),
      ),
    );
    const told = await refused(...ops);
    t.equal(told.filter((text) => text === 'ok').length, (count * 9) / 10);
    t.ok(told.every((text, i) => (text !== 'ok') === (i % 10 === 0)));
    t.equal(
      (await kernel.dump()).routes.filter((r) => r.protocol === ours).length,
      (count * 9) / 10,
    );
    const bad = await refused(
      ...ops.map(({ object }) =>
        set({
          ...(object as RouteObject),
          prefix: P('10.0.0.0/30'),
          target: { ...((object as RouteObject).target as Unicast), onlink: false },
        }),
      ),
    );
    t.same([...new Set(bad)], ['ENETUNREACH: Nexthop has invalid gateway']);
    await apply(...ops.map(({ object }) => remove(object)));
    t.same(ownLines(await kernel.dump()), lines(vxlan4, own4));
  });

  tunnelKinds(bench, behaviour);
}

type Behaviour = (
  name: string,
  body: (
    t: Test,
    apply: (...ops: readonly Op[]) => Promise<void>,
    refused: (...ops: readonly Op[]) => Promise<readonly string[]>,
  ) => Promise<void>,
) => void;

/** Every kind: made, changed and deleted where the kernel has it, refused where it has not. */
function tunnelKinds(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;
  const common = { type: 'link', mtu: 1400, up: true, ttl: 64, tos: 'inherit' } as const;
  const tunnels: readonly (readonly [
    OwnLink,
    readonly Partial<OwnLink>[],
    readonly RouteObject[],
  ])[] = [
    [
      { ...common, kind: 'ipip', name: 'slip4', local: A('192.0.2.1'), pmtudisc: true },
      [
        { ttl: 32 },
        { tos: 0 },
        { mtu: 1390 },
        { local: A('192.0.2.77') },
        { ttl: 0, pmtudisc: false },
      ],
      [route('10.1.1.0/24', { device: 'slip4', gateway: A('192.0.2.2'), onlink: true, mtu: 1380 })],
    ],
    [
      { ...common, kind: 'sit', name: 'slip64', local: A('192.0.2.1'), pmtudisc: true },
      [{ ttl: 32 }, { tos: 0 }, { mtu: 1390 }, { local: A('192.0.2.77') }],
      [
        route('fd00:1:1::/64', {
          device: 'slip64',
          gateway: A('::192.0.2.2'),
          onlink: true,
          mtu: 1380,
        }),
      ],
    ],
    [
      { ...common, kind: 'ip6tnl', name: 'slip6', local: A('2001:db8::1'), pmtudisc: true },
      [{ mtu: 1390 }],
      [
        route('10.1.1.0/24', { device: 'slip6', encapDestination: A('2001:db8::2'), mtu: 1380 }),
        route('fd00:1:1::/64', { device: 'slip6', encapDestination: A('2001:db8::2') }),
      ],
    ],
    [{ type: 'link', kind: 'tun', name: 'sltun', mtu: 1400, up: true }, [{ mtu: 1390 }], []],
  ];
  for (const [link, changes, routes] of tunnels)
    behaviour(`${link.kind} devices`, async (t, apply, refused) => {
      const kinds = await kernel.probeKinds();
      t.same(ownLines(await kernel.dump()), [], 'the probe leaves nothing behind');
      if (!kinds.has(link.kind)) {
        t.same(await refused(set(link)), ['EOPNOTSUPP: Unknown device type']);
        return;
      }
      await apply(set(link), ...routes.map(set));
      t.same(ownLines(await kernel.dump()), lines(link, ...routes));
      for (const change of changes) {
        const changed = { ...link, ...change } as OwnLink;
        t.same(needsRecreate(link, changed), []);
        await apply(set(changed));
        t.same(
          ownLines(await kernel.dump()),
          lines(changed, ...routes),
          JSON.stringify(Object.keys(change)),
        );
        await apply(set(link));
      }
      await apply(set(link), remove(link));
      t.same(ownLines(await kernel.dump()), []);
    });
}
