/**
 * What happens to the soak's cluster: each event says in words what it does, whose packets it may
 * cost (mostly nobody's), and which streams must be watched closely. An event is drawn from the
 * random numbers and the sketch alone, so the same seed draws the same run.
 *
 * One thing that happens to machines is not here: all namespaces share the machine's clock, so it
 * cannot be set for one lab. Clocks that jump are in `test/routes/fight.test.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drift } from './soak-drift.js';
import { drifts, guardDamages, nicDamages } from './soak-drift.js';
import type { Flow, Flows } from './soak-flows.js';
import { flowName } from './soak-flows.js';
import type { Random } from './soak-random.js';
import type { Sketch, SoakNode } from './soak-cluster.js';
import {
  alwaysFast,
  clusterText,
  guest,
  linkMtuChoices,
  linkedZones,
  pairChoices,
  pairKey,
  residents,
  setAside,
  settleSeconds,
  zoneChoices,
  zones,
} from './soak-cluster.js';
import type { World } from './soak-world.js';

export interface SoakEvent {
  readonly kind: EventKind;
  readonly text: string;
  readonly focus: readonly Flow[];
  /** Packets that it cannot but cost, until it is over. */
  readonly mayLose?: (flow: Flow) => boolean;
  run(context: Context): Promise<void>;
}

export interface Context {
  readonly world: World;
  readonly flows: Flows;
}

export const eventWeights = {
  'pair mode': 10,
  'zone mode': 6,
  'link MTU': 6,
  labels: 4,
  deny: 3,
  drift: 12,
  'kill -9': 5,
  restart: 4,
  upgrade: 3,
  'bad file': 4,
  'file missing': 3,
  guest: 3,
  'two at once': 6,
  'blind restart': 3,
  segment: 2,
  NIC: 6,
  guard: 4,
  'second agent': 2,
  'state dir': 2,
} as const;

export type EventKind = keyof typeof eventWeights;

export interface Draw {
  readonly random: Random;
  readonly sketch: Sketch;
}

/** Each kind once in a random order, as far as `count` goes; then by weight. */
export function drawKinds(random: Random, all: readonly EventKind[], count: number): EventKind[] {
  const left = [...all];
  const kinds: EventKind[] = [];
  while (kinds.length < count && left.length > 0)
    kinds.push(...left.splice(Math.floor(random.next() * left.length), 1));
  const total = all.reduce((sum, kind) => sum + eventWeights[kind], 0);
  while (kinds.length < count) {
    let rest = random.next() * total;
    kinds.push(all.find((kind) => (rest -= eventWeights[kind]) < 0) ?? all[0]!);
  }
  return kinds;
}

export function makeEvent(kind: EventKind, draw: Draw): SoakEvent {
  return makers[kind](draw);
}

const makers: Readonly<Record<EventKind, (draw: Draw) => SoakEvent>> = {
  'pair mode': pairMode,
  'zone mode': zoneMode,
  'link MTU': linkMtu,
  labels,
  deny,
  drift: drifted,
  'kill -9': ({ random }) => stopped(random, 'kill -9'),
  restart: ({ random }) => stopped(random, 'restart'),
  upgrade: ({ random }) => stopped(random, 'upgrade'),
  'bad file': badFile,
  'file missing': fileMissing,
  guest: guestMoves,
  'two at once': twoAtOnce,
  'blind restart': blindRestart,
  segment,
  NIC: nicEvent,
  guard: guardAttacked,
  'second agent': secondAgent,
  'state dir': stateDirectory,
};

function bothWays(a: SoakNode, b: SoakNode, family: 4 | 6 = 4): readonly Flow[] {
  return [
    { from: a, to: b, family },
    { from: b, to: a, family },
  ];
}

function twoNodes(random: Random): readonly [SoakNode, SoakNode] {
  const a = random.pick(residents);
  return [a, random.pick(residents.filter((node) => node !== a))];
}

