/** Continuous probes: when a way counts as lost and as recovered, whom to ask, and how much at most. */
import fc from 'fast-check';
import t from 'tap';
import type { LocalFacts, PeerProbes } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { carriageKey } from '../../encap/mode.js';
import { describeStep, describeVerdict } from '../../encap/describe.js';
import { stepOf } from '../../encap/trail.js';
import { Rib } from '../../routes/rib.js';
import { ContinuousProbes } from '../../src/probe/continuous/continuous.js';
import { nextRound, jittered, scheduleDefaults } from '../../src/probe/continuous/schedule.js';
import type { WayHealth } from '../../src/probe/continuous/way-health.js';
import { afterRound, newWay, wayHealthDefaults } from '../../src/probe/continuous/way-health.js';
import type { ClusterSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { ManualClock } from '../support/manual-clock.js';
import { property } from '../support/property.js';

/** One letter a round, a second apart: `.` arrived, `x` lost, `?` the peer did not answer. */
function run(rounds: string, way: WayHealth = newWay(0), startMs = 0): WayHealth {
  return [...rounds].reduce((now, letter, i) => {
    const delivered = { '.': 3, x: 0, '?': undefined }[letter];
    return afterRound(now, { atMs: startMs + (i + 1) * 1000, sent: 3, delivered });
  }, way);
}

t.test('a way is lost after three rounds in a row that the peer confirms', (t) => {
  for (const [rounds, state] of [
    ['xx', 'good'],
    ['xxx', 'lost'],
    ['xx.xx', 'good'],
    ['xx?x', 'lost'],
    ['??????????', 'good'],
    ['xxx..', 'lost'],
    ['xxx...', 'good'],
    ['xxx..x..', 'lost'],
    ['xxx..?.', 'good'],
  ] as const)
    t.equal(run(rounds).state, state, rounds);
  t.equal(run('xxx').packets, 9, 'with the packets that it rests on');
  t.end();
});

t.test('part of a round that arrives does not make a way lost', (t) => {
  let way = newWay(0);
  for (let i = 1; i < 50; i++) way = afterRound(way, { atMs: i * 1000, sent: 3, delivered: 1 });
  t.equal(way.state, 'good');
  t.end();
});

t.test('a lost way is tried at a decaying rate, at once again after a first sign', (t) => {
  let way = run('xxx');
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    pauses.push(way.pauseMs);
    way = afterRound(way, { atMs: way.nextTryMs, sent: 3, delivered: 0 });
  }
  t.same(
    pauses,
    [5, 10, 20, 40, 80, 160, 320, 600, 600, 600].map((seconds) => seconds * 1000),
  );
  const atMs = way.nextTryMs;
  const sign = afterRound(way, { atMs, sent: 3, delivered: 3 });
  t.equal(sign.nextTryMs - atMs, wayHealthDefaults.confirmMs);
  t.end();
});

t.test('a way that flaps does not start over with short pauses, one that stayed good does', (t) => {
  const recovered = run('xxx...');
  t.equal(recovered.state, 'good');
  const again = run('xxx', recovered, 6_000);
  t.equal(again.pauseMs, 10_000, 'flaps: twice the pause of before');
  const rested = run('.xxx', recovered, 6_000 + 5_000 * wayHealthDefaults.forgetFactor);
  t.equal(rested.pauseMs, 5_000, 'good for long: the first pause');
  t.end();
});

property(
  'only confirmed rounds change a state, and never fewer than the hysteresis asks for',
  [fc.array(fc.constantFrom('.', 'x', '?'), { size: 'max', maxLength: 60 })],
  (letters) => {
    let way = newWay(0);
    let same = '';
    return letters.every((letter, i) => {
      const before = way;
      way = run(letter, way, i * 1000);
      if (letter !== '?') same = letter === same.at(-1) ? same + letter : letter;
      if (way.state === before.state) return true;
      const ok = letter === (way.state === 'lost' ? 'x' : '.') && same.length >= 3;
      return ok;
    });
  },
);

const fleet = (zones: number, perZone: number): ClusterSketch => ({
  zones: Object.fromEntries(Array.from({ length: zones }, (_, z) => [`z${z}`, {}])),
  nodes: Array.from({ length: zones * perZone }, (_, i) => ({
    name: `n${i}`,
    zone: `z${i % zones}`,
    at: `10.${i >> 8}.${i & 255}.1/24`,
    overlay: `100.${64 + (i >> 8)}.${i & 255}.0/24`,
  })),
});

t.test(
  'every round asks every zone, in time every peer, and never more packets than allowed',
  (t) => {
    const cluster = sketchCluster(fleet(10, 30));
    const asked = new Set<string>();
    for (let round = 0; round < 15; round++) {
      const { peers, packetsPerSecond } = nextRound({
        cluster,
        self: 'n7',
        round,
        suspects: new Set(),
      });
      const zones = new Set(peers.map((name) => cluster.nodes.get(name)!.zone));
      t.equal(zones.size, 10);
      t.ok(packetsPerSecond <= scheduleDefaults.packetsPerSecond + 1e-9, `${packetsPerSecond}/s`);
      for (const name of peers) asked.add(name);
    }
    t.equal(asked.size, 299, 'all but the node itself');
    t.end();
  },
);

