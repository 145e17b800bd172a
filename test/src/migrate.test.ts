/** A change that is led through a fleet: agents over kernels in memory, and a store in memory. */
import t from 'tap';
import type { ClusterNode } from '../../encap/cluster.js';
import { planBegin, planResume, planRollback } from '../../src/cli/migrate/plan.js';
import type { MigrateReport } from '../../src/cli/migrate/report.js';
import { requestOf } from '../../src/cli/migrate/request.js';
import { progressLine, renderMigrate } from '../../src/cli/render/migrate.js';
import { terminalFor } from '../../src/cli/terminal.js';
import type { LeadOptions, Outcome } from '../../src/migrate/lead.js';
import { leadChange, lookAt } from '../../src/migrate/lead.js';
import { patchText } from '../../src/migrate/patch-text.js';
import type { Progress, Stage } from '../../src/migrate/stage.js';
import type { Demand } from '../../src/migrate/stand.js';
import { standOf } from '../../src/migrate/stand.js';
import { isUsable, readHistory } from '../../src/store/fleet/config-history.js';
import type { StatusValue } from '../../src/store/fleet/records.js';
import type { Entry } from '../../src/store/kv.js';
import type { MemoryServer } from '../../src/store/memory-kv.js';
import { eventually } from '../support/agents.js';
import { sketchCluster, sketchNode } from '../support/cluster-builder.js';
import { FleetAgent } from '../support/fleet-agent.js';
import { fleetOf, joinAs, writeConfig } from '../support/fleet.js';
import type { Teardown } from '../support/netns.js';
import { kernelOf } from '../support/node-world.js';

const text = (mode: string, vni = 7): string => `# the fleet
cluster: c
overlay:
  pools: [10.64.0.0/16]
  vxlan: { vni: ${vni} }
  settleSeconds: 3600
  blocks:
    - { within: 10.64.0.0/20, size: 24 } # of racks
fleet: { leaseSeconds: 5, staleGraceSeconds: 600 }
zones:
  - { name: rack, provider: onprem, subnets: [192.0.2.0/24], firewall: { ipip: allowed } }
rules:
  # everybody
  - { name: rest, mode: ${mode} }
`;

class World {
  readonly agents = new Map<string, FleetAgent>();
  readonly losses: string[] = [];
  readonly server: MemoryServer;
  readonly target;

  constructor({ server, keys }: Awaited<ReturnType<typeof fleetOf>>) {
    this.server = server;
    this.target = { kv: server.client(), keys };
  }

  static async of(t: Teardown, count: number): Promise<World> {
    const world = new World(await fleetOf(text('vxlan')));
    t.teardown(() => world.close());
    for (let i = 1; i <= count; i++) await world.join(i);
    await world.untilAll(1);
    return world;
  }

  async join(i: number): Promise<void> {
    const name = `n${i}`;
    const address = `192.0.2.${i}/24`;
    await joinAs(this.server, { name, address });
    const sketch = sketchCluster({ nodes: [{ name, at: address, overlay: [] }] });
    const kernel = kernelOf(sketch, name);
    const onPass = (): void => this.#check();
    this.agents.set(name, new FleetAgent(this.server, { node: name, kernel, onPass }));
  }