function pairMode({ random, sketch }: Draw): SoakEvent {
  // A pair within AWS or a rack has a choice worth making more often than a random one.
  const near = random.next() < 0.7;
  const all = residents.flatMap((a, i) => residents.slice(i + 1).map((b) => [a, b] as const));
  const [a, b] = random.pick(near ? all.filter((pair) => pairChoices(...pair).length > 2) : all);
  const key = pairKey(a.name, b.name);
  const mode = random.pick(pairChoices(a, b).filter((m) => m !== sketch.pairModes.get(key)));
  return {
    kind: 'pair mode',
    text: `${a.name} ↔ ${b.name}: ${mode}`,
    focus: bothWays(a, b),
    run: async ({ world }) => {
      // The youngest rule first, or one that is older could hide it.
      world.sketch.pairModes.delete(key);
      world.sketch.pairModes.set(key, mode);
      await world.apply();
    },
  };
}

function zoneMode({ random, sketch }: Draw): SoakEvent {
  const [a, b] = [random.pick(zones), random.pick(zones)];
  const key = pairKey(a, b);
  const mode = random.pick(zoneChoices(a, b).filter((m) => m !== sketch.zoneModes.get(key)));
  const from = random.pick(residents.filter((node) => node.zone === a));
  const to = random.pick(residents.filter((node) => node.zone === b && node !== from));
  return {
    kind: 'zone mode',
    text: `zones ${a} ↔ ${b}: ${mode}, watched at ${from.name} ↔ ${to.name}`,
    focus: bothWays(from, to),
    run: async ({ world }) => {
      world.sketch.zoneModes.set(key, mode);
      await world.apply();
    },
  };
}

function linkMtu({ random, sketch }: Draw): SoakEvent {
  const key = random.pick(linkedZones);
  const [a, b] = key.split(' ');
  const mtu = random.pick(linkMtuChoices.filter((bytes) => bytes !== sketch.linkMtus.get(key)));
  const from = random.pick(residents.filter((node) => node.zone === a));
  const to = random.pick(residents.filter((node) => node.zone === b));
  return {
    kind: 'link MTU',
    text: `link ${key}: ${mtu}, watched at ${from.name} ↔ ${to.name}`,
    focus: bothWays(from, to),
    run: async ({ world }) => {
      world.sketch.linkMtus.set(key, mtu);
      await world.apply();
    },
  };
}

function labels({ random, sketch }: Draw): SoakEvent {
  const node = random.pick(residents.filter((entry) => entry.name !== alwaysFast));
  const peer = random.pick(residents.filter((entry) => entry !== node));
  const lane = sketch.labels.get(node.name) === 'fast' ? 'slow' : 'fast';
  return {
    kind: 'labels',
    text: `${node.name}: lane ${lane}`,
    focus: bothWays(node, peer),
    run: async ({ world }) => {
      world.sketch.labels.set(node.name, lane);
      await world.apply();
    },
  };
}

function isSetAside(flow: Flow): boolean {
  return pairKey(flow.from.name, flow.to.name) === pairKey(...setAside);
}

function deny({ sketch }: Draw): SoakEvent {
  const denied = !sketch.denied;
  return {
    kind: 'deny',
    text: `${setAside.join(' ↔ ')}: ${denied ? 'deny' : 'allow'}`,
    focus: [],
    mayLose: isSetAside,
    run: async ({ world, flows }) => {
      world.sketch.denied = denied;
      await world.apply();
      if (!denied) return;
      const [a, b] = setAside.map((name) => residents.find((node) => node.name === name)!);
      const shut = [...bothWays(a!, b!, 4), ...bothWays(a!, b!, 6)];
      await sleep(1_300);
      const silent = new Set((await flows.silent(shut, 1_000)).map(flowName));
      const open = shut.filter((flow) => !silent.has(flowName(flow)));
      if (open.length > 0)
        throw new Error(`denied, and still passes: ${open.map(flowName).join(', ')}`);
    },
  };
}

function ofNode(node: SoakNode): (flow: Flow) => boolean {
  return (flow) => flow.from === node || flow.to === node;
}

function drifted({ random }: Draw): SoakEvent {
  return damaged(random, 'drift', random.pick(drifts));
}

