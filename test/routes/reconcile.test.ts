/** RIB, desired objects, diff, apply and the reconciler, on the kernel in memory. */
import fc from 'fast-check';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { nodeTable, withNode, withoutNode } from '../../encap/node-table.js';
import { parsePrefix } from '../../encap/prefix.js';
import { applyChanges } from '../../routes/apply.js';
import { diff } from '../../routes/diff.js';
import {
  isOwnDeviceName,
  pathMetric,
  pathRouteKey,
  routeProtocol,
} from '../../routes/ownership.js';
import type { Clock, PassReport } from '../../routes/reconciler.js';
import { Reconciler, readSysctls } from '../../routes/reconciler.js';
import { Rib } from '../../routes/rib.js';
import { linkLocalOf, vtepMac } from '../../routes/vtep.js';
import { Planner } from '../../src/agent/planner.js';
import type { NodePlan } from '../../src/agent/planner.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { Kernel, RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { arbitraryCluster, sketchCluster, sketchNode } from '../support/cluster-builder.js';
import { matchGolden } from '../support/golden.js';

const seed = 20261122;

const hybrid = sketchCluster({
  name: 'hybrid',
  pools: ['10.64.0.0/12', 'fd64::/48'],
  zones: {
    rack: { provider: 'onprem' },
    west: { provider: 'aws' },
    lake: { provider: 'azure' },
  },
  rules: [
    { name: 'to-west', between: [{ zones: ['rack'] }, { zones: ['west'] }], mode: 'ipip' },
    { name: 'no-lake', between: [{ nodes: ['a'] }, { nodes: ['d'] }], mode: 'deny' },
  ],
  links: [
    {
      ends: [
        { kind: 'zone', zone: 'rack' },
        { kind: 'zone', zone: 'west' },
      ],
      mtu: 1446,
      modes: ['ipip', 'vxlan'],
    },
  ],
  nodes: [
    { name: 'a', zone: 'rack', at: '192.168.1.1/24', overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'] },
    { name: 'b', zone: 'rack', at: '192.168.1.2/24', overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'] },
    { name: 'c', zone: 'west', at: '172.31.0.3/20', overlay: ['10.64.3.0/24', 'fd64:0:0:3::/64'] },
    { name: 'd', zone: 'lake', at: '172.20.0.4/16', overlay: '10.64.4.0/24' },
    { name: 'e', zone: 'lake', at: '172.20.0.5/16', overlay: '10.64.5.0/24' },
  ],
});

/** A kernel whose NIC has the addresses of a node. */
function kernelOf(
  cluster: Cluster,
  name: string,
  options: { kinds?: readonly ('ipip' | 'vxlan')[] } = {},
): FakeKernel {
  const node = cluster.nodes.get(name)!;
  return createFakeKernel({
    ...options,
    nics: [{ name: 'eth0', mtu: 9001, addresses: node.underlay }],
    sysctls: {
      'net/ipv4/ip_forward': '0',
      'net/ipv6/conf/all/forwarding': '0',
      'net/ipv4/conf/all/rp_filter': '0',
    },
  });
}

async function planAndDiff(
  kernel: Kernel,
  cluster: Cluster,
  node: string,
): Promise<{
  plan: NodePlan;
  changes: ReturnType<typeof diff>['changes'];
  foreign: ReturnType<typeof diff>['foreign'];
}> {
  const state = await kernel.dump();
  const plan = await new Planner(kernel, node).plan(cluster, state);
  const sysctls = readSysctls(kernel, plan.objects.values());
  return { plan, ...diff(plan.objects, { kernel: state, sysctls }) };
}

async function converge(kernel: Kernel, cluster: Cluster, node: string): Promise<void> {
  const { plan, changes } = await planAndDiff(kernel, cluster, node);
  const { failed } = await applyChanges(kernel, changes, plan.desired.peers);
  if (failed.length > 0) throw new Error(failed.map((entry) => entry.failure.message).join('\n'));
}

/** Lines of the printed kernel that are about our devices and routes. */
const ours = (kernel: FakeKernel): string[] =>
  kernel
    .print()
    .split('\n')
    .filter((line) => / (slv|slip|slsit)|proto 83/.test(line));

t.test('golden: a VTEP MAC and the link-local address made from it', (t) => {
  t.equal(vtepMac('hybrid', 'a'), '02:78:08:fa:af:07');
  t.equal(linkLocalOf('02:78:08:fa:af:07').text, 'fe80::78:8ff:fefa:af07');
  t.not(vtepMac('hybrid', 'a'), vtepMac('hybrid', 'b'));
  t.not(vtepMac('hybrid', 'a'), vtepMac('other', 'a'));
  t.end();
});

t.test("golden: a node's kernel objects", async (t) => {
  const kernel = kernelOf(hybrid, 'a');
  await converge(kernel, hybrid, 'a');
  matchGolden(t, 'kernel-objects.txt', `${ours(kernel).join('\n')}\n`);
  t.same(kernel.readSysctl('net/ipv4/ip_forward'), '1');
  t.same(kernel.readSysctl('net/ipv6/conf/all/forwarding'), '1');
});

t.test('a second run writes nothing, on any random cluster', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryCluster, async (cluster) => {
      const kernel = kernelOf(cluster, 'n0');
      await converge(kernel, cluster, 'n0');
      const { changes, foreign } = await planAndDiff(kernel, cluster, 'n0');
      return changes.length === 0 && foreign.length === 0;
    }),
    { seed, numRuns: 60 },
  );
  t.pass('for 60 clusters');
});

