/** Events, lookups and sysctls: what the kernel tells. */
import { parseAddress as A } from '../../encap/address.js';
import type { Op } from '../../tunnel/kernel.js';
import type { Behaviour } from './behaviour.js';
import {
  type Bench,
  addressOn,
  eventOf,
  nic,
  ours,
  ownLines,
  remove,
  set,
  vxlan4,
} from './bench.js';
import { own4, own6, hop6, neighbour, route, route4, route6, everything, fdb } from './objects.js';

export function watchingCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;

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

  behaviour('to ask for the kinds of device makes none', async (t, apply) => {
    const seen: string[] = [];
    const watcher = kernel.watch((event) => {
      if (event.kind === 'changed') seen.push(`${event.type} ${event.device ?? ''}`);
    });
    t.ok((await kernel.probeKinds()).size > 0);
    const { seen: marker } = eventOf(
      kernel,
      (event) => event.kind === 'changed' && event.type === 'link' && event.device === 'slv4a',
    );
    await apply(set(vxlan4));
    await marker;
    watcher.close();
    t.same(
      seen.filter((event) => !event.endsWith(' slv4a')),
      [],
      'nobody saw anything before the device that was made after it',
    );
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
}