t.test('a large fleet makes rounds longer, not the load higher', (t) => {
  const cluster = sketchCluster(fleet(200, 3));
  const round = nextRound({ cluster, self: 'n0', round: 0, suspects: new Set() });
  t.equal(round.peers.length, 400);
  t.equal(round.stepMs, 400);
  t.equal(round.packetsPerSecond, 50);
  t.end();
});

t.test('suspects come first, and their zone is asked by more of its nodes', (t) => {
  const cluster = sketchCluster(fleet(3, 30));
  const round = nextRound({ cluster, self: 'n0', round: 3, suspects: new Set(['n40', 'gone']) });
  t.equal(round.peers[0], 'n40');
  const zone = (name: string): string => cluster.nodes.get(name)!.zone;
  t.equal(round.peers.filter((name) => zone(name) === zone('n40')).length >= 6, true);
  t.notOk(round.peers.includes('gone'));
  t.equal(new Set(round.peers).size, round.peers.length);
  t.end();
});

t.test('nodes do not march in step', (t) => {
  t.equal(
    jittered(100, () => 0),
    50,
  );
  t.equal(jittered(100, () => 0.999).toFixed(1), '149.9');
  t.end();
});

// What the decision makes of it.

const two = sketchCluster({
  zones: { one: { provider: 'hetzner' } },
  nodes: [
    { name: 'a', zone: 'one', at: '10.0.1.1/24', overlay: '10.64.1.0/24' },
    { name: 'b', zone: 'one', at: '10.0.1.2/24', overlay: '10.64.2.0/24' },
  ],
});

function decided(
  probes: PeerProbes,
  options: { readonly policy?: 'observe' | 'drive'; readonly mode?: 'auto' | 'ipip' } = {},
) {
  const { policy = 'drive', mode = 'auto' } = options;
  const rule = { name: 'all', relations: {}, mode, force: false, reason: undefined };
  const cluster = { ...two, rules: [rule] };
  const owner = cluster.nodes.get('b')!;
  const local: LocalFacts = {
    node: 'a',
    nics: {},
    underlayRoutes: new Map(),
    probes: { policy, peers: new Map([['b', probes]]) },
  };
  const question = { from: cluster.nodes.get('a')!, prefix: owner.overlay[0]!, owner };
  return decide({ cluster, local }, question);
}

const nothing: PeerProbes = { lost: {}, pathMtu: {} };
const ipipLost: PeerProbes = { ...nothing, lost: { 'ipip:4:4': '9 of 9 lost' } };

t.test('auto avoids a way that probes found lost, and the trail says why', (t) => {
  t.equal(describeVerdict(decided(nothing).verdict), 'ipip, MTU 1430');
  const decision = decided(ipipLost);
  t.equal(describeVerdict(decision.verdict), 'vxlan over IPv4, MTU 1400');
  t.match(describeStep(stepOf(decision, 'feasible')!).lines.join('\n'), 'probes: 9 of 9 lost');
  t.end();
});

t.test('observing probes change nothing, and the trail tells what they found', (t) => {
  const decision = decided(ipipLost, { policy: 'observe' });
  t.equal(describeVerdict(decision.verdict), 'ipip, MTU 1430');
  t.match(
    describeStep(stepOf(decision, 'feasible')!).lines.join('\n'),
    'probes, not acted on: 9 of 9 lost',
  );
  t.end();
});

t.test('a rule that names a mode is not overruled by probes', (t) => {
  t.equal(describeVerdict(decided(ipipLost, { mode: 'ipip' }).verdict), 'ipip, MTU 1430');
  t.end();
});

t.test('probes never take the last way', (t) => {
  const all = { ...nothing, lost: { 'ipip:4:4': 'lost', 'vxlan:4:4': 'lost' } };
  t.equal(describeVerdict(decided(all).verdict), 'ipip, MTU 1430');
  t.end();
});

t.test('a smaller path MTU limits the route, for rules and auto alike', (t) => {
  const small = { ...nothing, pathMtu: { 4: { bytes: 1300, text: 'larger ones vanish' } } };
  for (const mode of ['auto', 'ipip'] as const)
    t.equal(describeVerdict(decided(small, { mode }).verdict), 'ipip, MTU 1280');
  t.equal(describeVerdict(decided(small, { policy: 'observe' }).verdict), 'ipip, MTU 1430');
  t.match(
    describeStep(stepOf(decided(small), 'mtu')!).lines.join('\n'),
    'measured by probes 1300: larger ones vanish',
  );
  t.end();
});

// The rounds, against a network that loses what the test says.

interface Network {
  /** Largest inner packet that arrives by this way; 0 for none. */
  carries: (train: { readonly peer: string; readonly mode: string }) => number;
  /** Does the peer's answer come back? */
  answers: boolean;
}

