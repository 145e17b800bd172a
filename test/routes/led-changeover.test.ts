/**
 * Changes that somebody leads through the nodes: whatever the order in which nodes do their part of
 * a phase, whoever restarts, joins or forgets in the middle, what is sent is received.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Cluster, LedChangeover } from '../../encap/cluster.js';
import type { Term } from '../../encap/live-record.js';
import { nodeTable } from '../../encap/node-table.js';
import { applyChanges } from '../../routes/apply.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import { type SpokenTerms, spokenTerms } from '../../routes/spoken-terms.js';
import type { NodePlan } from '../../src/agent/node-plan.js';
import { Planner } from '../../src/agent/planner.js';
import { TermsMemory } from '../../src/agent/terms-record.js';
import { type FakeKernel, createFakeKernel } from '../../tunnel/fake-kernel.js';
import { sketchCluster } from '../support/cluster-builder.js';

const seed = 20261122;
const names = ['a', 'b', 'c', 'd'] as const;
type Name = (typeof names)[number];

/** Configurations that have hardly anything in common. */
const texts = {
  vni7: { vni: 7, mode: 'vxlan' },
  vni8: { vni: 8, mode: 'vxlan' },
  port: { vni: 7, port: 4790, mode: 'vxlan' },
  ipip: { vni: 7, mode: 'ipip' },
  native: { vni: 7, mode: 'native' },
  both: { vni: 8, mode: 'auto' },
} as const;
type Text = keyof typeof texts;

function clusterOf(text: Text, members: readonly Name[], changeover?: LedChangeover): Cluster {
  const { mode, ...rest } = texts[text];
  const cluster = sketchCluster({
    ...rest,
    nodes: names.map((name, i) => ({
      name,
      at: `192.0.2.${i + 1}/24`,
      overlay: [`10.64.${i + 1}.0/24`, `fd64:0:0:${i + 1}::/64`],
    })),
    rules: [{ mode, force: mode === 'native' }],
    zones: { default: { switches: { firewall: { ipip: 'allowed' } } } },
  });
  const nodes = nodeTable([...cluster.nodes.values()].filter((node) => isIn(members, node.name)));
  return { ...cluster, nodes, ...(changeover === undefined ? {} : { changeover }) };
}

function isIn(members: readonly Name[], name: string): boolean {
  return members.some((member) => member === name);
}

function led(
  phase: LedChangeover['phase'],
  { from, to }: { readonly from: Text; readonly to: Text },
  members: readonly Name[],
): Cluster {
  if (phase === 'settled') return clusterOf(to, members, { phase });
  const [sent, other] = phase === 'prepare' ? [from, to] : [to, from];
  return clusterOf(sent, members, { phase, other: clusterOf(other, members) });
}

let nowMs = 1_000_000;

/** One node: its kernel, its memory, and what it receives and sends by its last pass. */
class Node {
  readonly name: Name;
  #kernel: FakeKernel;
  #record = new TermsMemory();
  #planner: Planner;
  spoken: SpokenTerms = { receives: [], sends: [] };
  isUp = false;

  constructor(name: Name) {
    this.name = name;
    this.#kernel = this.#fresh();
    this.#planner = this.#start();
  }

