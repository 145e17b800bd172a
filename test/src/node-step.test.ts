/**
 * Single nodes that come, go and change: steps end where a whole pass from nothing would, whatever
 * happens in between, and cost what these nodes cost.
 */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import t from 'tap';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { withNode, withoutNode } from '../../encap/node-table.js';
import { parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';
import type { InterfaceAddress } from '../../encap/prefix.js';
import { mainTable, pathMetric } from '../../routes/ownership.js';
import { SpokenTally } from '../../routes/spoken-tally.js';
import { spokenTerms } from '../../routes/spoken-terms.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { arbitraryCluster, sketchCluster, sketchNode } from '../support/cluster-builder.js';
import { eventually } from '../support/agents.js';
import { NodeWorld, kernelOf } from '../support/node-world.js';

const seed = 20261122;
t.comment(`fast-check seed ${seed}`);
const self = 'n0';

type Edit =
  | { readonly kind: 'join'; readonly id: number; readonly overlay: readonly number[] }
  | { readonly kind: 'leave' | 'withdraw' | 'stale' | 'label'; readonly id: number }
  | { readonly kind: 'mtu'; readonly id: number; readonly mtu: number }
  | { readonly kind: 'move'; readonly id: number; readonly host: number };
type Trouble =
  | { readonly kind: 'foreign'; readonly overlay: number; readonly stays: boolean }
  | { readonly kind: 'drift'; readonly at: number }
  | { readonly kind: 'refused'; readonly times: number }
  | { readonly kind: 'guard' | 'lost' | 'dump' | 'restart' | 'later' };

const id = fc.integer({ min: 1, max: 9 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('join' as const), id, overlay: fc.array(fc.nat(11), { minLength: 1, maxLength: 2 }) }) }, // prettier-ignore
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('leave', 'withdraw', 'stale', 'label'), id }) }, // prettier-ignore
  fc.record({ kind: fc.constant('mtu' as const), id, mtu: fc.constantFrom(1300, 1400, 9001) }),
  fc.record({ kind: fc.constant('move' as const), id, host: fc.integer({ min: 60, max: 65 }) }),
);
const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  fc.record({ kind: fc.constant('foreign' as const), overlay: fc.nat(11), stays: fc.boolean() }),
  fc.record({ kind: fc.constant('drift' as const), at: fc.nat(40) }),
  fc.record({ kind: fc.constant('refused' as const), times: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constantFrom('guard', 'lost', 'dump', 'restart', 'later') }),
);
const events = fc.array(fc.oneof({ weight: 5, arbitrary: fc.array(edit, { minLength: 1, maxLength: 3 }) }, { weight: 1, arbitrary: trouble }), { minLength: 1, maxLength: 14 }); // prettier-ignore

const overlayOf = (n: number): string => `10.65.${n}.0/24`;

/** The record after an edit; undefined: there is none. */
function edited(cluster: Cluster, change: Edit): ClusterNode | undefined {
  const name = `n${change.id}`;
  const node = cluster.nodes.get(name);
  switch (change.kind) {
    case 'join': {
      const taken = new Set(
        [...cluster.nodes.values()]
          .filter((other) => other.name !== name)
          .flatMap(({ overlay }) => overlay.map(({ text }) => text)),
      );
      const overlay = [...new Set(change.overlay.map(overlayOf))].filter((one) => !taken.has(one));
      if (overlay.length === 0) return node;
      const [at] = node?.underlay ?? [];
      return sketchNode({
        name,
        zone: 'z0',
        at: at === undefined ? `10.0.0.${30 + change.id}/24` : `${at.address.text}/${at.length}`,
        overlay,
      });
    }
    case 'leave':
      return undefined;
    case 'withdraw':
      return node && { ...node, withdrawn: !node.withdrawn };
    case 'stale':
      return node && { ...node, stale: 'since 10:00' };
    case 'label':
      return node && { ...node, labels: { role: node.labels['role'] === 'db' ? 'web' : 'db' } };
    case 'mtu':
      return node && { ...node, mtu: change.mtu };
    case 'move': {
      const to = tryParseInterfaceAddress(`10.0.0.${change.host}/24`) as InterfaceAddress;
      const held = [...cluster.nodes.values()].some((other) =>
        other.underlay.some(({ address }) => address.text === to.address.text),
      );
      return node && (held ? node : { ...node, underlay: [to] });
    }
  }
}