function simulate(policy: 'observe' | 'drive', network: Network) {
  const clock = new ManualClock();
  const cluster = {
    ...sketchCluster({
      zones: { one: { provider: 'hetzner' }, two: { provider: 'hetzner' } },
      nodes: [1, 2, 3, 4].map((i) => ({
        name: `n${i}`,
        zone: i < 3 ? 'one' : 'two',
        at: `10.0.1.${i}/24`,
        overlay: `10.64.${i}.0/24`,
      })),
    }),
  };
  const local = (): LocalFacts => ({
    node: 'n1',
    nics: {},
    underlayRoutes: new Map(),
    probes: { policy, peers: probes.results },
  });
  const rib = new Rib('n1');
  const tried: string[] = [];
  const probes = new ContinuousProbes({
    self: 'n1',
    clock,
    random: () => 0.5,
    current: () => ({ cluster, decisions: rib.decisions }),
    onChange: () => rib.build({ cluster, local: local() }),
    prober: {
      probe: ({ peer, used, fullBytes, crafted, packets }) => {
        const count = (mode: string, bytes: number) => {
          const delivered = network.carries({ peer, mode }) >= bytes ? packets : 0;
          return { sent: packets, delivered: network.answers ? delivered : undefined };
        };
        tried.push(...crafted.map(({ mode }) => `${peer} ${mode}`));
        return Promise.resolve({
          small: count(used.mode, 100),
          full: count(used.mode, fullBytes),
          crafted: new Map(crafted.map((way) => [carriageKey(way), count(way.mode, 100)])),
        });
      },
      largest: ({ peer, carriage, upToBytes }) =>
        Promise.resolve(Math.min(upToBytes, network.carries({ peer, mode: carriage.mode }))),
    },
  });
  rib.build({ cluster, local: local() });
  probes.start();
  const ways = (): string =>
    [...rib.decisions.values()].map((entry) => describeVerdict(entry.verdict)).join('; ');
  return { clock, probes, ways, tried };
}

const minuteMs = 60_000;
const healthy = 'local; ipip, MTU 1430; ipip, MTU 1430; ipip, MTU 1430';

t.test('a healthy network yields nothing', async (t) => {
  const { clock, probes, ways } = simulate('drive', { carries: () => 9000, answers: true });
  await clock.advance(30 * minuteMs);
  t.equal(ways(), healthy);
  t.equal(probes.results.size, 0);
  t.notOk([...probes.watches.values()].some((watch) => watch.suspect));
  probes.stop();
});

t.test(
  'a way that loses one peer is left for that peer alone, and taken again when it heals',
  async (t) => {
    const network: Network = {
      carries: ({ peer, mode }) => (peer === 'n3' && mode === 'ipip' ? 0 : 9000),
      answers: true,
    };
    const { clock, probes, ways, tried } = simulate('drive', network);
    await clock.advance(2 * minuteMs);
    t.equal(ways(), 'local; ipip, MTU 1430; vxlan over IPv4, MTU 1400; ipip, MTU 1430');
    t.ok(
      tried.length > 0 && tried.every((entry) => entry === 'n3 ipip'),
      'tried beside the traffic',
    );
    const triedBefore = tried.length;
    await clock.advance(60 * minuteMs);
    t.ok(
      tried.length - triedBefore < 12,
      `at a decaying rate: ${tried.length - triedBefore} in an hour`,
    );
    network.carries = () => 9000;
    await clock.advance(12 * minuteMs);
    t.equal(ways(), healthy);
    probes.stop();
  },
);

t.test('observing probes tell it and change nothing', async (t) => {
  const { clock, probes, ways } = simulate('observe', {
    carries: ({ mode }) => (mode === 'ipip' ? 0 : 9000),
    answers: true,
  });
  await clock.advance(2 * minuteMs);
  t.equal(ways(), healthy);
  t.same([...probes.results.keys()].sort(), ['n2', 'n3', 'n4']);
  probes.stop();
});

t.test('a peer that does not answer is no fault of the way to it', async (t) => {
  const { clock, probes } = simulate('drive', { carries: () => 0, answers: false });
  await clock.advance(10 * minuteMs);
  t.equal(probes.results.size, 0);
  probes.stop();
});

t.test(
  'a smaller path is measured, limits the route, and is given back when it grows',
  async (t) => {
    const network: Network = {
      carries: ({ peer }) => (peer === 'n4' ? 1300 : 9000),
      answers: true,
    };
    const { clock, probes, ways } = simulate('drive', network);
    await clock.advance(2 * minuteMs);
    t.equal(ways(), 'local; ipip, MTU 1430; ipip, MTU 1430; ipip, MTU 1300');
    network.carries = () => 9000;
    await clock.advance(30 * minuteMs);
    t.equal(ways(), healthy);
    probes.stop();
  },
);

t.test('while it is held nothing is sent and nothing concluded', async (t) => {
  const network: Network = { carries: () => 0, answers: true };
  const { clock, probes, ways } = simulate('drive', network);
  probes.hold(true);
  await clock.advance(5 * minuteMs);
  t.equal(ways(), healthy);
  t.equal(probes.watches.size, 0);
  probes.hold(false);
  await clock.advance(2 * minuteMs);
  t.equal(probes.results.size, 3);
  probes.stop();
});