function nicEvent({ random }: Draw): SoakEvent {
  return damaged(random, 'NIC', random.pick(nicDamages));
}

function guardAttacked({ random }: Draw): SoakEvent {
  return damaged(random, 'guard', random.pick(guardDamages));
}

function damaged(random: Random, kind: 'drift' | 'NIC' | 'guard', damage: Drift): SoakEvent {
  const [node, peer] = twoNodes(random);
  const touched = {
    nobody: () => false,
    node: ofNode(node),
    peer: (flow: Flow) => ofNode(node)(flow) && ofNode(peer)(flow),
  }[damage.costs];
  return {
    kind,
    text: `${node.name}: ${damage.kind}${damage.costs === 'peer' ? ` (${peer.name})` : ''}`,
    focus: bothWays(node, peer, damage.family),
    ...(damage.costs === 'nobody' ? {} : { mayLose: touched }),
    run: async ({ world }) => {
      const guard =
        kind === 'guard'
          ? { rules: await world.guardRules(node), toldBefore: world.guardRepairsTold(node) }
          : undefined;
      const device = await world.vxlanDevice(node);
      for (const step of [damage.damage, damage.undo]) {
        if (step === undefined) continue;
        await step(world, { node, peer, device });
        await sleep(100);
        await world.repaired(node);
      }
      if (guard !== undefined) await world.guardRepaired(node, guard);
    },
  };
}

/** Somebody starts the agent of a node that has one: refused, and the first goes on. */
function secondAgent({ random }: Draw): SoakEvent {
  const [node, peer] = twoNodes(random);
  return {
    kind: 'second agent',
    text: `${node.name}: its agent is started a second time`,
    focus: bothWays(node, peer),
    run: async ({ world }) => {
      const { pid } = await world.status(node);
      const { status, stdout, stderr } = await world.startTwice(node);
      if (status === 0 || status === 124)
        throw new Error(`a second agent on ${node.name} ran: ${stdout} ${stderr}`);
      const after = await world.status(node);
      if (after.pid !== pid || !after.ready)
        throw new Error(`the agent of ${node.name} is not what it was: ${JSON.stringify(after)}`);
    },
  };
}

/** A state directory that takes no writes, as on a full disk, through a change and a restart. */
function stateDirectory({ random, sketch }: Draw): SoakEvent {
  const change = pairMode({ random, sketch });
  const node = random.pick(residents);
  return {
    kind: 'state dir',
    text: `${node.name}: nothing can be written to its state directory, + ${change.text}`,
    focus: change.focus,
    run: async (context) => {
      const { world } = context;
      const folder = world.stateDir(node);
      const { status, stderr } = await world.run(node, 'chattr', '+i', folder);
      if (status !== 0) throw new Error(`chattr: ${stderr}`);
      try {
        await change.run(context);
        await world.kill(node, 'SIGKILL');
        await world.start(node);
      } finally {
        await world.run(node, 'chattr', '-i', folder);
      }
      await world.inForce();
    },
  };
}

function stopped(random: Random, kind: 'kill -9' | 'restart' | 'upgrade'): SoakEvent {
  const [node, peer] = twoNodes(random);
  const pauseMs = Math.floor(random.next() * 500);
  return {
    kind,
    text: `${node.name}: ${kind}, started again after ${pauseMs} ms`,
    focus: bothWays(node, peer),
    run: async ({ world }) => {
      await world.kill(node, kind === 'restart' ? 'SIGTERM' : 'SIGKILL');
      if (kind === 'upgrade') world.forgetNewState(node);
      await sleep(pauseMs);
      await world.start(node);
    },
  };
}

const damagedFiles: readonly (readonly [string, (text: string) => string])[] = [
  ['empty', () => ''],
  ['cut in the middle', (text) => text.slice(0, text.length / 2)],
  ['an unknown mode', (text) => text.replace('mode: auto }\nnodes', 'mode: pigeon }\nnodes')],
  ['no YAML', () => 'nodes: [ {'],
  ['an address twice', (text) => text.replace('10.200.0.11', '10.200.0.12')],
  ['IP-in-IP across Azure', (text) => text.replace('mode: auto }\nnodes', 'mode: ipip }\nnodes')],
];