function foreignRoute(overlay: number): RouteObject {
  const prefix = parsePrefix(overlayOf(overlay));
  const metric = pathMetric(prefix);
  return { type: 'route', prefix, table: mainTable, metric, protocol: 4, target: { kind: 'blackhole' } }; // prettier-ignore
}

t.test('any sequence of nodes and troubles ends as a whole pass from nothing', async (t) => {
  let [steps, whole] = [0, 0];
  await fc.assert(
    fc.asyncProperty(arbitraryCluster, events, async (cluster, sequence) => {
      const world = new NodeWorld(cluster, { self });
      const foreign = new Map<number, RouteObject>();
      await world.quiet();
      for (const event of sequence) {
        if (Array.isArray(event)) {
          let { nodes } = world.cluster;
          for (const change of event) {
            const node = edited({ ...world.cluster, nodes }, change);
            nodes = node === undefined ? withoutNode(nodes, `n${change.id}`) : withNode(nodes, node); // prettier-ignore
          }
          const next = { ...world.cluster, nodes, revision: world.cluster.revision + 1 };
          const before = world.dumps;
          await world.nodesChanged(next, [...new Set(event.map((change) => `n${change.id}`))]);
          assert.deepEqual(spokenTerms(world.plan), new SpokenTally(world.plan).terms);
          if (world.dumps === before) steps++;
          else whole++;
          continue;
        }
        switch (event.kind) {
          case 'foreign': {
            const route = foreignRoute(event.overlay);
            world.kernel.outside([{ verb: 'set', object: route }]);
            foreign.set(event.overlay, route);
            if (event.stays) break;
            await world.clock.advance(50);
            world.kernel.outside([{ verb: 'delete', object: route }]);
            foreign.delete(event.overlay);
            break;
          }
          case 'drift': {
            const objects = [...world.plan.objects.values()].filter(({ type }) => type === 'route' || type === 'fdb' || type === 'neighbour'); // prettier-ignore
            const object = objects[event.at % Math.max(1, objects.length)];
            if (object !== undefined) world.kernel.outside([{ verb: 'delete', object }]);
            break;
          }
          case 'refused':
            world.kernel.inject({ kind: 'refuse', code: 'ENOMEM', times: event.times });
            break;
          case 'guard':
            world.guard.drift('somebody was here');
            break;
          case 'lost':
            world.kernel.loseEvents();
            break;
          case 'dump':
            world.kernel.inject({ kind: 'dump' });
            break;
          case 'restart':
            await world.restart();
            break;
          case 'later':
            await world.quiet();
        }
      }
      // A fault that nothing has met yet must not meet the comparison.
      world.kernel.loseEvents();
      await world.quiet();
      const kernel = kernelOf(cluster, self);
      kernel.outside([...foreign.values()].map((object) => ({ verb: 'set', object })));
      const fresh = new NodeWorld(world.cluster, { self, kernel });
      await fresh.quiet();
      const [found, wanted] = [world.state(), fresh.state()];
      await world.close();
      await fresh.close();
      assert.equal(found.kernel, wanted.kernel);
      assert.equal(found.guard, wanted.guard);
      assert.equal(found.plan, wanted.plan);
    }),
    { seed, numRuns: 40 },
  );
  t.ok(steps > 60, `${steps} steps, ${whole} whole passes`);
});

/** A rack of nodes that reach each other by VXLAN. */
function fleet(size: number): Cluster {
  return sketchCluster({
    rules: [{ name: 'all', mode: 'vxlan' }],
    pools: ['10.64.0.0/10'],
    nodes: Array.from({ length: size }, (_, i) => member(i)),
  });
}

function member(i: number): Parameters<typeof sketchNode>[0] {
  return {
    name: `n${i}`,
    at: `172.16.${i >> 8}.${i & 255}/12`,
    overlay: [`10.${64 + (i >> 8)}.${i & 255}.0/25`, `10.${96 + (i >> 8)}.${i & 255}.0/25`],
  };
}

