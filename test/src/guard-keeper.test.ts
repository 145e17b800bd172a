/** Repairs of the guard, fights over it, and what is had meanwhile; time is moved by the test. */
import t from 'tap';
import type { DesiredObject } from '../../routes/desired.js';
import type { Clock } from '../../routes/reconciler.js';
import { GuardKeeper } from '../../src/agent/guard-keeper.js';
import { Planner } from '../../src/agent/planner.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { ManualClock } from '../support/manual-clock.js';

const cluster = sketchCluster({
  rules: [
    { name: 'near', between: [{ nodes: ['n1'] }, { nodes: ['n2'] }], mode: 'native' },
    { name: 'rest', mode: 'vxlan' },
  ],
  nodes: [1, 2, 3].map((n) => ({
    name: `n${n}`,
    at: `192.0.2.${n}/24`,
    overlay: `10.64.${n}.0/24`,
  })),
});

/** A keeper in the hands of something like the reconciler: asked for a pass, it makes one 5 ms later. */
class Bench {
  readonly guard = new MemoryGuard();
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly keeper: GuardKeeper;
  passes = 0;
  objects: ReadonlyMap<string, DesiredObject> = new Map();
  #asked = false;

  constructor(clock?: (clock: ManualClock) => Clock) {
    const note = (...args: readonly unknown[]): void => void this.lines.push(String(args.at(-1)));
    this.keeper = new GuardKeeper({
      guard: this.guard,
      log: { warn: note, info: note },
      clock: clock?.(this.clock) ?? this.clock,
    });
    this.keeper.watch(() => this.ask());
  }

  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.clock.setTimer(() => {
      this.#asked = false;
      void this.pass();
    }, 5);
  }

  async pass(): Promise<void> {
    const { guard, objects } = await planned;
    this.passes++;
    this.objects = this.keeper.allowed(objects);
    await this.keeper.prepare(guard);
    await this.keeper.settle(guard);
  }

  /** Somebody deletes the rules, so often, for so long. */
  async fight(everyMs: number, forMs: number): Promise<number> {
    const before = this.guard.writes;
    for (let ms = 0; ms < forMs; ms += everyMs) {
      this.guard.drift('table inet selvage_guard is missing');
      await this.clock.advance(everyMs);
    }
    return this.guard.writes - before;
  }
}

const planned = (async () => {
  const kernel = createFakeKernel({
    nics: [{ name: 'eth0', addresses: cluster.nodes.get('n1')!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
  });
  return new Planner(kernel, 'n1').plan(cluster, await kernel.dump());
})();

t.test('a change by somebody else is repaired at once and told', async (t) => {
  const bench = new Bench();
  await bench.pass();
  t.equal(bench.guard.writes, 1);
  bench.guard.drift('set outer4 lacks 192.0.2.2');
  await bench.clock.advance(10);
  t.equal(bench.guard.writes, 2);
  t.same(bench.lines, ['the guard was changed by somebody else: repaired']);
  t.equal(bench.objects, (await planned).objects, 'tunnels stay as they are');
});

t.test('rules changed while they are first looked at are looked at again', async (t) => {
  const bench = new Bench();
  const first = bench.pass();
  bench.guard.drift('flushed');
  await first;
  bench.guard.drift('flushed again');
  await bench.clock.advance(10);
  t.same(await bench.guard.verify((await planned).guard), { ok: true, difference: undefined });
});

t.test('a table deleted every 50 ms: few repairs, no tunnel, few lines, an end', async (t) => {
  const bench = new Bench();
  await bench.pass();
  const writes = await bench.fight(50, 20_000);
  t.ok(writes > 20 && writes < 40, `${writes} repairs in 20 s`);
  t.ok(bench.passes < 100, `${bench.passes} passes in 20 s`);
  t.equal(bench.keeper.isShut, true);
  t.match(bench.keeper.contested, [{ object: 'the guard (memory)', repairs: writes }]);
  t.match(bench.keeper.problems, [/\(table inet selvage_guard is missing\): .*tunnels are down/]);
  t.ok(bench.lines.length <= 22, `${bench.lines.length} lines`);

  const [slv] = [...bench.objects.values()].filter((object) => object.type === 'link');
  t.match(slv, { name: 'slv4a', up: false });
  const ways = [...bench.objects.values()].flatMap((object) =>
    object.type === 'route' ? [[object.prefix.text, object.target]] : [],
  );
  t.same(
    ways.map(([prefix]) => prefix),
    ['10.64.1.0/24', '10.64.2.0/24', '10.64.0.0/12'],
    'the own block, the native peer and the unreachable pool; nothing by tunnel',
  );
  t.match(ways[1]?.[1], { device: 'eth0', preferredSource: undefined });

  await bench.clock.advance(11_000);
  t.equal((await bench.guard.verify((await planned).guard)).ok, true, 'the next repair lasts');
  t.equal(bench.keeper.isShut, true, 'but for how long?');
  await bench.clock.advance(25_000);
  t.equal(bench.keeper.isShut, false);
  t.equal(bench.objects, (await planned).objects, 'a pass was asked for, and has it all again');
  t.same([bench.keeper.contested, bench.keeper.problems], [[], []]);
  t.match(bench.lines.at(-1), /the tunnels come up/);
  t.equal(await bench.fight(50, 50), 1, 'a single change is repaired at once again');
});

t.test('a fight is seen where a repair takes more than a second, too', async (t) => {
  const bench = new Bench();
  await bench.pass();
  await bench.fight(1_500, 45_000);
  t.equal(bench.keeper.isShut, true);
  await bench.clock.advance(25_000);
  t.equal(bench.keeper.isShut, false);
});

t.test('a service that loads the packet filter anew now and then is no fight', async (t) => {
  const bench = new Bench();
  await bench.pass();
  const writes = await bench.fight(4_000, 120_000);
  t.equal(writes, 30, 'each time');
  t.equal(bench.keeper.isShut, false);
});

t.test('a timer that comes a moment early loses no repair', async (t) => {
  const bench = new Bench((clock) => ({
    now: () => clock.now(),
    setTimer: (callback, delayMs) => clock.setTimer(callback, Math.max(0, delayMs - 0.6)),
  }));
  await bench.pass();
  await bench.fight(50, 3_000);
  await bench.clock.advance(15_000);
  t.equal((await bench.guard.verify((await planned).guard)).ok, true);
  await bench.clock.advance(25_000);
  t.equal(bench.keeper.isShut, false);
});

t.test('rules that cannot be written are tried again by the next pass', async (t) => {
  const bench = new Bench();
  await bench.pass();
  bench.guard.drift('flushed');
  bench.guard.failNext(new Error('nft: no memory'));
  await t.rejects(bench.pass(), /no memory/);
  await bench.pass();
  t.equal((await bench.guard.verify((await planned).guard)).ok, true);
});