  #check(): void {
    const all = [...this.agents.values()];
    for (const { node: from, spoken: sender } of all)
      for (const { node: to, spoken: receiver } of all)
        if (from !== to && sender !== undefined && receiver !== undefined)
          for (const term of sender.sends)
            if (!receiver.receives.includes(term))
              this.losses.push(`${from} sends ${term} to ${to}`);
  }

  async untilAll(config: number): Promise<void> {
    await eventually(
      async () => {
        const { entries } = await this.target.kv.list(this.target.keys.statuses);
        const read = entries.map(({ value }) => JSON.parse(value) as StatusValue);
        return read.length === this.agents.size && read.every((status) => status.config >= config);
      },
      () => `not every agent follows version ${config}`,
    );
  }

  lead(next: string, options: Partial<LeadOptions> = {}): Promise<Outcome> {
    return leadChange(this.target, {
      ...{ cluster: 'c', text: next, by: 'test', skip: new Set(), settleMs: 0 },
      ...{ signal: new AbortController().signal, onProgress: () => undefined, timeoutMs: 60_000 },
      ...options,
    });
  }

  async begin(next: string): Promise<LeadOptions['begin']> {
    const options = { forceChange: false, onJudged: () => Promise.resolve() };
    const plan = await planBegin(this.target, { text: next, name: 'next' }, options);
    if (plan.kind !== 'lead') throw new Error(JSON.stringify(plan.report));
    return plan.begin;
  }

  /** `3 switch<1`: number, phase, and the version that is replaced. */
  async versions(): Promise<readonly string[]> {
    const { versions } = await readHistory(this.target.kv, this.target.keys);
    return versions
      .filter(isUsable)
      .map(({ number, value: { changeover } }) =>
        changeover === undefined
          ? String(number)
          : `${number} ${changeover.phase}<${changeover.from}`,
      );
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) await agent.stop();
  }
}

t.test(
  'killed at every stage and led on, by two at once: each phase once, nothing lost',
  async (t) => {
    const world = await World.of(t, 3);
    const next = text('ipip');
    const seen: Stage[] = [];
    let begin = await world.begin(next);
    for (let run = 0; run < 12; run++) {
      const killed = new AbortController();
      const onProgress = ({ stage }: Progress): void => {
        if (seen.includes(stage)) return;
        seen.push(stage);
        killed.abort();
      };
      // What a run that is killed has seen is lost with it.
      const outcome = await world.lead(next, { begin, signal: killed.signal, onProgress });
      if (outcome.kind === 'done') break;
      t.equal(outcome.kind, 'interrupted', `at ${seen.at(-1)}`);
      if (seen.at(-1) !== 'start') begin = undefined;
      if (seen.at(-1) === 'prepare') await world.join(4);
    }
    t.strictSame(
      ['start', 'prepare', 'switch', 'clean'].filter((stage) => !seen.includes(stage as Stage)),
      [],
    );
    const both = await Promise.all([world.lead(next), world.lead(next)]);
    t.same(
      both.map(({ kind }) => kind),
      ['done', 'done'],
    );
    t.same(await world.versions(), ['1', '2 prepare<1', '3 switch<1', '4 settled<1']);
    t.same(world.losses, []);
    for (const { node, spoken } of world.agents.values())
      t.same(spoken, { receives: ['ipip:4:4'], sends: ['ipip:4:4'] }, node);
  },
);

t.test('paused, taken back, begun again: by two leaders in a race', async (t) => {
  const world = await World.of(t, 2);
  const next = text('vxlan', 8);
  const begin = await world.begin(next);
  const paused = await world.lead(next, { begin, pauseAfter: 'prepare' });
  t.match(paused, { kind: 'paused', progress: { stage: 'ready', version: 2, from: 1 } });
  const look = await lookAt(world.target, { cluster: 'c', skip: new Set() });
  t.match(look, { isUnderWay: true, progress: { stage: 'ready', waiting: [] } });
  await t.rejects(world.begin(text('ipip')), {
    message: /cannot begin another change.*--resume.*--rollback/,
  });

  const switched = await world.lead(next, { pauseAfter: 'switch' });
  t.match(switched, { kind: 'paused', progress: { stage: 'settle' } });
  const back = await planRollback(world.target);
  t.match(back, { kind: 'lead', text: text('vxlan', 7) });
  t.match(await planRollback(world.target), back, 'asked for again it goes on');
  t.match(await world.lead(next), { kind: 'superseded', version: 4 }, 'who led forwards stops');
  const raced = await Promise.all([world.lead(text('vxlan')), world.lead(text('vxlan'))]);
  t.match(raced, [{ kind: 'done' }, { kind: 'done' }]);
  t.same(await world.versions(), ['1', '2 prepare<1', '3 switch<1', '4 switch<3', '5 settled<3']);
  const judged = await planBegin(
    world.target,
    { text: 'nodes: 7', name: 'x' },
    { forceChange: false, onJudged: () => Promise.resolve() },
  );
  t.match(judged, { kind: 'judged', report: { outcome: 'invalid', file: 'x' } });
  t.match(await planResume(world.target), { kind: 'lead', text: text('vxlan') });
  t.same(world.losses, []);
});