  #fresh(): FakeKernel {
    const addresses = clusterOf('vni7', names).nodes.get(this.name)!.underlay;
    return createFakeKernel({
      nics: [{ name: 'eth0', mtu: 1500, addresses }],
      sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
    });
  }

  #start(): Planner {
    return new Planner(this.#kernel, this.name, { record: this.#record, nowMs: () => nowMs });
  }

  restart(what: 'agent' | 'memory' | 'machine'): void {
    if (what !== 'agent') this.#record = new TermsMemory();
    if (what === 'machine') {
      this.#kernel = this.#fresh();
      this.spoken = { receives: [], sends: [] };
      this.isUp = false;
    }
    this.#planner = this.#start();
  }

  async pass(cluster: Cluster): Promise<NodePlan> {
    const state = await this.#kernel.dump();
    const plan = await this.#planner.plan(cluster, state);
    const sysctls = readSysctls(this.#kernel, plan.objects.values());
    const { changes } = diff(plan.objects, { kernel: state, sysctls });
    const { failed } = await applyChanges(this.#kernel, changes, plan.desired.peers);
    if (failed.length > 0) throw new Error(failed.map(({ failure }) => failure.message).join());
    this.#planner.applied(plan, { unmade: [] });
    this.spoken = spokenTerms(plan);
    this.isUp = true;
    return plan;
  }

  async devices(): Promise<readonly string[]> {
    const { links } = await this.#kernel.dump();
    return links.map(({ name }) => name).filter((name) => name.startsWith('sl'));
  }
}

class Fleet {
  readonly nodes = new Map<Name, Node>();
  readonly losses: string[] = [];

  get members(): readonly Name[] {
    return [...this.nodes.keys()];
  }

  join(name: Name): Node {
    const node = new Node(name);
    this.nodes.set(name, node);
    return node;
  }

  /** In the middle of a pass nobody knows which of its writes has been made. */
  async pass(node: Node, cluster: Cluster): Promise<NodePlan> {
    const { isUp, spoken: before } = node;
    const plan = await node.pass(cluster);
    const after = node.spoken;
    const receives = isUp
      ? before.receives.filter((term) => after.receives.includes(term))
      : after.receives;
    for (const other of this.nodes.values()) {
      if (other === node || !other.isUp) continue;
      this.#check([...before.sends, ...after.sends], [node, other], other.spoken.receives);
      this.#check(other.spoken.sends, [other, node], receives);
    }
    return plan;
  }

  #check(
    sends: readonly Term[],
    [from, to]: readonly [Node, Node],
    receives: readonly Term[],
  ): void {
    for (const term of sends)
      if (!receives.includes(term)) this.losses.push(`${from.name} sends ${term} to ${to.name}`);
  }

  /** Everybody's part of a phase, in this order, with what happens between. */
  async carryOut(
    cluster: () => Cluster,
    { order, events }: { readonly order: readonly Name[]; readonly events: readonly Event[] },
  ): Promise<void> {
    const queue = [...order, ...names].filter((name, i, all) => all.indexOf(name) === i);
    for (const [i, name] of queue.entries()) {
      const event = events[i];
      nowMs += event?.laterMs ?? 0;
      if (event?.joins !== undefined && !this.nodes.has(event.joins))
        await this.pass(this.join(event.joins), cluster());
      const victim = event?.restarts === undefined ? undefined : this.nodes.get(event.restarts);
      if (event !== undefined && victim !== undefined) victim.restart(event.what);
      const node = this.nodes.get(name);
      if (node === undefined) continue;
      for (let tries = 0; ; tries++) {
        const { led: state } = await this.pass(node, cluster());
        if (state?.isWhole !== false) break;
        if (tries > 5) throw new Error(`${name} never has room for the phase`);
        nowMs += 10_001;
      }
    }
    // Whoever restarted after its turn has another one before anybody says that the phase is done.
    for (const node of this.nodes.values()) await this.pass(node, cluster());
  }
}

interface Event {
  readonly laterMs: number;
  readonly joins: Name | undefined;
  readonly restarts: Name | undefined;
  readonly what: 'agent' | 'memory' | 'machine';
}

const anyText = fc.constantFrom(...(Object.keys(texts) as Text[]));
const anyName = fc.constantFrom(...names);
const anyEvent: fc.Arbitrary<Event> = fc.record({
  laterMs: fc.constantFrom(0, 1_000, 10_001, 100_000),
  joins: fc.option(anyName, { nil: undefined, freq: 4 }),
  restarts: fc.option(anyName, { nil: undefined, freq: 2 }),
  what: fc.constantFrom('agent', 'memory', 'machine'),
});
const anyPart = fc.record({
  order: fc.uniqueArray(anyName, { maxLength: names.length }),
  events: fc.array(anyEvent, { maxLength: names.length }),
});