t.test('an event costs as much among 100 nodes as among 3,000', async (t) => {
  const costs = [];
  for (const size of [100, 3_000]) {
    const world = new NodeWorld(fleet(size), { self });
    await world.quiet();
    const node = sketchNode(member(4_000));
    const { nodes } = world.cluster;
    const changed = { ...nodes.get('n7')!, mtu: 1400 };
    const cost = [];
    for (const [name, next] of [
      [node.name, withNode(nodes, node)],
      ['n7', withNode(withNode(nodes, node), changed)],
      [node.name, withNode(nodes, changed)],
    ] as const) {
      const [dumps, ops, moved] = [world.dumps, world.kernel.log.length, world.guard.moved];
      const decisions = new Set(world.plan.rib.decisions.values());
      const objects = new Set(world.plan.objects.values());
      spokenTerms(world.plan);
      let looks = 0;
      const all = next.values.bind(next);
      Object.assign(next, { values: () => (looks++, all()) });
      await world.nodesChanged({ ...world.cluster, nodes: next }, [name]);
      spokenTerms(world.plan);
      t.equal(looks, 0, 'nobody looks at all nodes, not even to tell the others');
      cost.push({
        reasons: world.passes.at(-1)!.reasons,
        dumps: world.dumps - dumps,
        ops: world.kernel.log.slice(ops).map(({ verb, object }) => `${verb} ${object.type}`),
        elements: world.guard.moved - moved,
        decided: [...world.plan.rib.decisions.values()].filter((one) => !decisions.has(one)).length,
        made: [...world.plan.objects.values()].filter((one) => !objects.has(one)).length,
      });
    }
    const passes = world.passes.length;
    await world.clock.advance(2_000);
    t.equal(world.passes.length, passes, 'what a step writes sets off nothing');
    costs.push(cost);
    await world.close();
  }
  t.same(costs[0], costs[1]);
  t.same(costs[0], [
    {
      reasons: ['n4000 changed'],
      dumps: 0,
      ops: ['set fdb', 'set neighbour', 'set route', 'set route'],
      elements: 5,
      decided: 2,
      made: 4,
    },
    {
      reasons: ['n7 changed'],
      dumps: 0,
      ops: ['set route', 'set route'],
      elements: 0,
      decided: 2,
      made: 4,
    },
    {
      reasons: ['n4000 changed'],
      dumps: 0,
      ops: ['delete route', 'delete route', 'delete neighbour', 'delete fdb'],
      elements: 5,
      decided: 0,
      made: 0,
    },
  ]);
});

t.test('killed after any op of a step, a start ends where it would have', async (t) => {
  const before = fleet(20);
  const node = sketchNode({ ...member(40), mtu: 1400 });
  const moved = { ...before.nodes.get('n3')!, overlay: [parsePrefix('10.65.7.0/24')] };
  const nodes = withNode(withNode(withoutNode(before.nodes, 'n5'), node), moved);
  const after = { ...before, nodes };
  const names = ['n5', 'n40', 'n3'];
  const whole = new NodeWorld(after, { self });
  await whole.quiet();
  const wanted = whole.state();
  await whole.close();
  let ops = 0;
  for (; ; ops++) {
    const world = new NodeWorld(before, { self });
    await world.quiet();
    world.kernel.inject({ kind: 'die', afterOps: ops });
    await world.nodesChanged(after, names, 2);
    const killed = world.isDead;
    await world.restart();
    const state = world.state();
    await world.close();
    if (!killed) break;
    t.equal(state.kernel, wanted.kernel, `killed after ${ops} ops`);
    t.equal(state.guard, wanted.guard);
    t.equal(state.plan, wanted.plan);
  }
  // n40: FDB entry, neighbour, two routes; n3: neighbour and route, and three objects less; n5: four less.
  t.equal(ops, 13, 'ops of the step');
});

t.test("somebody else's route is not taken over, and not by a step", async (t) => {
  const cluster = fleet(20);
  const world = new NodeWorld(cluster, { self });
  await world.quiet();
  const node = sketchNode(member(40));
  const prefix = node.overlay[0]!;
  const metric = pathMetric(prefix);
  const route: RouteObject = { type: 'route', prefix, table: mainTable, metric, protocol: 4, target: { kind: 'blackhole' } }; // prettier-ignore
  world.deaf = true;
  world.kernel.outside([{ verb: 'set', object: route }]);
  await world.nodesChanged({ ...cluster, nodes: withNode(cluster.nodes, node) }, ['n40']);
  t.match(world.kernel.print(), /blackhole 10\.64\.40\.0\/25/);
  t.equal(world.passes.at(-1)!.foreign.length, 1, 'and it is told');
  t.match(world.kernel.print(), /10\.96\.40\.0\/25 via/, 'the other prefix is reached');
  await world.close();
});