t.test('who does not answer holds the change up, by name, unless he is passed over', async (t) => {
  const world = await World.of(t, 1);
  await joinAs(world.server, { name: 'dead', address: '192.0.2.9/24' });
  const next = text('ipip');
  const begin = await world.begin(next);
  const waiting = await world.lead(next, { begin, timeoutMs: 1_500 });
  t.match(waiting, {
    kind: 'timeout',
    progress: { stage: 'start', waiting: [{ node: 'dead', zone: 'rack', kind: 'waiting' }] },
  });
  t.same(await world.versions(), ['1'], 'nothing was written');
  const skip = new Set(['dead']);
  const done = await world.lead(next, { begin, skip });
  t.equal(done.kind, 'done');
  t.same(await world.versions(), ['1', '2 prepare<1', '3 switch<1', '4 settled<1']);
});

t.test('another configuration in the middle: whoever leads the change stops', async (t) => {
  const world = await World.of(t, 1);
  const next = text('ipip');
  await world.lead(next, { begin: await world.begin(next), pauseAfter: 'prepare' });
  await writeConfig(world.target.kv, { version: 3, text: text('auto') });
  t.same(await world.lead(next), { kind: 'superseded', version: 3 });
  await t.rejects(planRollback(world.target), { message: /nothing to roll back/ });
  const moved = `${text('ipip')}nodes: [{ name: l, address: 192.0.2.77/24, overlay: 10.64.99.0/24 }]\n`;
  await writeConfig(world.target.kv, { version: 4, text: moved });
  await t.rejects(world.begin(moved.replace('.77', '.78')), { message: /other addresses.*\(l\)/ });
});

const demand: Demand = {
  version: 5,
  phase: 'switch',
  terms: { modes: new Set(['vxlan']), vxlan: { vni: 8, port: 4789 } },
};
const stand = (
  said: Partial<StatusValue> | string | undefined,
  {
    node = {},
    asked = demand,
    isSkipped = false,
  }: { node?: Partial<ClusterNode>; asked?: Demand; isSkipped?: boolean } = {},
) => {
  const status = {
    version: 1,
    release: '1',
    config: 5,
    phase: 'switch',
    receives: [],
    sends: [],
    ready: true,
    problems: [],
    at: '',
  };
  const value = typeof said === 'string' ? said : JSON.stringify({ ...status, ...said });
  const entry: Entry | undefined =
    said === undefined ? undefined : { key: 'k', value, createRevision: 1, modRevision: 1 };
  const made = { ...sketchNode({ name: 'n', at: '192.0.2.1/24', overlay: [] }), ...node };
  const { kind, lacks } = standOf(made, { demand: asked, entry, isSkipped });
  return lacks === undefined ? kind : `${kind}: ${lacks}`;
};

