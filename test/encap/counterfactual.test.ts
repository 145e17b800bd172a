/** The smallest change that flips a decision: what it is, in words and as a patch, and that it is. */
import fc from 'fast-check';
import t from 'tap';
import { type Change, applyChanges } from '../../encap/counterfactual/change.js';
import { type Flip, smallestFlips } from '../../encap/counterfactual/flip.js';
import { describeChange, describeFlip } from '../../encap/counterfactual/words.js';
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import type { Mode } from '../../encap/mode.js';
import { stepOf } from '../../encap/trail.js';
import { type ClusterSketch, arbitraryCluster, sketchCluster } from '../support/cluster-builder.js';
import { property } from '../support/property.js';

function flipsOf(cluster: Cluster, way: readonly [string, string] = ['a', 'b']) {
  const [from, owner] = way.map((name) => cluster.nodes.get(name)!);
  const question = { from: from!, prefix: owner!.overlay[0]!, owner };
  return smallestFlips({ cluster, local: undefined }, question);
}

/** The words and the patches of every mode that is not chosen. */
function told(cluster: Cluster, way?: readonly [string, string]): Record<string, unknown> {
  return Object.fromEntries(
    flipsOf(cluster, way).map((flip) => [
      flip.mode,
      flip.possible
        ? [
            describeFlip(flip, cluster).replace(/^.* would be chosen if /, ''),
            ...flip.changes.map((change) => describeChange(change, cluster).patch),
          ]
        : describeFlip(flip, cluster),
    ]),
  );
}

