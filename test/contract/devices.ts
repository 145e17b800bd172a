/** VXLAN devices: what changes in place, and what needs a new one. */
import { parseAddress as A } from '../../encap/address.js';
import { changedAttributes, needsRecreate } from '../../tunnel/link-kinds/index.js';
import type { Behaviour } from './behaviour.js';
import { type Bench, lines, ownLines, remove, set, vxlan4 } from './bench.js';
import { own4, own6, fdb, route4, route6, everything } from './objects.js';

export function deviceCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;

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
}
