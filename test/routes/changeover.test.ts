/** Changes that nodes learn of at different moments: what is accepted and sent, and when. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import type { Term } from '../../encap/live-record.js';
import type { CarriageKey } from '../../encap/mode.js';
import type { ChangeoverClock, Terms, TermsHistory } from '../../routes/changeover.js';
import {
  admittedVxlan,
  afterPass,
  mayBeSent,
  nextStepMs,
  pruned,
  sendingTerms,
  vxlanKey,
  withTerms,
} from '../../routes/changeover.js';
import { applyChanges } from '../../routes/apply.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';

import { assignSlots } from '../../routes/slots.js';
import { Planner } from '../../src/agent/planner.js';
import type { NodePlan } from '../../src/agent/planner.js';
import { TermsFile, TermsMemory } from '../../src/agent/terms-record.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { ClusterSketch, NodeSketch } from '../support/cluster-builder.js';
import { sketchCluster, sketchNode } from '../support/cluster-builder.js';
import { withNode } from '../../encap/node-table.js';

const seed = 20261122;
const settleMs = 10_000;
const vxlanKeys: readonly CarriageKey[] = ['vxlan:4:4'];

const terms = (vni: number, receives: readonly CarriageKey[] = vxlanKeys): Terms => ({
  vxlan: { vni, port: 4789 },
  receives,
  underlay: { a: ['192.0.2.1/24'], b: ['192.0.2.2/24'] },
});

interface Change {
  readonly vni: number;
  readonly receives: readonly CarriageKey[];
  readonly afterMs: number;
  /** How much later than it was made each node learns of it. */
  readonly delays: readonly [number, number];
}

interface Pace {
  /** Most that a node may learn of a change later than it was made. */
  readonly delayMs: number;
  /** What a pass takes on every node, and by how much nodes differ. */
  readonly passMs: number;
  readonly passDiffersMs: number;
}

const arbitraryChanges = (
  afterMs: fc.Arbitrary<number>,
  options: { readonly vni: fc.Arbitrary<number>; readonly delayMs: number },
): fc.Arbitrary<readonly Change[]> =>
  fc.array(
    fc.record({
      vni: options.vni,
      receives: fc.subarray<CarriageKey>(['ipip:4:4', 'native:4:4', 'vxlan:4:4'], { minLength: 1 }),
      afterMs,
      delays: fc.tuple(fc.nat(options.delayMs), fc.nat(options.delayMs)),
    }),
    { minLength: 1, maxLength: 8 },
  );

/**
 * A node that reads its file and carries out its plans, each in a pass that takes time. Within a
 * pass it is not known which of its writes has been made: it accepts what is accepted before and
 * after, and sends what is sent before or after.
 */
class SimulatedNode {
  readonly #passMs: number;
  #history: TermsHistory = [{ sinceMs: -1e6, terms: terms(1) }];
  #wanted = terms(1);
  #accepts: readonly Terms[] = [terms(1)];
  #sends = { vxlan: vxlanKey(terms(1).vxlan), way: vxlanKeys[0]! };
  #pass: { readonly endMs: number; readonly done: () => void } | undefined;
  #before: { readonly accepts: readonly Terms[]; readonly sends: { vxlan: string; way: string } };
  #dirty = false;

  constructor(passMs: number) {
    this.#passMs = passMs;
    this.#before = { accepts: this.#accepts, sends: this.#sends };
  }

  learn(wanted: Terms): void {
    this.#wanted = wanted;
    this.#dirty = true;
  }