t.test(
  'whatever was there before, the result is the same, and foreign objects are untouched',
  async (t) => {
    const foreignRoute: RouteObject = {
      type: 'route',
      prefix: parsePrefix('198.51.100.0/24'),
      table: 254,
      metric: 0,
      protocol: 4,
      target: { kind: 'blackhole' },
    };
    await fc.assert(
      fc.asyncProperty(arbitraryCluster, arbitraryCluster, async (before, after) => {
        const fresh = kernelOf(after, 'n0');
        fresh.outside([{ verb: 'set', object: foreignRoute }]);
        await converge(fresh, after, 'n0');
        const used = kernelOf(before, 'n0');
        used.outside([{ verb: 'set', object: foreignRoute }]);
        await converge(used, before, 'n0');
        // The same machine gets other underlay addresses: a change of the world, not of ours.
        used.deleteNic('eth0');
        used.setNic({ name: 'eth0', mtu: 9001, addresses: after.nodes.get('n0')!.underlay });
        await converge(used, after, 'n0');
        const stays = (await used.dump()).routes.some(
          (route) => objectKey(route) === objectKey(foreignRoute),
        );
        return stays && ours(used).join('\n') === ours(fresh).join('\n');
      }),
      { seed, numRuns: 60 },
    );
    t.pass('for 60 pairs of clusters');
  },
);

t.test('the RIB after any sequence of node changes is that of a fresh build', (t) => {
  fc.assert(
    fc.property(
      arbitraryCluster,
      fc.array(fc.record({ id: fc.nat(9), overlay: fc.nat(20), remove: fc.boolean() }), {
        maxLength: 12,
      }),
      (cluster, changes) => {
        const rib = new Rib('n0');
        rib.build({ cluster, local: undefined });
        let current = cluster;
        for (const { id, overlay, remove } of changes) {
          const name = `n${id + 1}`;
          const taken = new Set(
            [...current.nodes.values()]
              .filter((node) => node.name !== name)
              .flatMap((node) => node.overlay.map((prefix) => prefix.text)),
          );
          const wanted = `10.65.${overlay}.0/24`;
          if (remove) current = { ...current, nodes: withoutNode(current.nodes, name) };
          else if (!taken.has(wanted))
            current = {
              ...current,
              nodes: withNode(
                current.nodes,
                sketchNode({ name, zone: 'z0', at: `10.0.0.${100 + id}/24`, overlay: wanted }),
              ),
            };
          rib.update({ cluster: current, local: undefined }, [name]);
        }
        const fresh = new Rib('n0');
        fresh.build({
          cluster: { ...current, nodes: nodeTable([...current.nodes.values()].reverse()) },
          local: undefined,
        });
        const text = (each: Rib): string =>
          JSON.stringify([
            [...each.decisions.entries()]
              .map(([key, decision]) => [key, decision.owner, decision.verdict.kind])
              .sort(),
            [...each.usable].sort(),
          ]);
        return text(rib) === text(fresh);
      },
    ),
    { seed, numRuns: 100 },
  );
  t.pass();
  t.end();
});