function pair(sketch: Partial<ClusterSketch> & { readonly far?: boolean } = {}): Cluster {
  const { far = false, ...rest } = sketch;
  return sketchCluster({
    zones: { 'eu-west-1a': { provider: 'aws', region: 'eu' }, rack: { provider: 'onprem' } },
    nodes: [
      { name: 'a', zone: 'eu-west-1a', at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
      far
        ? { name: 'b', zone: 'rack', at: '192.168.0.2/24', overlay: '10.64.2.0/24' }
        : { name: 'b', zone: 'eu-west-1a', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
    ],
    ...rest,
  });
}

t.test('one switch of the zone serves both ends', (t) => {
  t.same(told(pair()), {
    native: [
      "eu-west-1a's source/destination check were confirmed off",
      'zone eu-west-1a: {sourceDestinationCheck: disabled}',
    ],
    vxlan: [
      'a rule before all others asked for vxlan between a and b',
      'rules: prepend {between: [{node: a}, {node: b}], mode: vxlan}',
    ],
  });
  const on = pair({
    zones: { 'eu-west-1a': { provider: 'aws', switches: { sourceDestinationCheck: 'enabled' } } },
  });
  t.match(told(on)['native'], ["eu-west-1a's source/destination check were off"]);
  t.end();
});

t.test('a node that says something of its own is the one to change', (t) => {
  const cluster = pair({
    nodes: [
      {
        name: 'a',
        zone: 'eu-west-1a',
        at: '10.0.0.1/24',
        overlay: '10.64.1.0/24',
        switches: { sourceDestinationCheck: 'enabled', firewall: { ipip: 'blocked' } },
      },
      { name: 'b', zone: 'eu-west-1a', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
    ],
  });
  t.same(told(cluster), {
    native: [
      "a's source/destination check were off and eu-west-1a's source/destination check were confirmed off",
      'node a: {sourceDestinationCheck: disabled}',
      'zone eu-west-1a: {sourceDestinationCheck: disabled}',
    ],
    ipip: ["a's firewall admitted IP protocol 4", 'node a: {firewall: {ipip: allowed}}'],
  });
  t.end();
});

t.test('a link is changed where there is one, else written', (t) => {
  const none = pair({ far: true });
  t.same(told(none)['native'], [
    "a link eu-west-1a – rack listed the modes native, vxlan, eu-west-1a's source/destination check were confirmed off and eu-west-1a's and rack's routers were confirmed to know the overlay prefixes",
    'link eu-west-1a rack: {modes: [native, vxlan]}',
    'zone eu-west-1a: {sourceDestinationCheck: disabled}',
    'zone eu-west-1a: {fabricRoutes: present}',
    'zone rack: {fabricRoutes: present}',
  ]);
  const link = {
    ends: [
      { kind: 'zone', zone: 'rack' },
      { kind: 'provider', provider: 'aws' },
    ],
    modes: ['vxlan'],
    source: { file: 'c.yaml', line: 7, column: 3 },
  } as const;
  const narrow = pair({ far: true, links: [link] });
  t.same(told(narrow)['ipip'], [
    'link rack – aws (c.yaml:7) listed ipip among its modes',
    'link rack aws: {modes: [ipip, vxlan]}',
  ]);
  const [ipip] = flipsOf(narrow).filter(({ mode }) => mode === 'ipip');
  t.same(ipip?.possible === true && describeChange(ipip.changes[0]!, narrow).file, {
    where: 'link rack – aws (c.yaml:7)',
    lines: ['modes: [ipip, vxlan]'],
  });
  t.end();
});

t.test('rules: the one that decides asks for the mode, or for what is cheapest', (t) => {
  const always = pair({ rules: [{ name: 'always', mode: 'vxlan' }] });
  t.same(told(always)['ipip'], [
    'rule always (built in) asked for ipip',
    'rule always: {mode: ipip}',
  ]);
  const denied = pair({ rules: [{ name: 'wall', mode: 'deny' }] });
  t.same(told(denied)['vxlan'], [
    'rule wall (built in) asked for vxlan',
    'rule wall: {mode: vxlan}',
  ]);
  t.equal(Object.keys(told(denied)).length, 3, 'a denied pair has no mode at all');
  const forced = pair({ far: true, rules: [{ name: 'on', mode: 'ipip', force: true }] });
  t.same(told(forced)['vxlan'], [
    'rule on (built in) asked for vxlan without force',
    'rule on: {mode: vxlan, force: false}',
  ]);
  t.end();
});

t.test('a rule that others need is left alone: one for the two goes before it', (t) => {
  const cluster = pair({
    zones: { 'eu-west-1a': { provider: 'aws' }, az: { provider: 'azure' } },
    rules: [{ name: 'always', mode: 'vxlan' }],
    nodes: [
      {
        name: 'a',
        zone: 'eu-west-1a',
        at: '10.0.0.1/24',
        overlay: ['10.64.1.0/24', 'fd64:1::/64'],
      },
      {
        name: 'b',
        zone: 'eu-west-1a',
        at: '10.0.0.2/24',
        overlay: ['10.64.2.0/24', 'fd64:2::/64'],
      },
      { name: 'c', zone: 'az', at: '10.1.0.2/24', overlay: '10.64.3.0/24' },
    ],
  });
  const { ipip } = told(cluster);
  t.same(ipip, ['rule always (built in) asked for auto', 'rule always: {mode: auto}']);
  const native = pair({
    ...{
      zones: {
        'eu-west-1a': { provider: 'aws', switches: { sourceDestinationCheck: 'disabled' } },
        az: { provider: 'azure' },
      },
    },
    rules: [{ name: 'always', mode: 'vxlan' }],
    nodes: [
      {
        name: 'a',
        zone: 'eu-west-1a',
        at: '10.0.0.1/24',
        overlay: ['10.64.1.0/24', 'fd64:1::/64'],
      },
      {
        name: 'b',
        zone: 'eu-west-1a',
        at: '10.0.0.2/24',
        overlay: ['10.64.2.0/24', 'fd64:2::/64'],
      },
      { name: 'c', zone: 'az', at: '10.1.0.2/24', overlay: '10.64.3.0/24' },
    ],
  });
  t.same(told(native)['ipip'], [
    'a rule before all others asked for ipip between a and b',
    'rules: prepend {between: [{node: a}, {node: b}], family: 4, mode: ipip}',
  ]);
  t.end();
});

t.test('what no file can change is said', (t) => {
  const azure = pair({
    zones: { z: { provider: 'azure' } },
    nodes: [
      { name: 'a', zone: 'z', at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', zone: 'z', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
    ],
  });
  t.match(
    told(azure)['ipip'],
    /^IPIP: nothing in this file would: a \(azure\): Azure drops IP-in-IP/,
  );
  const blind = pair({
    zones: { z: {} },
    nodes: [
      { name: 'a', zone: 'z', at: '10.0.0.1/24', overlay: 'fd64:1::/64' },
      { name: 'b', zone: 'z', at: '10.0.0.2/24', overlay: 'fd64:2::/64' },
    ],
  });
  t.equal(
    told(blind)['native'],
    'NATIVE: nothing in this file would: no IPv6 underlay address on both ends',
  );
  t.end();
});

t.test('receivers, public addresses and MTUs', (t) => {
  const b = { name: 'b', zone: 'eu-west-1a', at: '10.0.0.2/24', overlay: '10.64.2.0/24' };
  const a = { ...b, name: 'a', at: '10.0.0.1/24', overlay: '10.64.1.0/24' };
  const deaf = pair({ nodes: [a, { ...b, accepts: { 'ipip:4:4': 'none' } }] });
  t.same(told(deaf)['ipip'], [
    'b received ipip in its kernel',
    'node b: {accepts: {ipip/4/4: kernel}}',
  ]);
  const open = pair({
    nodes: [a, { ...b, zone: 'rack', at: 'fd00::2/64', public: ['192.0.2.7'] }],
  });
  t.match(told(open)['vxlan'], [/^a link eu-west-1a – rack allowed public addresses/]);
  const tight = pair({
    zones: { 'eu-west-1a': { provider: 'aws', mtu: 1300 } },
    nodes: [
      { ...a, overlay: 'fd64:1::/64' },
      { ...b, overlay: 'fd64:2::/64' },
    ],
  });
  t.same(told(tight)['vxlan'], ["eu-west-1a's MTU were 1330", 'zone eu-west-1a: {mtu: 1330}']);
  t.end();
});

t.test('nothing is told where no packet would leave anyway', (t) => {
  t.same(flipsOf(pair(), ['a', 'a']), []);
  const gone = pair({
    nodes: [
      { name: 'a', zone: 'rack', at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', zone: 'rack', at: '10.0.0.2/24', overlay: '10.64.2.0/24', withdrawn: true },
    ],
  });
  t.same(flipsOf(gone), []);
  t.end();
});

/** The mode that is decided with these changes; undefined: none, or one forced against the facts. */
function modeWith(cluster: Cluster, changes: readonly Change[], way: Way): Mode | undefined {
  const changed = applyChanges(cluster, changes);
  const from = changed.nodes.get(way.from)!;
  const owner = changed.nodes.get(way.to)!;
  const prefix = owner.overlay[way.prefix]!;
  const decision = decide({ cluster: changed, local: undefined }, { from, prefix, owner });
  const forced = stepOf(decision, 'feasible')?.forced === true;
  return decision.verdict.kind === 'forward' && !forced ? decision.verdict.mode : undefined;
}

interface Way {
  readonly from: string;
  readonly to: string;
  readonly prefix: number;
}

function* everyFlip(cluster: Cluster): Generator<readonly [Flip, Way]> {
  const nodes = [...cluster.nodes.values()].slice(0, 3);
  for (const from of nodes)
    for (const owner of nodes)
      for (const [i, prefix] of owner.overlay.entries())
        for (const flip of smallestFlips({ cluster, local: undefined }, { from, prefix, owner }))
          yield [flip, { from: from.name, to: owner.name, prefix: i }];
}

function* properSubsets<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let bits = 0; bits < 2 ** items.length - 1; bits++)
    yield items.filter((_, i) => (bits >> i) & 1);
}

property(
  'made in any order the changes bring the mode, and no proper subset of them does',
  [arbitraryCluster, fc.nat()],
  (cluster, turn) => {
    for (const [flip, way] of everyFlip(cluster)) {
      if (!flip.possible) continue;
      if (modeWith(cluster, flip.changes, way) !== flip.mode) return false;
      const turned = flip.changes.map((_, i) => flip.changes[(i + turn) % flip.changes.length]!);
      if (!turned.some(({ kind }) => kind === 'rule-mode' || kind === 'rule-added'))
        if (modeWith(cluster, turned, way) !== flip.mode) return false;
      for (const some of properSubsets(flip.changes))
        if (modeWith(cluster, some, way) === flip.mode) return false;
    }
    return true;
  },
);

property(
  'what is impossible is impossible by any single change as well',
  [arbitraryCluster],
  (cluster) => {
    const flips = [...everyFlip(cluster)];
    const changes = flips.flatMap(([flip]) => (flip.possible ? flip.changes : []));
    return flips.every(
      ([flip, way]) =>
        flip.possible || changes.every((one) => modeWith(cluster, [one], way) !== flip.mode),
    );
  },
);