function badFile({ random }: Draw): SoakEvent {
  const [a, b] = twoNodes(random);
  const [what, damage] = random.pick(damagedFiles);
  return {
    kind: 'bad file',
    text: `the file is bad: ${what}`,
    focus: bothWays(a, b),
    run: async ({ world }) => {
      world.write(damage(clusterText(world.sketch)));
      await world.refused();
      await world.apply();
    },
  };
}

function fileMissing({ random }: Draw): SoakEvent {
  const [a, b] = twoNodes(random);
  const forMs = 200 + Math.floor(random.next() * 1_500);
  return {
    kind: 'file missing',
    text: `the file is away for ${forMs} ms`,
    focus: bothWays(a, b),
    run: async ({ world }) => {
      world.remove();
      await sleep(forMs);
      await world.apply();
    },
  };
}

function guestMoves({ random, sketch }: Draw): SoakEvent {
  const joins = !sketch.guestPresent;
  const stale = !joins && random.next() < 0.5;
  return {
    kind: 'guest',
    text: `${guest.name} ${joins ? 'joins' : stale ? 'leaves as it is' : 'leaves for good'}`,
    focus: bothWays(...twoNodes(random)),
    run: async ({ world, flows }) => {
      if (!joins) {
        await flows.attach(guest, residents, false);
        // What is under way still arrives.
        await sleep(500);
      }
      world.sketch.guestPresent = joins;
      world.write(clusterText(world.sketch));
      if (joins) await world.start(guest);
      else if (stale) await world.kill(guest, 'SIGTERM');
      else await world.down(guest);
      await world.apply();
      // To a node that slept through a change this is one that has just begun.
      if (joins && world.sketch.guestStale) await sleep(settleSeconds * 1000 + 500);
      world.sketch.guestStale = stale;
      if (joins) await flows.attach(guest, residents, true);
    },
  };
}

function segment({ random, sketch }: Draw): SoakEvent {
  const vni = random.pick([4096, 4097, 5000].filter((id) => id !== sketch.vxlan.vni));
  const port = random.pick([4789, 8472]);
  return {
    kind: 'segment',
    text: `VXLAN VNI ${vni}, port ${port}`,
    focus: bothWays(...twoNodes(random)),
    run: async ({ world }) => {
      world.sketch.vxlan = { vni, port };
      await world.apply();
      // Accepted at once, sent after the settle time, and only that accepted after twice of it.
      await sleep(2 * settleSeconds * 1000 + 1_000);
    },
  };
}

/** Nothing but its own memory tells a node what to do: the file is away while its agent starts. */
function blindRestart({ random }: Draw): SoakEvent {
  const [node, peer] = twoNodes(random);
  return {
    kind: 'blind restart',
    text: `${node.name}: kill -9, started again while the file is away`,
    focus: bothWays(node, peer),
    run: async ({ world }) => {
      world.remove();
      await world.kill(node, 'SIGKILL');
      await world.start(node);
      await world.apply();
    },
  };
}

/** One in the file and one on a node: the same sketch is written by at most one of them. */
function twoAtOnce(draw: Draw): SoakEvent {
  const inFile =
    makers[draw.random.pick(['pair mode', 'zone mode', 'link MTU', 'labels'] as const)];
  const onNode = makers[draw.random.pick(['kill -9', 'restart', 'upgrade', 'drift'] as const)];
  const [first, second] = [inFile(draw), onNode(draw)];
  return {
    kind: 'two at once',
    text: `${first.text} + ${second.text}`,
    focus: distinct([...first.focus, ...second.focus]),
    ...(second.mayLose === undefined ? {} : { mayLose: second.mayLose }),
    run: async (context) => {
      await Promise.all([first.run(context), second.run(context)]);
      // An agent that was away for a moment has it now, too.
      await context.world.inForce();
    },
  };
}

function distinct(flows: readonly Flow[]): readonly Flow[] {
  return [...new Map(flows.map((flow) => [flowName(flow), flow])).values()];
}
