/** Questions about a few of many: both kernels tell what is asked for, and of one a peer nothing else. */
import { isDeepStrictEqual } from 'node:util';
import { parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P } from '../../encap/prefix.js';
import { formatObject } from '../../tunnel/format.js';
import type { KernelInterest } from '../../tunnel/kernel-interest.js';
import { everyMac } from '../../tunnel/kernel-interest.js';
import type { KernelState } from '../../tunnel/kernel.js';
import { eventually } from '../support/agents.js';
import type { Behaviour } from './behaviour.js';
import { type Bench, nic, ownLines, set, vxlan4 } from './bench.js';
import { fdb, hop6, neighbour, own4, own6, peerMac, route } from './objects.js';

const otherMac = '02:aa:00:00:00:03';
const onNic = { ...neighbour('192.0.2.7', otherMac), device: nic };
const nobody: KernelInterest = { addresses: [], within: [], macs: [] };

const objects = [
  vxlan4,
  own4,
  own6,
  ...[neighbour('10.1.2.0'), neighbour('10.1.3.0', otherMac), neighbour(hop6), onNic],
  ...[fdb, { ...fdb, mac: otherMac, remote: A('192.0.2.3') }],
  route('10.1.2.0/24', { device: 'slv4a', gateway: A('10.1.2.0'), onlink: true }),
  route('10.1.3.0/24', { device: 'slv4a', gateway: A('10.1.3.0'), onlink: true }),
  route('10.1.2.128/25', { kind: 'prohibit' }),
  route('10.0.0.0/8', { kind: 'unreachable' }),
  route('10.9.1.0/24', { kind: 'blackhole' }),
  route('10.8.0.0/15', { kind: 'blackhole' }),
  route('fd00:2::/64', { device: 'slv4a', gateway: A(hop6), onlink: false }),
  route('fd00:3::/64', { kind: 'unreachable' }),
  route('0.0.0.0/0', { kind: 'unreachable' }),
];

/** Of somebody else: the kernel lets an entry for every MAC be added, and none be replaced. */
function flood({ namespace, outside }: Bench): void {
  const entry = { ...fdb, mac: everyMac, remote: A('192.0.2.4') };
  if (namespace === undefined) outside([set(entry)]);
  else {
    const to = ['dev', entry.device, 'dst', entry.remote.text];
    namespace.run('bridge', ['fdb', 'append', everyMac, ...to]);
  }
}

export function interestCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;
  /** Without what is there whoever asks: devices and addresses. */
  const told = ({ links, addresses, ...tables }: KernelState): readonly string[] =>
    ownLines({ links: [], addresses: [], ...tables });

  behaviour('a question is told what it asks for, and no other peer', async (t, apply) => {
    for (const object of objects) await apply(set(object));
    flood(bench);
    const all = await kernel.dump();
    const ask = async (interest: Partial<KernelInterest>): Promise<readonly string[]> => {
      const state = await kernel.dump({ ...nobody, ...interest });
      t.same(state.links, all.links, 'every device');
      t.same(state.addresses, all.addresses, 'every address');
      t.ok(
        state.neighbours.some((entry) => formatObject(entry) === formatObject(onNic)),
        'every neighbour that is not on a VXLAN device',
      );
      return told(state);
    };
    const always = [
      ...ownLines({ ...all, links: [], addresses: [], neighbours: [], routes: [] }).filter((line) =>
        line.includes(everyMac),
      ),
      'route unreachable 0.0.0.0/0 table 254 proto 83 metric 512',
    ];
    const some = (...lines: readonly string[]): readonly string[] => [...always, ...lines].sort();
    t.same(await ask({}), some(), 'nothing asked');
    t.same(
      await ask({ addresses: [A('10.1.2.5')] }),
      some(
        'route 10.1.2.0/24 via 10.1.2.0 dev slv4a onlink table 254 proto 83 metric 512',
        'route unreachable 10.0.0.0/8 table 254 proto 83 metric 512',
      ),
      'every route around an address',
    );
    t.same(
      await ask({ addresses: [A('10.1.2.200')] }),
      some(
        'route 10.1.2.0/24 via 10.1.2.0 dev slv4a onlink table 254 proto 83 metric 512',
        'route prohibit 10.1.2.128/25 table 254 proto 83 metric 512',
        'route unreachable 10.0.0.0/8 table 254 proto 83 metric 512',
      ),
      'longer ones too',
    );
    t.same(
      await ask({ within: [P('10.9.0.0/16')] }),
      some('route blackhole 10.9.1.0/24 table 254 proto 83 metric 512'),
      'routes inside of a prefix, and none that reach out of it',
    );
    t.same(
      await ask({ addresses: [A(hop6), A('fd00:2::7')], macs: [peerMac] }),
      some(
        `fdb ${peerMac} dev slv4a dst 192.0.2.2 self permanent`,
        `neigh ${hop6} lladdr ${peerMac} dev slv4a nud permanent`,
        `route fd00:2::/64 via ${hop6} dev slv4a table 254 proto 83 metric 512`,
      ),
      'IPv6, the MAC of one peer and its neighbour entry',
    );
  });

  behaviour('tables and details read at once are those read one by one', async (t, apply) => {
    for (const object of objects) await apply(set(object));
    flood(bench);
    // Else the kernel may find in between that nobody has a new device's address.
    await eventually(
      async () => (await kernel.details(nobody)).addresses.every(({ tentative }) => !tentative),
      () => 'an address is tentative',
    );
    for (const interest of [
      nobody,
      { addresses: [A('10.1.2.5'), A('10.1.2.0')], within: [P('10.9.0.0/16')], macs: [peerMac] },
      { ...nobody, addresses: [A(hop6), A('fd00:2::7')], macs: [otherMac] },
    ]) {
      // The kernel may give up a neighbour in between: what was the same before and after counts.
      for (let patience = 100; ; patience--) {
        const atOnce = await kernel.read(interest);
        const oneByOne = [await kernel.dump(interest), await kernel.details(interest)];
        if (patience > 0 && !isDeepStrictEqual(await kernel.read(interest), atOnce)) continue;
        t.same(atOnce.state, oneByOne[0], 'tables');
        t.same(atOnce.details, oneByOne[1], 'details');
        break;
      }
    }
  });
}