t.test('what peers of a kind share is what each would get alone', (t) => {
  fc.assert(
    fc.property(arbitraryCluster, (cluster) => {
      const snapshot = { cluster, local: undefined };
      const rib = new Rib('n0');
      rib.build(snapshot);
      const from = cluster.nodes.get('n0')!;
      return [...rib.decisions.values()].every((decision) => {
        const owner = cluster.nodes.get(decision.owner!);
        const alone = decide(snapshot, { from, prefix: decision.prefix, owner });
        return JSON.stringify(alone) === JSON.stringify(decision);
      });
    }),
    { seed, numRuns: 200 },
  );
  t.pass('for 200 clusters');
  t.end();
});

t.test(
  'a kernel without ipip: the userspace plane, and the routes through its TUN device',
  async (t) => {
    const kernel = kernelOf(hybrid, 'a', { kinds: ['vxlan'] });
    const { plan } = await planAndDiff(kernel, hybrid, 'a');
    t.same(plan.desired.userspace, [{ mode: 'ipip', outer: 4, inner: 4 }]);
    const [spec] = plan.planes;
    t.equal(spec?.device, 'slip4');
    t.same(
      spec?.peers.map((peer) => [
        peer.node,
        peer.remote.text,
        peer.mtu,
        peer.prefixes.map((prefix) => prefix.text),
      ]),
      [
        ['b', '192.168.1.2', 1480, []],
        ['c', '172.31.0.3', 1426, ['10.64.3.0/24']],
        ['d', '172.20.0.4', 1380, []],
        ['e', '172.20.0.5', 1380, []],
      ],
    );
    t.match(plan.objects.get(pathRouteKey(parsePrefix('10.64.3.0/24'))), {
      target: { device: 'slip4', gateway: undefined, mtu: 1426 },
    });
  },
);

t.test('the guard knows what belongs to each peer', async (t) => {
  const { plan } = await planAndDiff(kernelOf(hybrid, 'a'), hybrid, 'a');
  const peer = plan.guard.peers.find((entry) => entry.node === 'b')!;
  t.same(
    peer.outerSources.map((address) => address.text),
    ['192.168.1.2'],
  );
  t.same(
    peer.innerSources.map((prefix) => prefix.text),
    ['10.64.2.0/24', 'fd64:0:0:2::/64', '192.168.1.2/32'],
  );
  t.same(
    peer.nativeSources.map((prefix) => prefix.text),
    ['10.64.2.0/24'],
    'native towards us for IPv4 only: IPv6 has no underlay',
  );
  t.same(plan.guard.peers.find((entry) => entry.node === 'c')?.nativeSources, []);
  t.same(plan.guard.nics, ['eth0']);
});

t.test('a route key that somebody else holds is reported and left alone', async (t) => {
  const kernel = kernelOf(hybrid, 'a');
  const theirs: RouteObject = {
    type: 'route',
    prefix: parsePrefix('10.64.2.0/24'),
    table: 254,
    metric: pathMetric(parsePrefix('10.64.2.0/24')),
    protocol: 4,
    target: { kind: 'blackhole' },
  };
  kernel.outside([{ verb: 'set', object: theirs }]);
  const { changes, foreign, plan } = await planAndDiff(kernel, hybrid, 'a');
  t.same(
    foreign.map((entry) => entry.key),
    [pathRouteKey(parsePrefix('10.64.2.0/24'))],
  );
  await applyChanges(kernel, changes, plan.desired.peers);
  t.match(
    (await kernel.dump()).routes.find((route) => objectKey(route) === objectKey(theirs)),
    { protocol: 4 },
  );
});

