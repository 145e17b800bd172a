/** Every kind of device: made, changed and deleted where the kernel has it, refused where it has not. */
import { parseAddress as A } from '../../encap/address.js';
import type { OwnLink, RouteObject } from '../../tunnel/kernel.js';
import { needsRecreate } from '../../tunnel/link-kinds/index.js';
import type { Behaviour } from './behaviour.js';
import { type Bench, lines, ownLines, remove, set } from './bench.js';
import { route } from './objects.js';

export function tunnelKindCases(bench: Bench, behaviour: Behaviour): void {
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
    [
      { type: 'link', kind: 'tun', name: 'sltun', mtu: 1400, up: true, queuePackets: 4096 },
      [{ mtu: 1390 }, { queuePackets: 500 }],
      [],
    ],
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