t.test('what one node has said, and what it lacks', (t) => {
  t.equal(stand({}), 'done');
  t.equal(stand(undefined), 'waiting: no agent there has said anything');
  t.equal(stand('{'), 'waiting: what it says of itself is of no use: it is not JSON');
  t.equal(stand({ config: 4, phase: 'prepare' }), 'waiting: it follows version 4 still');
  t.equal(stand({ config: 0 }), 'waiting: it has not carried out any version yet');
  t.match(stand({ phase: 'prepare' }), /does not know the phase "switch" \(release 1\)/);
  t.equal(stand({ sends: ['vxlan:4:4/8/4789'] }), 'done');
  t.equal(
    stand({ sends: ['ipip:4:4', 'vxlan:4:4/7/4789', 'vxlan:4:4/8/4789'] }),
    'waiting: it still sends ipip:4:4, vxlan:4:4/7/4789',
  );
  const prepare: Demand = { ...demand, phase: 'prepare' };
  t.equal(
    stand({ phase: 'prepare', receives: ['vxlan:4:4/7/4789'] }, { asked: prepare }),
    'waiting: it does not receive VNI 8, port 4789 yet',
  );
  const stale = { node: { stale: 'since 10:00' } };
  t.equal(stand({}, stale), 'waiting: its agent is not heard of: since 10:00');
  t.equal(
    stand({}, { ...stale, isSkipped: true }),
    'skipped: its agent is not heard of: since 10:00',
  );
  t.equal(
    stand({}, { ...stale, asked: { ...demand, phase: 'settled' } }),
    'done',
    'nothing waits for it',
  );
  t.equal(stand(undefined, { node: { withdrawn: true } }), 'withdrawn');
  const { phase: _, ...unled } = demand;
  t.match(stand({}, { asked: unled }), /waiting/, 'its phase is of another reading');
  t.end();
});

t.test('a patch keeps the text, and what it cannot edit it refuses', (t) => {
  const patched = patchText({ text: text('vxlan'), file: 'f' }, [
    'rule rest: {mode: ipip}',
    'cluster: {vxlan: {vni: 9}}',
    'rules: prepend {same: zone, mode: native, name: near}',
  ]);
  if (!patched.ok) throw new Error(JSON.stringify(patched));
  t.match(patched.text, /^# the fleet\n/);
  t.match(patched.text, /# of racks/);
  t.match(patched.text, /staleGraceSeconds: 600/);
  t.match(patched.text, /vni: 9/);
  t.match(patched.text, /name: rest, mode: ipip/);
  t.ok(patched.text.indexOf('name: near') < patched.text.indexOf('name: rest'));
  t.match(patchText({ text: text('vxlan'), file: 'f' }, ['rule nope: {mode: ipip}']), {
    ok: false,
    problems: [{ code: 'unknown-rule' }],
  });
  const anchored = `${text('vxlan').replace('- { name: rest', '- &r { name: rest')}  - { <<: *r }\n`;
  t.equal(patchText({ text: anchored, file: 'f' }, ['rule rest: {mode: ipip}']).ok, false);
  t.end();
});

t.test('what people see', (t) => {
  t.throws(() => requestOf('f', { set: [], resume: true, rollback: false }), {
    message: /exclude each other/,
  });
  t.same(requestOf(undefined, { set: [], resume: false, rollback: false }), { kind: 'show' });
  const progress: Progress = {
    ...{ stage: 'switch', version: 43, from: 41, isRollback: false, skipped: [], withdrawn: [] },
    zones: [{ zone: 'rack', nodes: 12, done: 11, waiting: 1, skipped: 0 }],
    waiting: [
      {
        ...{ node: 'r7', zone: 'rack', kind: 'waiting', lacks: 'it follows version 42 still' },
        problems: ['no such device'],
      },
    ],
  };
  const report: MigrateReport = {
    ...{ schema: 'selvage.migrate/1', cluster: 'prod', version: 43, progress, problem: null },
    outcome: 'timeout',
  };
  t.equal(
    progressLine(report),
    'version 43, switch: 11 of 12 nodes; waiting for r7 (it follows version 42 still)',
  );
  const terminal = terminalFor({
    isTty: false,
    columns: 100,
    env: { COLUMNS: '100' },
    noColor: true,
  });
  t.equal(
    renderMigrate(report, terminal),
    `from version 41, now 43: every node goes over to sending the new
✓ start  ✓ prepare  ✓ ready  ● switch  · settle  · clean

  zone  nodes  done  waiting  skipped
  rack  12     11    1        –
waiting for:
  r7  it follows version 42 still — no such device
✗ the time is over; the change stays in its phase and no packet is lost by that; "selvage migrate
  --resume" goes on, "selvage migrate --rollback" takes it back`,
  );
  t.end();
});