t.test('a step lets go of the plan before it', async (t) => {
  const world = new NodeWorld(fleet(20), { self });
  await world.quiet();
  const left: WeakRef<object>[] = [];
  for (let i = 100; i < 110; i++) {
    const node = sketchNode(member(i));
    const nodes = withNode(world.cluster.nodes, node);
    await world.nodesChanged({ ...world.cluster, nodes }, [node.name]);
    left.push(new WeakRef(world.plan));
  }
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await eventually(
    () => {
      collect();
      return left.filter((plan) => plan.deref() !== undefined).length <= 2;
    },
    () => `${left.filter((plan) => plan.deref() !== undefined).length} of 10 plans are held`,
  );
  t.pass('however many came before');
  await world.close();
});

t.test('a resync gives way to steps while it reads, but not for ever', async (t) => {
  const world = new NodeWorld(fleet(20), { self });
  await world.quiet();
  const join = async (number: number): Promise<void> => {
    const node = sketchNode(member(number));
    await world.nodesChanged(
      { ...world.cluster, nodes: withNode(world.cluster.nodes, node) },
      [node.name],
      100,
    );
  };
  const lost = (await world.kernel.dump()).routes.find(
    ({ target }) => target.kind === 'unicast' && target.gateway !== undefined,
  )!;
  world.deaf = true;
  world.kernel.outside([{ verb: 'delete', object: lost }]);
  const drift = world.kernel.print();
  let finished = (): void => undefined;
  world.reading = new Promise((resolve) => (finished = resolve));
  const dumps = world.dumps;
  await world.clock.advance(60_000);
  t.equal(world.dumps, dumps + 1, 'it reads');
  for (let i = 0; i < 10; i++) {
    await join(40 + i);
    t.same(world.passes.at(-1)!.reasons, [`n${40 + i} changed`]);
    t.match(world.kernel.print(), `10.64.${40 + i}.0/25 via`, 'meanwhile a node has joined');
    await world.clock.advance(1_000);
    t.equal(world.dumps, dumps + 2 + i, 'it reads anew');
  }
  await join(50);
  t.notMatch(world.kernel.print(), '10.64.50.0/25', 'it has waited long enough');
  t.not(world.kernel.print(), drift);
  finished();
  await world.clock.advance(100);
  t.match(world.kernel.print(), '10.64.50.0/25 via', 'then the node');
  const { routes } = await world.kernel.dump();
  t.ok(
    routes.some(({ prefix }) => prefix.text === lost.prefix.text),
    'and what was lost is back',
  );
  await world.close();
});

t.test('what concerns more than one node takes a whole pass', async (t) => {
  const cluster = fleet(20);
  const world = new NodeWorld(cluster, { self });
  await world.quiet();
  const n3 = cluster.nodes.get('n3')!;
  const passes = world.passes.length;
  const { prefix } = foreignRoute(3);
  const route: RouteObject = { type: 'route', prefix, table: mainTable, metric: 0, protocol: 4, target: { kind: 'blackhole' } }; // prettier-ignore
  world.kernel.outside([{ verb: 'set', object: route }]);
  await world.clock.advance(100);
  t.ok(world.passes.length > passes, "somebody else's route is looked at");
  world.kernel.outside([{ verb: 'delete', object: route }]);
  await world.clock.advance(100);

  const dumps = world.dumps;
  const underlay = [tryParseInterfaceAddress('172.16.9.9/12') as InterfaceAddress];
  await world.nodesChanged({ ...cluster, nodes: withNode(cluster.nodes, { ...n3, underlay }) }, ['n3']); // prettier-ignore
  t.ok(world.dumps > dumps, 'another underlay address is a change to be agreed on');
  t.match(world.kernel.print(), /dst 172\.16\.0\.3 /, 'so the old one is sent to for now');
  await world.quiet();
  t.notMatch(world.kernel.print(), /dst 172\.16\.0\.3 /);
  await world.close();
});