  /** Does what is due; returns when something is due again. */
  advance(nowMs: number): number | undefined {
    if (this.#pass !== undefined && this.#pass.endMs <= nowMs) this.#pass.done();
    const clock = { nowMs, settleMs };
    if (this.#pass === undefined && (this.#dirty || this.#stepIsDue(clock))) this.#begin(clock);
    return this.#pass?.endMs ?? nextStepMs(this.#history, clock);
  }

  accepts({ vxlan, way }: { readonly vxlan: string; readonly way: string }): boolean {
    return [this.#accepts, this.#before.accepts].every(
      (accepted) =>
        accepted.some((one) => vxlanKey(one.vxlan) === vxlan) &&
        accepted.some(({ receives }) => receives.includes(way as CarriageKey)),
    );
  }

  get sends(): readonly { readonly vxlan: string; readonly way: string }[] {
    return [this.#sends, this.#before.sends];
  }

  get segments(): number {
    return new Set(this.#accepts.map(({ vxlan }) => vxlanKey(vxlan))).size;
  }

  #stepIsDue(clock: ChangeoverClock): boolean {
    const sent = sendingTerms(this.#history, clock)!;
    const wished = this.#wanted.receives[0]!;
    return (
      pruned(this.#history, clock).length < this.#history.length ||
      vxlanKey(sent.vxlan) !== this.#sends.vxlan ||
      (wished !== this.#sends.way && mayBeSent(wished, { history: this.#history, clock }))
    );
  }

  #begin(clock: ChangeoverClock): void {
    this.#dirty = false;
    const known = pruned(this.#history, clock);
    const vxlan = admittedVxlan(known, this.#wanted.vxlan);
    const history = withTerms(known, { terms: { ...this.#wanted, vxlan }, nowMs: clock.nowMs });
    this.#history = history;
    this.#before = { accepts: this.#accepts, sends: this.#sends };
    this.#accepts = history.map((entry) => entry.terms);
    const wished = this.#wanted.receives[0]!;
    this.#sends = {
      vxlan: vxlanKey(sendingTerms(history, clock)!.vxlan),
      way: mayBeSent(wished, { history, clock }) ? wished : this.#sends.way,
    };
    const endMs = clock.nowMs + this.#passMs;
    const done = (): void => {
      this.#history = afterPass({ history, planned: clock, endedMs: endMs, incomplete: false });
      this.#before = { accepts: this.#accepts, sends: this.#sends };
      this.#pass = undefined;
    };
    this.#pass = { endMs, done };
  }
}

/** Two nodes that learn of the changes at their own times: is something sent that is not received? */
function losesNothing(changes: readonly Change[], pace: Pace): boolean {
  const nodes = [0, pace.passDiffersMs].map((more) => new SimulatedNode(pace.passMs + more));
  const moments: { readonly atMs: number; readonly learn?: () => void }[] = [];
  nodes.forEach((node, index) => {
    let madeMs = 0;
    let atMs = 0;
    for (const { vni, receives, afterMs, delays } of changes) {
      madeMs += afterMs;
      atMs = Math.max(atMs, madeMs + delays[index]!);
      moments.push({ atMs, learn: () => node.learn(terms(vni, receives)) });
    }
  });
  let nowMs = 0;
  for (;;) {
    moments.sort((x, y) => x.atMs - y.atMs);
    const moment = moments.shift();
    if (moment === undefined) break;
    nowMs = moment.atMs;
    moment.learn?.();
    for (const node of nodes) {
      const next = node.advance(nowMs);
      if (next !== undefined && !moments.some(({ atMs }) => atMs === next))
        moments.push({ atMs: next });
    }
    const [a, b] = nodes as [SimulatedNode, SimulatedNode];
    if (a.segments > 2 || b.segments > 2) return false;
    if (!a.sends.every((sent) => b.accepts(sent))) return false;
    if (!b.sends.every((sent) => a.accepts(sent))) return false;
  }
  // All steps have been taken: what was asked for last is what is sent.
  const last = changes.at(-1)!;
  return nodes.every((node) => node.sends.every(({ way }) => way === last.receives[0]));
}

t.test('rules in any order and pace, read by each node when it likes: nothing is lost', (t) => {
  const pace = { delayMs: settleMs / 2, passMs: 0, passDiffersMs: 0 };
  const changes = arbitraryChanges(fc.nat(3 * settleMs), { vni: fc.constant(1), ...pace });
  fc.assert(
    fc.property(changes, (list) => losesNothing(list, pace)),
    { seed, numRuns: 500 },
  );
  t.pass('for 500 sequences of changes');
  t.end();
});

t.test('segments too, one change after the other', (t) => {
  const pace = { delayMs: settleMs / 2, passMs: 0, passDiffersMs: 0 };
  const afterMs = fc.integer({ min: 3 * settleMs, max: 5 * settleMs });
  const changes = arbitraryChanges(afterMs, { vni: fc.integer({ min: 1, max: 3 }), ...pace });
  fc.assert(
    fc.property(changes, (list) => losesNothing(list, pace)),
    { seed, numRuns: 500 },
  );
  t.pass('for 500 sequences of changes');
  t.end();
});

t.test('also where giving the kernel what was decided takes longer than the settle time', (t) => {
  const delayMs = settleMs / 4;
  const sequence = fc
    .tuple(fc.integer({ min: 0, max: 3 * settleMs }), fc.nat(settleMs / 4))
    .chain(([passMs, passDiffersMs]) => {
      const pauseMs = 3 * settleMs + 4 * (passMs + passDiffersMs);
      const afterMs = fc.integer({ min: pauseMs, max: 2 * pauseMs });
      const vni = fc.integer({ min: 1, max: 3 });
      return fc.tuple(
        arbitraryChanges(afterMs, { vni, delayMs }),
        fc.constant({ delayMs, passMs, passDiffersMs }),
      );
    });
  fc.assert(
    fc.property(sequence, ([changes, pace]) => losesNothing(changes, pace)),
    { seed, numRuns: 500 },
  );
  t.pass('for 500 sequences of changes');
  t.end();
});

t.test('a step that is not done holds the next one back', (t) => {
  const known: TermsHistory = [
    { sinceMs: 0, terms: terms(1) },
    { sinceMs: 100_000, terms: terms(2) },
  ];
  const at = (nowMs: number): ChangeoverClock => ({ nowMs, settleMs });
  const vniAt = (history: TermsHistory, nowMs: number): number | undefined =>
    sendingTerms(history, at(nowMs))?.vxlan.vni;
  t.equal(vniAt(known, 900_000), 1, 'not ready, however long ago it was asked for');
  t.equal(nextStepMs(known, at(900_000)), undefined);

  const pass = { planned: at(100_000), endedMs: 130_000, incomplete: false };
  const ready = afterPass({ ...pass, history: known });
  t.equal(nextStepMs(ready, at(130_000)), 140_000);
  t.same([vniAt(ready, 139_999), vniAt(ready, 140_000)], [1, 2]);
  t.equal(pruned(ready, at(900_000)).length, 2, 'switched by nobody yet');
  t.equal(afterPass({ ...pass, history: ready }), ready, 'another pass changes nothing');

  const later = { history: ready, planned: at(140_000), endedMs: 165_000 };
  const failed = afterPass({ ...later, incomplete: true });
  t.equal(pruned(failed, at(900_000)).length, 2, 'the new device is not there: the old stays');
  const switched = afterPass({ ...later, incomplete: false });
  t.equal(nextStepMs(switched, at(165_000)), 175_000);
  t.equal(pruned(switched, at(174_999)).length, 2);
  t.same(
    pruned(switched, at(175_000)).map((entry) => entry.terms.vxlan.vni),
    [2],
  );
  t.end();
});

t.test('slots: who stands somewhere stays, and two of a kind never share one', (t) => {
  const key = fc.constantFrom('1', '2', '3', '4');
  const occupied = fc.uniqueArray(
    fc.record({ slot: fc.constantFrom('a' as const, 'b' as const), key }),
    { selector: ({ slot }) => slot, maxLength: 2 },
  );
  fc.assert(
    fc.property(fc.uniqueArray(key, { minLength: 1 }), occupied, (keys, present) => {
      const assigned = assignSlots(keys, present);
      const used = [...assigned.values()];
      return (
        assigned.has(keys[0]!) &&
        new Set(used).size === used.length &&
        (new Set(present.map((entry) => entry.key)).size < present.length ||
          present.every(
            (entry) => !assigned.has(entry.key) || assigned.get(entry.key) === entry.slot,
          ))
      );
    }),
    { seed },
  );
  t.end();
});

/** Two nodes on one segment, as `a` sees them. */
const pair = (change: Partial<ClusterSketch> = {}, b: Partial<NodeSketch> = {}): Cluster =>
  sketchCluster({
    nodes: [
      { name: 'a', at: '192.0.2.1/24', overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'] },
      { name: 'b', at: '192.0.2.2/24', overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'], ...b },
    ],
    rules: [{ mode: 'vxlan' }],
    zones: { default: { switches: { firewall: { ipip: 'allowed' } } } },
    ...change,
  });

class Bench {
  nowMs = 1_000_000;
  /** How long a pass takes. */
  applyMs = 0;
  nextStepMs: number | undefined;
  readonly kernel: FakeKernel = createFakeKernel({
    nics: [{ name: 'eth0', mtu: 1500, addresses: pair().nodes.get('a')!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
  });
  readonly record = new TermsMemory();
  planner = this.restarted();
  /** Keys of what the kernel is said to have refused. */
  unmade: readonly string[] = [];

  restarted(): Planner {
    return new Planner(this.kernel, 'a', { record: this.record, nowMs: () => this.nowMs });
  }

  restart(): void {
    this.planner = this.restarted();
  }

  async apply(cluster: Cluster, laterMs = 0): Promise<NodePlan> {
    this.nowMs += laterMs;
    const state = await this.kernel.dump();
    const plan = await this.planner.plan(cluster, state);
    const sysctls = readSysctls(this.kernel, plan.objects.values());
    const { changes } = diff(plan.objects, { kernel: state, sysctls });
    const { failed } = await applyChanges(this.kernel, changes, plan.desired.peers);
    if (failed.length > 0) throw new Error(failed.map((entry) => entry.failure.message).join());
    this.nowMs += this.applyMs;
    this.nextStepMs = this.planner.applied(plan, { unmade: this.unmade });
    return plan;
  }

  async devices(): Promise<readonly string[]> {
    const { links } = await this.kernel.dump();
    return links.map(({ name }) => name).filter((name) => name.startsWith('sl'));
  }

  /** Device and next hop of the route to b's prefix. */
  async way(prefix = '10.64.2.0/24'): Promise<string | undefined> {
    const { routes } = await this.kernel.dump();
    const route: RouteObject | undefined = routes.find((entry) => entry.prefix.text === prefix);
    return route?.target.kind === 'unicast' ? route.target.device : route?.target.kind;
  }
}

t.test(
  'without a settle time one pass sends by the new, and the next takes the old away',
  async (t) => {
    const bench = new Bench();
    const at = (mode: 'vxlan' | 'native'): Cluster => ({
      ...pair({ rules: [{ mode }] }),
      settleMs: 0,
    });
    await bench.apply(at('vxlan'));
    t.equal(await bench.way(), 'slv4a');
    bench.applyMs = 100;
    const endsMs = bench.nowMs + 101;
    await bench.apply(at('native'), 1);
    t.equal(await bench.way(), 'eth0', 'at once');
    t.same(await bench.devices(), ['slv4a'], 'what peers may still send is received');
    t.equal(bench.nextStepMs, endsMs, 'until the pass has ended');
    await bench.apply(at('native'));
    t.same(await bench.devices(), []);
    t.equal(bench.nextStepMs, undefined);
  },
);

t.test('a new VNI: prepared, switched to, tidied up, across restarts of the agent', async (t) => {
  for (const restarts of [false, true]) {
    const bench = new Bench();
    const old = pair({ vni: 7 });
    const next = pair({ vni: 8 });
    await bench.apply(old);
    t.same(await bench.devices(), ['slv4a']);
    const prepared = await bench.apply(next, 60_000);
    t.same(await bench.devices(), ['slv4a', 'slv4b']);
    t.equal(await bench.way(), 'slv4a', 'still the old way');
    t.same(
      prepared.guard.vxlan.map(({ vni }) => vni),
      [7, 8],
    );
    t.equal(bench.nextStepMs, bench.nowMs + settleMs);
    if (restarts) bench.restart();
    await bench.apply(next, settleMs - 1);
    t.equal(await bench.way(), 'slv4a');
    if (restarts) bench.restart();
    const switched = await bench.apply(next, 1);
    t.equal(await bench.way(), 'slv4b');
    t.equal(await bench.way('fd64:0:0:2::/64'), 'slv4b');
    t.same(await bench.devices(), ['slv4a', 'slv4b']);
    t.same(
      switched.guard.vxlan.map(({ vni }) => vni),
      [8, 7],
    );
    if (restarts) bench.restart();
    const tidy = await bench.apply(next, settleMs);
    t.same(await bench.devices(), ['slv4b']);
    t.same(
      tidy.guard.vxlan.map(({ vni }) => vni),
      [8],
    );
    t.equal(bench.nextStepMs, undefined);
    await bench.apply(old, 60_000);
    t.same(await bench.devices(), ['slv4b', 'slv4a'], 'and back by the other slot');
  }
});

t.test('a slow apply: each step counts from the end of the one before', async (t) => {
  const bench = new Bench();
  await bench.apply(pair({ vni: 7 }));
  const next = pair({ vni: 8 });
  bench.applyMs = 4 * settleMs;
  await bench.apply(next, 60_000);
  t.equal(bench.nextStepMs, bench.nowMs + settleMs);
  await bench.apply(next, settleMs - 1);
  t.equal(await bench.way(), 'slv4a', 'peers may be as slow');
  bench.restart();
  await bench.apply(next);
  t.equal(await bench.way(), 'slv4b');
  t.equal(bench.nextStepMs, bench.nowMs + settleMs);
  await bench.apply(next, settleMs - 1);
  t.same(await bench.devices(), ['slv4a', 'slv4b']);
  await bench.apply(next, 1);
  t.same(await bench.devices(), ['slv4b']);
  t.equal(bench.nextStepMs, undefined);
});

t.test('a device that cannot be made: the old stays, and another may be asked for', async (t) => {
  const bench = new Bench();
  await bench.apply(pair({ vni: 7 }));
  const refused = pair({ vni: 8, port: 8472 });
  const planOf = async (cluster: Cluster, laterMs: number): Promise<NodePlan> => {
    bench.nowMs += laterMs;
    return bench.planner.plan(cluster, await bench.kernel.dump());
  };
  // The plan is never carried out but for the guard: somebody else has the port.
  for (let step = 0; step < 5; step++) {
    const plan = await planOf(refused, settleMs);
    t.ok(
      plan.guard.vxlan.some(({ vni }) => vni === 7),
      'the old is accepted',
    );
    bench.planner.applied(plan, { unmade: ['link slv4b'] });
  }
  const other = pair({ vni: 8, port: 4790 });
  await bench.apply(other, settleMs);
  for (let step = 0; step < 2; step++) await bench.apply(other, settleMs);
  const { links } = await bench.kernel.dump();
  t.match(
    links.filter((link) => link.kind === 'vxlan'),
    [{ name: 'slv4b', vni: 8, port: 4790 }],
  );

  const lasting = new Bench();
  const both = (vni: number): Cluster =>
    pair({ vni, rules: [{ mode: 'vxlan', to: { nodes: ['b'] } }] });
  lasting.unmade = ['link slip4'];
  await lasting.apply(both(7));
  for (const laterMs of [60_000, settleMs, settleMs]) await lasting.apply(both(8), laterMs);
  t.same(
    await lasting.devices(),
    ['slip4', 'slv4b'],
    'what could not be made before holds nothing up',
  );
});

t.test('without a record the devices in the kernel tell what peers send with', async (t) => {
  const bench = new Bench();
  await bench.apply(pair({ vni: 7 }));
  const planner = new Planner(bench.kernel, 'a', { nowMs: () => bench.nowMs });
  const plan = await planner.plan(pair({ vni: 8 }), await bench.kernel.dump());
  t.same(
    plan.guard.vxlan.map(({ vni }) => vni),
    [7, 8],
  );
});

t.test('a third segment waits for a slot', async (t) => {
  const bench = new Bench();
  for (const vni of [7, 8, 9]) await bench.apply(pair({ vni }));
  t.same(await bench.devices(), ['slv4a', 'slv4b']);
  for (let step = 0; step < 6; step++) await bench.apply(pair({ vni: 9 }), settleMs);
  const { links } = await bench.kernel.dump();
  t.match(
    links.filter((link) => link.kind === 'vxlan'),
    [{ vni: 9 }],
  );
});

t.test('the only rule names another mode: nobody sends it before all receive it', async (t) => {
  const bench = new Bench();
  await bench.apply(pair());
  const next = pair({ rules: [{ mode: 'ipip' }] });
  await bench.apply(next, 60_000);
  t.same(await bench.devices(), ['slv4a', 'slip4']);
  t.equal(await bench.way(), 'slv4a');
  bench.restart();
  await bench.apply(next, settleMs);
  t.equal(await bench.way(), 'slip4');
  t.same(await bench.devices(), ['slv4a', 'slip4']);
  await bench.apply(next, settleMs);
  t.same(await bench.devices(), ['slip4']);

  const auto = pair({ rules: [{ mode: 'vxlan', to: { nodes: ['b'] } }] });
  await bench.apply(auto, 60_000);
  await bench.apply(auto, 2 * settleMs);
  await bench.apply(pair({ rules: [{ mode: 'ipip', to: { nodes: ['b'] } }] }), 60_000);
  t.equal(await bench.way(), 'slip4', 'what every node receives anyway is sent at once');
});

t.test('everything natively: no tunnel device, so no tunnel address to send from', async (t) => {
  const bench = new Bench();
  const only = (mode: 'native' | 'vxlan'): Cluster => pair({ rules: [{ mode, force: true }] });
  const source = async (): Promise<unknown> => {
    const { routes } = await bench.kernel.dump();
    const route = routes.find(({ prefix }) => prefix.text === '10.64.2.0/24');
    return route?.target.kind === 'unicast' ? route.target.preferredSource?.text : route;
  };
  await bench.apply(only('native'));
  t.same([await bench.devices(), await bench.way(), await source()], [[], 'eth0', undefined]);
  for (const later of [60_000, settleMs, settleMs]) await bench.apply(only('vxlan'), later);
  t.same(
    [await bench.devices(), await bench.way(), await source()],
    [['slv4a'], 'slv4a', '10.64.1.0'],
  );
  for (const later of [60_000, settleMs, settleMs]) await bench.apply(only('native'), later);
  t.same([await bench.devices(), await bench.way(), await source()], [[], 'eth0', undefined]);
});

t.test('a denied or withdrawn peer is cut off at once', async (t) => {
  const bench = new Bench();
  await bench.apply(pair());
  await bench.apply(pair({ rules: [{ mode: 'deny' }] }), 60_000);
  t.equal(await bench.way(), 'prohibit');
  const gone = await bench.apply(pair({}, { withdrawn: true }), 1);
  t.same(gone.guard.peers, []);
});

t.test("a peer's new address: accepted at once, sent to after the settle time", async (t) => {
  const bench = new Bench();
  await bench.apply(pair());
  const next = pair({}, { at: '192.0.2.22/24' });
  const remote = async () => (await bench.kernel.dump()).fdb.map((entry) => entry.remote.text);
  const sources = (plan: NodePlan) => plan.guard.peers[0]?.outerSources.map(({ text }) => text);
  t.same(sources(await bench.apply(next, 60_000)), ['192.0.2.2', '192.0.2.22']);
  t.same(await remote(), ['192.0.2.2']);
  t.same(sources(await bench.apply(next, settleMs)), ['192.0.2.22', '192.0.2.2']);
  t.same(await remote(), ['192.0.2.22']);
  t.same(sources(await bench.apply(next, settleMs)), ['192.0.2.22']);
});

t.test(
  'our own new address: both receive, and the one that is gone is not waited for',
  async (t) => {
    const moved = (rules: ClusterSketch['rules'] = [{ mode: 'ipip' }]): Cluster => {
      const cluster = pair({ rules });
      const own = sketchNode({ name: 'a', at: '192.0.2.11/24', overlay: '10.64.1.0/24' });
      return { ...cluster, nodes: withNode(cluster.nodes, own) };
    };
    const before = pair({ rules: [{ mode: 'ipip' }] });
    const locals = async (bench: Bench) =>
      (await bench.kernel.dump()).links
        .filter((link) => link.kind === 'ipip')
        .map((link) => `${link.name} ${link.kind === 'ipip' ? link.local.text : ''}`);
    const bench = new Bench();
    await bench.apply(before);
    const both = [before, moved()].flatMap((cluster) => cluster.nodes.get('a')!.underlay);
    bench.kernel.setNic({ name: 'eth0', mtu: 1500, addresses: both });
    const prepared = await bench.apply(moved(), 60_000);
    t.same(await locals(bench), ['slip4 192.0.2.1', 'slip4b 192.0.2.11']);
    t.same(
      prepared.guard.localAddresses.map(({ text }) => text),
      ['192.0.2.1', '192.0.2.11'],
    );
    t.equal(await bench.way(), 'slip4');
    await bench.apply(moved(), settleMs);
    t.equal(await bench.way(), 'slip4b');
    await bench.apply(moved(), settleMs);
    t.same(await locals(bench), ['slip4b 192.0.2.11']);

    const hasty = new Bench();
    await hasty.apply(before);
    hasty.kernel.deleteNic('eth0');
    hasty.kernel.setNic({
      name: 'eth0',
      mtu: 1500,
      addresses: moved().nodes.get('a')!.underlay,
    });
    await hasty.apply(moved(), 60_000);
    const device = (await locals(hasty)).find((line) => line.endsWith('192.0.2.11'));
    t.equal(await hasty.way(), device?.split(' ')[0]);
  },
);

t.test('what a live record says is still sent stays receivable', async (t) => {
  const bench = new Bench();
  const spoken = {
    accepts: ['vxlan:4:4/4096/4789'],
    version: 0,
    retired: [],
    acknowledged: {},
    sends: ['ipip:4:4', 'native:4:4'],
  } as const;
  const cluster = pair();
  const sending = { ...cluster.nodes.get('b')!, live: spoken };
  const live = { ...cluster, nodes: withNode(cluster.nodes, sending) };
  const plan = await bench.apply(live);
  t.same(await bench.devices(), ['slv4a', 'slip4']);
  t.same(
    plan.guard.peers[0]?.nativeSources.map(({ text }) => text),
    ['10.64.2.0/24'],
  );
  const after = await bench.apply(cluster, 1);
  t.same(await bench.devices(), ['slv4a']);
  t.same(after.guard.peers[0]?.nativeSources, []);
});

t.test('a peer whose record accepts another segment is sent that', async (t) => {
  const bench = new Bench();
  const cluster = pair({ vni: 8 });
  const accepting = (...accepts: readonly Term[]): Cluster => ({
    ...cluster,
    nodes: withNode(cluster.nodes, {
      ...cluster.nodes.get('b')!,
      live: { accepts, sends: ['vxlan:4:4/8/4789'], version: 0, retired: [], acknowledged: {} },
    }),
  });
  const plan = await bench.apply(accepting('vxlan:4:4/7/4789'));
  t.same(await bench.devices(), ['slv4a', 'slv4b']);
  t.same(
    plan.guard.vxlan.map(({ vni }) => vni),
    [8, 7],
  );
  t.equal(await bench.way(), 'slv4b', 'the new segment is not there yet');
  t.equal(await bench.way('fd64:0:0:2::/64'), 'unreachable', 'nothing is accepted for IPv6');
  await bench.apply(accepting('vxlan:4:4/7/4789', 'vxlan:4:4/8/4789', 'vxlan:4:6/8/4789'));
  t.equal(await bench.way(), 'slv4a');
  t.equal(await bench.way('fd64:0:0:2::/64'), 'slv4a');
});

t.test('MTU: routes shrink before their device, devices grow before their routes', async (t) => {
  const linked = (mtu: number): Cluster => {
    const link = {
      ends: [
        { kind: 'zone', zone: 'default' },
        { kind: 'zone', zone: 'far' },
      ],
      mtu,
    } as const;
    return pair(
      { zones: { default: {}, far: {} }, links: [link] },
      { zone: 'far', at: '198.51.100.2/24' },
    );
  };
  const bench = new Bench();
  await bench.apply(linked(1500));
  const order = async (nicMtu: number, linkMtu: number): Promise<readonly string[]> => {
    bench.kernel.setNic({
      name: 'eth0',
      mtu: nicMtu,
      addresses: pair().nodes.get('a')!.underlay,
    });
    const from = bench.kernel.log.length;
    await bench.apply(linked(linkMtu), 1);
    return bench.kernel.log
      .slice(from)
      .flatMap(({ object }) =>
        object.type === 'link' && object.name === 'slv4a'
          ? [`device ${object.mtu}`]
          : object.type === 'route' && object.target.kind === 'unicast'
            ? [`route ${object.target.mtu}`]
            : [],
      );
  };
  t.same(await order(1400, 1500), ['route 1350', 'route 1350', 'device 1350']);
  t.same(await order(1500, 1500), ['device 1450', 'route 1450'], 'the kernel raises the IPv6 one');
  await order(1400, 1400);
  t.same(
    await order(1500, 1400),
    ['device 1450', 'route 1350'],
    'an IPv6 route that the kernel raised with the device is put back in the same pass',
  );
});

t.test('a record that cannot be used: the kernel tells what to accept and to send', async (t) => {
  const unusable = { read: () => undefined, write: () => undefined };
  const bench = new Bench();
  const before = pair({ rules: [{ mode: 'ipip' }] });
  await bench.apply(before);
  const after = pair({ rules: [{ mode: 'vxlan' }] });
  bench.planner = new Planner(bench.kernel, 'a', {
    record: unusable,
    nowMs: () => bench.nowMs,
  });
  const removed = (from: number): readonly string[] =>
    bench.kernel.log
      .slice(from)
      .flatMap((op) => (op.verb === 'delete' ? [objectKey(op.object)] : []));
  const from = bench.kernel.log.length;
  await bench.apply(after, 60_000);
  t.same(await bench.devices(), ['slip4', 'slv4a']);
  t.equal(await bench.way(), 'slip4', 'peers accept what was sent before');
  t.same(removed(from), []);
  await bench.apply(after, settleMs);
  t.equal(await bench.way(), 'slv4a');
  await bench.apply(after, settleMs);
  t.same(await bench.devices(), ['slv4a']);

  const halfWay = new Bench();
  await halfWay.apply(pair({ vni: 7 }));
  await halfWay.apply(pair({ vni: 8 }), 60_000);
  for (const vni of [7, 8]) {
    const planner = new Planner(halfWay.kernel, 'a', {
      record: unusable,
      nowMs: () => halfWay.nowMs,
    });
    const plan = await planner.plan(pair({ vni }), await halfWay.kernel.dump());
    const segments = plan.guard.vxlan.map((id) => id.vni);
    t.same(segments, [7, 8], `${vni} is asked for: 7 is sent, and both are received`);
  }
});

t.test('the record on disk: round trip, garbage, and times of before a reboot', (t) => {
  const path = join(t.testdir(), 'run', 'terms.json');
  const told: string[] = [];
  const options = { nowMs: () => 5_000, onRefused: (problem: string) => told.push(problem) };
  const file = new TermsFile(path, options);
  t.same(file.read(), []);
  const history: TermsHistory = [
    { sinceMs: 0, terms: terms(1) },
    { sinceMs: 3_000, readyMs: 3_001, switchedMs: 3_500, terms: terms(2) },
    { sinceMs: 4_000, terms: terms(3) },
  ];
  file.write(history);
  t.same(file.read(), history);
  t.same(new TermsFile(path, { nowMs: () => 3_999 }).read(), [], 'the clock has begun again');
  t.same(told, []);
  for (const text of ['', '{', '[]', 'null', '{"schema":"selvage.terms/1","history":[{}]}']) {
    writeFileSync(path, text);
    t.equal(file.read(), undefined, JSON.stringify(text));
    t.match(told.pop(), /terms\.json, is not used: it is damaged; what peers may be sending/);
  }
  writeFileSync(path, '{"schema":"selvage.terms/2","history":[]}');
  t.equal(file.read(), undefined);
  t.match(told.pop(), /of format selvage\.terms\/2, and this release reads selvage\.terms\/1/);
  t.end();
});