t.test('the address that the kernel makes for a device of IPv4 alone is left to it', async (t) => {
  const cluster = sketchCluster({
    pools: ['10.64.0.0/12'],
    rules: [{ name: 'all', mode: 'vxlan' }],
    nodes: [
      { name: 'a', at: '192.168.1.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', at: '192.168.1.2/24', overlay: '10.64.2.0/24' },
    ],
  });
  const kernel = kernelOf(cluster, 'a');
  const { changes, plan } = await planAndDiff(kernel, cluster, 'a');
  await applyChanges(kernel, changes, plan.desired.peers);
  const address = linkLocalOf(vtepMac(cluster.name, 'a'));
  const made = { type: 'address', device: 'slv4a', address: { address, length: 64 } } as const;
  kernel.outside([{ verb: 'set', object: made }]);
  t.same((await planAndDiff(kernel, cluster, 'a')).changes, []);
  const other = { ...made, address: { address: parseAddress('fd00::9'), length: 128 } };
  kernel.outside([{ verb: 'set', object: other }]);
  t.match((await planAndDiff(kernel, cluster, 'a')).changes, [
    { kind: 'delete', key: objectKey(other) },
  ]);
});

t.test('one peer that cannot be programmed does not stop the others', async (t) => {
  const kernel = kernelOf(hybrid, 'a');
  kernel.inject({
    kind: 'refuse',
    code: 'ENOMEM',
    times: 1,
    when: (op) => op.object.type === 'fdb',
  });
  const { plan, changes } = await planAndDiff(kernel, hybrid, 'a');
  const result = await applyChanges(kernel, changes, plan.desired.peers);
  const [failure] = result.failed;
  t.equal(result.failed.length, 1);
  t.ok(failure?.peer !== undefined);
  t.ok(result.skipped.length > 0);
  t.ok(
    result.skipped.every((change) => plan.desired.peers.get(change.key) === failure?.peer),
    'only its routes are held back',
  );
  const routes = new Set(
    (await kernel.dump()).routes
      .filter((route) => route.protocol === routeProtocol)
      .map((route) => route.prefix.text),
  );
  t.notOk(
    result.skipped.some(
      (change) =>
        change.kind !== 'delete' &&
        change.desired.type === 'route' &&
        routes.has(change.desired.prefix.text),
    ),
  );
  t.ok(routes.has('10.64.5.0/24') || routes.has('10.64.3.0/24'));
});

t.test(
  'an attribute that the kernel fixes makes the device anew, with all that hung on it',
  async (t) => {
    const kernel = kernelOf(hybrid, 'a');
    await converge(kernel, hybrid, 'a');
    const [link] = (await kernel.dump()).links.filter((entry) => entry.kind === 'vxlan');
    kernel.outside([{ verb: 'set', object: { ...link!, extra: ['gbp'] } }]);
    const { changes } = await planAndDiff(kernel, hybrid, 'a');
    const device = changes.find((change) => change.key === 'link slv4a');
    t.match(device, { kind: 'update', attributes: ['extra'], recreate: true });
    await converge(kernel, hybrid, 'a');
    t.same((await planAndDiff(kernel, hybrid, 'a')).changes, []);
  },
);

