/** Fights over an object, refused changes, and clocks that jump, with time moved by the test. */
import t from 'tap';
import { parsePrefix } from '../../encap/prefix.js';
import { Fights } from '../../routes/fight.js';
import { pathRouteKey, routeProtocol } from '../../routes/ownership.js';
import type { PassReport } from '../../routes/reconciler.js';
import { Reconciler } from '../../routes/reconciler.js';
import { peerStatuses } from '../../src/agent/status.js';
import type { NodePlan } from '../../src/agent/planner.js';
import { Planner } from '../../src/agent/planner.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { Op, RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { ManualClock } from '../support/manual-clock.js';

const cluster = sketchCluster({
  rules: [{ mode: 'vxlan' }],
  nodes: [1, 2, 3, 4].map((n) => ({
    name: `n${n}`,
    at: `192.0.2.${n}/24`,
    overlay: `10.64.${n}.0/24`,
  })),
});

class Bench {
  readonly kernel: FakeKernel = createFakeKernel({
    nics: [{ name: 'eth0', addresses: cluster.nodes.get('n1')!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
  });
  readonly clock = new ManualClock();
  readonly reports: PassReport[] = [];
  readonly reconciler: Reconciler;
  plan!: NodePlan;
  settle: () => Promise<void> = () => Promise.resolve();

  constructor() {
    const planner = new Planner(this.kernel, 'n1');
    this.reconciler = new Reconciler({
      kernel: this.kernel,
      clock: this.clock,
      onPass: (report) => this.reports.push(report),
      plan: async (state) => {
        this.plan = await planner.plan(cluster, state);
        return {
          objects: this.plan.objects,
          peers: this.plan.desired.peers,
          prepare: () => Promise.resolve(),
          settle: () => this.settle(),
        };
      },
    });
    this.reconciler.start();
  }

  async route(peer: number): Promise<RouteObject | undefined> {
    const { routes } = await this.kernel.dump();
    return routes.find((route) => objectKey(route) === routeKey(peer));
  }

  async remove(peer: number): Promise<void> {
    const object = await this.route(peer);
    if (object !== undefined) this.kernel.outside([{ verb: 'delete', object }]);
  }

  state(peer: number): string | undefined {
    const statuses = peerStatuses(this.plan, this.reports.at(-1));
    const found = statuses.find(({ node }) => node === `n${peer}`);
    return found?.state === 'held' ? `held: ${found.error}` : found?.state;
  }

  writesOf(peer: number): number {
    return this.kernel.log.filter(
      ({ verb, object }) => verb === 'set' && objectKey(object) === routeKey(peer),
    ).length;
  }
}

const routeKey = (peer: number): string => pathRouteKey(parsePrefix(`10.64.${peer}.0/24`));

t.test('writes of long ago are no part of a fight, whoever looked meanwhile', (t) => {
  for (const looks of [false, true]) {
    const fights = new Fights({ writesMax: 2, windowMs: 1_000, quietMs: 500 });
    const write = (nowMs: number): void => fights.wrote('a', { wish: 'absent', nowMs });
    for (const nowMs of [0, 10]) write(nowMs);
    if (looks) fights.contested(20);
    // Within the window, and later than an entry is kept.
    write(600);
    if (looks) fights.contested(610);
    t.same(fights.contested(620), [], 'two were forgotten');
    write(630);
    write(640);
    const [contest] = fights.contested(650);
    t.match(contest, { key: 'a', repairs: 3, sinceMs: 600, untilMs: 740 });
    t.equal(fights.nextMs(650), 740, 'the pause ends');
    t.equal(fights.nextMs(740), 1_140, 'then the fight');
    t.same(fights.contested(1_140), []);
    t.equal(fights.nextMs(1_140), undefined);
  }
  t.end();
});

t.test('a route deleted every 10 ms: few repairs, the others at full speed, an end', async (t) => {
  const bench = new Bench();
  await bench.clock.advance(500);
  let slowest = 0;
  for (let ms = 0; ms < 20_000; ms += 10) {
    await bench.remove(2);
    if (ms % 1_000 === 500) {
      await bench.remove(3);
      const since = bench.clock.now();
      while ((await bench.route(3)) === undefined) {
        await bench.clock.advance(5);
        await bench.remove(2);
      }
      slowest = Math.max(slowest, bench.clock.now() - since);
    } else await bench.clock.advance(10);
  }
  const writes = bench.writesOf(2);
  t.ok(writes > 20 && writes < 40, `${writes} writes in 20 s`);
  t.ok(slowest <= 100, `another route is back after at most ${slowest} ms`);
  t.match(
    bench.reports.at(-1)?.contested.map((contest) => contest.key),
    [routeKey(2)],
  );
  t.equal(bench.state(2), 'contested');
  t.equal(bench.state(3), 'ok');
  t.ok(bench.reports.length < 20_000 / 40, `${bench.reports.length} passes in 20 s`);

  await bench.clock.advance(11_000);
  t.equal((await bench.route(2))?.protocol, routeProtocol, 'the next try lasts');
  await bench.clock.advance(25_000);
  t.same(bench.reports.at(-1)?.contested, [], 'the fight is forgotten');
  t.equal(bench.state(2), 'ok');
  await bench.remove(2);
  await bench.clock.advance(30);
  t.ok(await bench.route(2), 'and a single deletion is repaired at once');
  await bench.reconciler.stop();
});

t.test('somebody who keeps adding is met alike, and a new wish is not held back', (t) => {
  const fights = new Fights({ writesMax: 3 });
  const absent = (nowMs: number) => ({ wish: 'absent', nowMs }) as const;
  for (let nowMs = 0; nowMs < 4; nowMs++) fights.wrote('x', absent(nowMs));
  t.ok(fights.holds('x', absent(4)));
  t.notOk(
    fights.holds('x', { wish: { type: 'sysctl', path: 'a', value: '1' }, nowMs: 4 }),
    'what is wanted now is another thing',
  );
  t.notOk(fights.holds('x', absent(104)), 'the first pause is over');
  fights.wrote('x', absent(104));
  t.ok(fights.holds('x', absent(303)), 'the second is twice as long');
  t.match(fights.contested(304), [{ key: 'x', repairs: 5, untilMs: 304 }]);
  t.notOk(fights.holds('x', absent(50)), 'a clock that jumps back holds nothing');
  t.same(fights.contested(20_000), []);
  t.end();
});

t.test('a device deleted again and again takes its objects along, and one fight', async (t) => {
  const bench = new Bench();
  await bench.clock.advance(500);
  for (let ms = 0; ms < 5_000; ms += 10) {
    bench.kernel.deleteNic('slv4a');
    await bench.clock.advance(10);
  }
  const links = bench.kernel.log.filter(
    ({ verb, object }) => verb === 'set' && object.type === 'link' && object.name === 'slv4a',
  ).length;
  t.ok(links < 35, `made ${links} times in 5 s`);
  t.equal(
    bench.reports.flatMap((report) => report.failed).length,
    0,
    'nothing is tried on a device that is not there',
  );
  await bench.clock.advance(40_000);
  t.equal(bench.state(2), 'ok');
  t.same(bench.reports.at(-1)?.contested, []);
  await bench.reconciler.stop();
});

t.test(
  'a peer that cannot be programmed delays nobody, and its error stays in sight',
  async (t) => {
    const bench = new Bench();
    const ofPeer = (op: Op): boolean =>
      op.verb === 'set' && op.object.type === 'fdb' && op.object.remote.text === '192.0.2.3';
    bench.kernel.inject({ kind: 'refuse', code: 'ENOSPC', times: 8, when: ofPeer });
    await bench.clock.advance(20_000);
    t.match(bench.state(3), /^held: set fdb slv4a 02:.*: ENOSPC$/);
    t.equal(bench.state(2), 'ok');
    const before = bench.clock.now();
    await bench.remove(2);
    await bench.clock.advance(40);
    t.ok(await bench.route(2), `repaired within ${bench.clock.now() - before} ms`);
    t.match(bench.state(3), /^held: .*ENOSPC/, 'also in the report of a pass that did not try it');
    t.match(bench.reports.at(-1)?.failed, [{ peer: 'n3', failure: { code: 'ENOSPC' } }]);
    t.equal(await bench.route(3), undefined, 'no route to where nothing leads');
    const tries = bench.kernel.log.filter(ofPeer).length;
    t.ok(tries >= 5 && tries <= 8, `${tries} tries in 20 s`);
    bench.kernel.setNic({ name: 'eth0', mtu: 1500 });
    await bench.clock.advance(50);
    t.equal(bench.kernel.log.filter(ofPeer).length, tries + 1, 'a NIC that changed: tried at once');
    await bench.clock.advance(120_000);
    t.equal(bench.state(3), 'ok');
    t.ok(await bench.route(3));
    await bench.reconciler.stop();
  },
);

t.test('a clock that jumps a day back or forth: repairs go on', async (t) => {
  for (const jumpMs of [-86_400_000, 86_400_000]) {
    const bench = new Bench();
    await bench.clock.advance(500);
    await bench.remove(2);
    bench.kernel.inject({ kind: 'dump' });
    await bench.clock.advance(20);
    bench.clock.jump(jumpMs);
    await bench.clock.advance(600);
    t.ok(await bench.route(2), `after ${jumpMs / 3_600_000} h`);
    await bench.remove(3);
    await bench.clock.advance(100);
    t.ok(await bench.route(3));
    await bench.reconciler.stop();
  }
});

t.test('what keeps a pass from ending well keeps no repair waiting', async (t) => {
  const bench = new Bench();
  await bench.clock.advance(500);
  bench.settle = () => Promise.reject(new Error('a plane cannot be started'));
  bench.reconciler.trigger('test');
  // Long enough for the pauses between tries to have grown to half a minute.
  await bench.clock.advance(90_000);
  const passes = bench.reports.length;
  t.ok(passes < 20, `${passes} passes`);
  t.match(bench.reports.at(-1)?.error, /a plane cannot/);
  await bench.remove(2);
  await bench.clock.advance(1_050);
  t.ok(await bench.route(2), 'an event waits for a second at most');
  bench.settle = () => Promise.resolve();
  await bench.clock.advance(31_000);
  t.equal(bench.reports.at(-1)?.error, undefined, 'and the pass itself is tried again unasked');
  await bench.reconciler.stop();
});
