/** What goes along, unasked, when something else changes. */
import { parseAddress as A } from '../../encap/address.js';
import type { Behaviour } from './behaviour.js';
import { type Bench, addressOn, lines, ownLines, remove, set, vxlan4 } from './bench.js';
import {
  type Unicast,
  own4,
  own6,
  hop6,
  fdb,
  neighbour,
  route,
  route4,
  route6,
  everything,
} from './objects.js';

export function sideEffectCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;

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
}