/** Time that only the test moves. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  setTimer(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((entry) => entry !== timer)) };
  }
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      // Let promises of a pass under way settle before time goes on.
      for (let i = 0; i < 50; i++) await Promise.resolve();
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}

function reconcilerOn(
  kernel: FakeKernel,
  cluster: () => Cluster | undefined,
): { reports: PassReport[]; clock: ManualClock; reconciler: Reconciler; prepared: () => number } {
  const planner = new Planner(kernel, 'a');
  const clock = new ManualClock();
  const reports: PassReport[] = [];
  let prepared = 0;
  const reconciler = new Reconciler({
    kernel,
    clock,
    onPass: (report) => reports.push(report),
    plan: async (state) => {
      const current = cluster();
      if (current === undefined) return undefined;
      const plan = await planner.plan(current, state);
      return {
        objects: plan.objects,
        peers: plan.desired.peers,
        prepare: () => {
          prepared++;
          return Promise.resolve();
        },
      };
    },
  });
  return { reports, clock, reconciler, prepared: () => prepared };
}

t.test(
  'the reconciler: nothing before sync, repair on the event, quiet when all is well',
  async (t) => {
    const kernel = kernelOf(hybrid, 'a');
    const store: { current?: Cluster } = {};
    const { reports, clock, reconciler } = reconcilerOn(kernel, () => store.current);
    reconciler.start();
    await clock.advance(1000);
    t.equal(kernel.log.length, 0, 'no plan, no writes');
    store.current = hybrid;
    reconciler.trigger('configuration changed');
    await clock.advance(1000);
    const settled = ours(kernel).join('\n');
    t.match(settled, /slv4a/);
    const writes = kernel.log.length;
    const passes = reports.length;
    await clock.advance(50_000);
    t.equal(kernel.log.length, writes, 'our own events cause no further writes');
    t.ok(reports.length <= passes + 1, 'and no loop of passes');

    const victims = [
      ...(await kernel.dump()).routes.filter((route) => route.protocol === routeProtocol),
      ...(await kernel.dump()).fdb,
      ...(await kernel.dump()).neighbours,
    ];
    for (const victim of victims) {
      kernel.outside([{ verb: 'delete', object: victim }]);
      await clock.advance(200);
      t.equal(ours(kernel).join('\n'), settled, `repaired: ${objectKey(victim)}`);
    }
    kernel.deleteNic('slv4a');
    await clock.advance(200);
    t.equal(ours(kernel).join('\n'), settled, 'a deleted device comes back with everything on it');
    const [link] = (await kernel.dump()).links.filter((entry) => entry.kind === 'vxlan');
    kernel.outside([{ verb: 'set', object: { ...link!, mtu: 1300 } }]);
    kernel.outside([
      {
        verb: 'set',
        object: { type: 'sysctl', path: 'net/ipv4/conf/slv4a/rp_filter', value: '1' },
      },
    ]);
    await clock.advance(200);
    t.equal(ours(kernel).join('\n'), settled, 'edited attributes too');
    kernel.loseEvents();
    await clock.advance(200);
    t.match(reports.at(-1)?.reasons, ['notifications were lost']);
    await reconciler.stop();
  },
);

t.test(
  'the reconciler: a failing pass is retried with growing pauses, and ends well',
  async (t) => {
    const kernel = kernelOf(hybrid, 'a');
    const { reports, clock, reconciler } = reconcilerOn(kernel, () => hybrid);
    kernel.inject({
      kind: 'refuse',
      code: 'EPERM',
      times: 6,
      when: (op) => op.object.type === 'link' && op.object.name === 'slv4a',
    });
    reconciler.start();
    await clock.advance(400);
    const early = reports.filter((report) => report.failed.length > 0).length;
    t.ok(early >= 1 && early <= 3, `${early} tries in 0.4 s`);
    await clock.advance(60_000);
    t.equal(reports.at(-1)?.failed.length, 0);
    t.match(ours(kernel).join('\n'), /slv4a/);
    await reconciler.stop();
  },
);

t.test('a crash after any op: what forwarded goes on, and the next start converges', async (t) => {
  const after = kernelOf(hybrid, 'a');
  await converge(after, hybrid, 'a');
  const wanted = ours(after).join('\n');
  const total = after.log.length;
  for (let ops = 0; ops < total; ops++) {
    const kernel = kernelOf(hybrid, 'a');
    kernel.inject({ kind: 'die', afterOps: ops });
    await t.rejects(converge(kernel, hybrid, 'a'), /died/);
    await converge(kernel, hybrid, 'a');
    if (ours(kernel).join('\n') !== wanted) t.fail(`after ${ops} ops`);
  }
  t.ok(total > 20, `${total} places to die`);
});

t.test('every device of ours has a name that we recognise', async (t) => {
  const { plan } = await planAndDiff(kernelOf(hybrid, 'a'), hybrid, 'a');
  for (const object of plan.objects.values())
    if (object.type === 'link') t.ok(isOwnDeviceName(object.name), object.name);
});
