/** What ops leave behind, and what they are told when they cannot. */
import { parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P } from '../../encap/prefix.js';
import type { Op, RouteObject } from '../../tunnel/kernel.js';
import type { Behaviour } from './behaviour.js';
import {
  type Bench,
  addressOn,
  foreign,
  lines,
  nic,
  ours,
  ownLines,
  remove,
  set,
  vxlan4,
  vxlan6,
} from './bench.js';
import {
  type Unicast,
  peerMac,
  own4,
  own6,
  hop6,
  fdb,
  neighbour,
  route,
  route4,
  route6,
  everything,
  peer,
} from './objects.js';

export function writingCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;

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

  behaviour('applies that overlap run one after the other', async (t, apply) => {
    await apply(set(vxlan4), set(own4));
    const halves = ['10.1', '10.2'].map((half) =>
      Array.from({ length: 50 }, (_, i) => route(`${half}.${i}.0/24`, { kind: 'prohibit' })),
    );
    const [first, second, state] = await Promise.all([
      apply(...halves[0]!.map(set), remove(halves[1]![0]!)),
      apply(...halves[1]!.map(set), set(neighbour('10.1.1.0')), remove(halves[0]![0]!)),
      kernel.dump(),
    ]);
    t.same([first, second], [undefined, undefined]);
    t.ok(state.links.length > 1, 'a dump may run beside them');
    t.same(
      ownLines(await kernel.dump()),
      lines(vxlan4, own4, neighbour('10.1.1.0'), ...halves.flat().slice(1)),
    );
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
}