t.test(
  'any interleaving of nodes that do their part, restart, join: nothing is lost',
  async (t) => {
    const change = fc.record({
      to: anyText,
      /** After which phase it is taken back. */
      back: fc.constantFrom(undefined, undefined, 'begun', 'prepare', 'switching', 'switch'),
      parts: fc.array(anyPart, { minLength: 4, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        anyText,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async (first, list) => {
          const fleet = new Fleet();
          for (const name of ['a', 'b', 'c'] as const) fleet.join(name);
          for (const node of fleet.nodes.values())
            await fleet.pass(node, clusterOf(first, fleet.members));
          let from = first;
          for (const { to, back, parts } of list) {
            const [one, two, three, four] = parts as [
              (typeof parts)[0],
              (typeof parts)[0],
              (typeof parts)[0],
              (typeof parts)[0],
            ];
            const step =
              (phase: LedChangeover['phase'], texts = { from, to }) =>
              () =>
                led(phase, texts, fleet.members);
            const some = [...fleet.nodes.values()].slice(0, 2);
            if (back === 'begun')
              for (const node of some) await fleet.pass(node, step('prepare')());
            else await fleet.carryOut(step('prepare'), one);
            if (back === 'switching')
              for (const node of some) await fleet.pass(node, step('switch')());
            else if (back === undefined || back === 'switch')
              await fleet.carryOut(step('switch'), two);
            const reverse = { from: to, to: from };
            if (back !== undefined) await fleet.carryOut(step('switch', reverse), three);
            await fleet.carryOut(
              step('settled', back === undefined ? { from, to } : reverse),
              four,
            );
            if (back === undefined) from = to;
          }
          const want = new Fleet();
          const alone = want.join('a');
          await alone.pass(clusterOf(from, fleet.members));
          t.same(
            fleet.nodes.get('a')!.spoken,
            alone.spoken,
            'in the end there is the last one alone',
          );
          if (fleet.losses.length > 0) throw new Error(fleet.losses[0]);
        },
      ),
      { seed, numRuns: 30 },
    );
  },
);

t.test('a phase at a time: what stands, what is sent', async (t) => {
  const fleet = new Fleet();
  const node = fleet.join('a');
  const members = ['a', 'b'] as const;
  const change = { from: 'vni7', to: 'vni8' } as const;
  const spoken = (vni: number): readonly string[] => [
    `vxlan:4:4/${vni}/4789`,
    `vxlan:4:6/${vni}/4789`,
  ];
  const both = [...spoken(7), ...spoken(8)].sort();
  await node.pass(clusterOf('vni7', members));
  t.same(node.spoken, { receives: spoken(7), sends: spoken(7) });
  await node.pass(led('prepare', change, members));
  t.same(node.spoken, { receives: both, sends: spoken(7) });
  nowMs += 3_600_000;
  await node.pass(led('prepare', change, members));
  t.same(node.spoken, { receives: both, sends: spoken(7) }, 'for as long as the phase lasts');
  const plan = await node.pass(led('switch', change, members));
  t.same(node.spoken, { receives: both, sends: spoken(8) }, 'at once');
  t.same(plan.led, { phase: 'switch', isWhole: true });
  nowMs += 3_600_000;
  await node.pass(led('switch', change, members));
  t.same(node.spoken, { receives: both, sends: spoken(8) }, 'for as long as the phase lasts');
  await node.pass(led('settled', change, members));
  t.same(node.spoken, { receives: spoken(8), sends: spoken(8) }, 'at once');
  t.same(await node.devices(), ['slv4b']);
});

t.test('a third segment has no room until the first one is gone', async (t) => {
  const fleet = new Fleet();
  const node = fleet.join('a');
  const members = ['a', 'b'] as const;
  await node.pass(clusterOf('vni7', members));
  await node.pass(clusterOf('vni8', members));
  const change = { from: 'vni8', to: 'port' } as const;
  const waiting = await node.pass(led('prepare', change, members));
  t.same(waiting.led, { phase: 'prepare', isWhole: false });
  t.same(await node.devices(), ['slv4a', 'slv4b'], 'what is sent and received stays');
  for (let step = 0; step < 3; step++) {
    nowMs += 10_001;
    await node.pass(led('prepare', change, members));
  }
  const ready = await node.pass(led('prepare', change, members));
  t.same(ready.led, { phase: 'prepare', isWhole: true });
  t.same(node.spoken.sends, ['vxlan:4:4/8/4789', 'vxlan:4:6/8/4789']);
  t.ok(node.spoken.receives.includes('vxlan:4:4/7/4790'));
});
