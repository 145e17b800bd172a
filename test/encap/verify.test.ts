/** Whole clusters: classes of nodes against every pair by itself, and each finding by an example. */
import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { underlayFacts } from '../../encap/underlay/index.js';
import { diffClusters } from '../../encap/verify/diff.js';
import { type FindingCode, findingCodes } from '../../encap/verify/finding.js';
import { decideNodes } from '../../encap/verify/pairs.js';
import { outcomeOf, outcomeText } from '../../encap/verify/outcome.js';
import type { Verification } from '../../encap/verify/verify.js';
import { Audit, verify } from '../../encap/verify/verify.js';
import type { ClusterSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { property } from '../support/property.js';
import { arbitraryFleet } from '../support/verify-clusters.js';

const families = [4, 6] as const;

function present(cluster: Cluster): readonly string[] {
  return [...cluster.nodes.values()].filter((node) => !node.withdrawn).map(({ name }) => name);
}

/** The slow obvious way: every ordered pair is asked for by itself. */
function bruteForce(cluster: Cluster): Pick<Verification, 'outcomes' | 'findings'> {
  const audit = new Audit(cluster, underlayFacts);
  for (const from of present(cluster))
    for (const to of present(cluster)) {
      if (from === to) continue;
      const way = (names: { readonly from: string; readonly to: string }) => ({
        decision: (_: number, family: 4 | 6) => decideNodes(cluster, names, { family }),
      });
      audit.add({
        pairs: 1,
        example: { from, to },
        ...way({ from, to }),
        reverse: way({ from: to, to: from }),
      });
    }
  return audit.result();
}

/** Without the examples, which are any pair of a finding's. */
function comparable({ outcomes, findings }: Pick<Verification, 'outcomes' | 'findings'>): unknown {
  const counts = outcomes.map(({ family, text, pairs }) => `${family} ${text}: ${pairs}`).sort();
  const found = findings.map(({ zonePairs, ...rest }) => ({
    ...rest,
    zonePairs: zonePairs.map(({ from, to, pairs }) => `${from} ${to} ${pairs}`).sort(),
  }));
  return { counts, found };
}

property('classes find what every pair by itself shows', [arbitraryFleet], (cluster) => {
  const result = verify(cluster);
  deepStrictEqual(comparable(result), comparable(bruteForce(cluster)));
  return true;
});

property('modes and MTUs are counted as decide gives them', [arbitraryFleet], (cluster) => {
  const expected = new Map<string, number>();
  const nodes = [...cluster.nodes.values()].filter((node) => !node.withdrawn);
  for (const from of nodes)
    for (const owner of nodes)
      for (const family of families) {
        const prefix = owner.overlay.find((entry) => entry.family === family);
        if (owner === from || prefix === undefined) continue;
        const { verdict } = decide({ cluster, local: undefined }, { from, prefix, owner });
        const way =
          verdict.kind === 'forward'
            ? `${verdict.mode}/${verdict.carriage.outer} ${verdict.mtu}`
            : verdict.kind;
        expected.set(`${family} ${way}`, (expected.get(`${family} ${way}`) ?? 0) + 1);
      }
  const counted = new Map<string, number>();
  for (const { family, outcome, pairs } of verify(cluster).outcomes) {
    const way =
      outcome.kind === 'forward' ? `${outcome.mode}/${outcome.outer} ${outcome.mtu}` : outcome.kind;
    counted.set(`${family} ${way}`, (counted.get(`${family} ${way}`) ?? 0) + pairs);
  }
  deepStrictEqual([...counted].sort(), [...expected].sort());
  return true;
});

property(
  'two clusters differ in the pairs that every pair by itself shows',
  [arbitraryFleet, arbitraryFleet, fc.boolean()],
  (old, other, rulesOnly) => {
    const next = rulesOnly ? { ...old, rules: other.rules.slice(0, 1) } : other;
    const names = [...new Set([...present(old), ...present(next)])];
    const expected = new Map<string, number>();
    let changed = 0;
    for (const from of names)
      for (const to of names) {
        if (from === to) continue;
        const ways = families.flatMap((family) => {
          const [was, is] = [old, next].map((cluster) =>
            outcomeText(outcomeOf(decideNodes(cluster, { from, to }, { family })), family),
          );
          return was === is ? [] : [`${family} ${was} → ${is}`];
        });
        for (const way of ways) expected.set(way, (expected.get(way) ?? 0) + 1);
        if (ways.length > 0) changed++;
      }
    const diff = diffClusters(old, next);
    const counted = new Map<string, number>();
    for (const { family, from, to, pairs, zonePairs } of diff.groups) {
      const way = `${family} ${from} → ${to}`;
      counted.set(way, (counted.get(way) ?? 0) + pairs);
      deepStrictEqual(
        zonePairs.reduce((sum, zonePair) => sum + zonePair.pairs, 0),
        pairs,
      );
    }
    deepStrictEqual([...counted].sort(), [...expected].sort());
    deepStrictEqual(diff.changedPairs, changed);
    deepStrictEqual(diff.pairs, names.length ** 2 - names.length);
    deepStrictEqual(diffClusters(old, old).same, true);
    return true;
  },
);

/** `code severity pairs` of each finding. */
function found(sketch: ClusterSketch): readonly string[] {
  return verify(sketchCluster(sketch)).findings.map(
    ({ code, severity, pairs }) => `${code} ${severity} ${pairs}`,
  );
}

const rack = [
  { name: 'a1', zone: 'a', at: '10.0.1.1/24', overlay: '10.64.1.0/24' },
  { name: 'a2', zone: 'a', at: '10.0.1.2/24', overlay: '10.64.2.0/24' },
  { name: 'b1', zone: 'b', at: '10.0.2.1/24', overlay: '10.64.3.0/24' },
] as const;
const twoRacks = { a: {}, b: {} };

t.test('a sound cluster has no findings but notes', (t) => {
  const { findings, outcomes, pairs } = verify(
    sketchCluster({ zones: twoRacks, nodes: rack, rules: [{ mode: 'auto' }] }),
  );
  t.equal(pairs, 6);
  t.same(
    outcomes.map(({ text, pairs: count }) => [text, count]),
    [
      ['vxlan 1450', 4],
      ['native 1500', 2],
    ],
  );
  t.same(
    findings.map(({ code, severity }) => [code, severity]),
    [['unconfirmed-cheaper', 'note']],
  );
  t.match(findings[0], {
    text: /^auto takes vxlan over IPv4 because nobody confirmed what native needs: fabricRoutes must be present$/,
    pairs: 4,
    families: [4],
    zonePairs: [
      { from: 'a', to: 'b', pairs: 2, example: { from: 'a1', to: 'b1', family: 4 } },
      { from: 'b', to: 'a', pairs: 2 },
    ],
  });
  t.end();
});

const quiet = { mode: 'vxlan' } as const;

const examples: readonly (readonly [string, ClusterSketch, readonly string[]])[] = [
  [
    'a rule that asks for what nothing carries',
    { zones: twoRacks, nodes: rack, rules: [{ mode: 'ipip' }] },
    ['black-hole error 6'],
  ],
  [
    'one way only',
    {
      zones: twoRacks,
      nodes: rack,
      rules: [{ from: { zones: ['a'] }, to: { zones: ['b'] }, mode: 'ipip' }, quiet],
    },
    ['one-way error 2'],
  ],
  [
    'families that do not meet',
    {
      nodes: [
        { ...rack[0], zone: 'default' },
        { ...rack[1], zone: 'default', at: 'fd00::2/64' },
      ],
      rules: [quiet],
    },
    ['no-common-address error 2', 'rule-unused note 0'],
  ],
  [
    'a mode each way',
    {
      zones: {
        a: { switches: { firewall: { ipip: 'allowed' } } },
        b: { switches: { firewall: { ipip: 'allowed' } } },
      },
      nodes: rack,
      rules: [{ from: { zones: ['a'] }, to: { zones: ['b'] }, mode: 'ipip' }, quiet],
    },
    ['asymmetric-mode warning 4'],
  ],
  [
    'denied one way',
    {
      zones: twoRacks,
      nodes: rack,
      rules: [{ from: { zones: ['b'] }, to: { zones: ['a'] }, mode: 'deny' }, quiet],
    },
    ['denied-one-way warning 2'],
  ],
  [
    'forced against what is known, and against what is only unknown',
    {
      zones: { a: { switches: { firewall: { ipip: 'blocked' } } }, b: {} },
      nodes: [rack[0], { ...rack[1], zone: 'b' }, rack[2]],
      rules: [{ mode: 'ipip', force: true }],
    },
    ['forced warning 4', 'forced note 2'],
  ],
  [
    'neighbours of unequal size',
    {
      zones: twoRacks,
      nodes: [{ ...rack[0], mtu: 9000 }, ...rack.slice(1)],
      rules: [{ relations: { zone: 'same' }, mode: 'native' }, quiet],
    },
    ['mtu-mismatch warning 2'],
  ],
  [
    'rules without effect',
    {
      zones: { ...twoRacks, c: {} },
      nodes: rack,
      rules: [
        quiet,
        { name: 'late', from: { zones: ['a'] }, mode: 'auto' },
        { name: 'nobody', from: { zones: ['c'] }, mode: 'auto' },
      ],
    },
    ['rule-shadowed warning 0', 'rule-unused note 0'],
  ],
  [
    'a path that nobody described',
    { zones: { a: {}, b: { provider: 'aws' } }, nodes: rack, rules: [quiet] },
    ['unconfirmed-mtu note 4'],
  ],
  [
    'a mode that is only believed to pass',
    { zones: { a: { provider: 'oci' }, b: { provider: 'oci' } }, nodes: rack, rules: [quiet] },
    ['unconfirmed-mode note 6'],
  ],
  [
    'over the internet, where a link allows it',
    {
      zones: twoRacks,
      links: [
        {
          ends: [
            { kind: 'zone', zone: 'a' },
            { kind: 'zone', zone: 'b' },
          ],
          allowPublic: true,
        },
      ],
      nodes: [rack[0], { ...rack[2], at: '198.51.100.1/24', public: ['198.51.100.1'] }],
      rules: [quiet],
    },
    ['public-underlay note 1'],
  ],
  [
    'carried by a process',
    {
      zones: twoRacks,
      nodes: [rack[0], { ...rack[2], accepts: { 'vxlan:4:4': 'userspace' } }],
      rules: [quiet],
    },
    ['userspace-plane note 2'],
  ],
  [
    'an address of the underlay inside an overlay prefix',
    {
      zones: twoRacks,
      nodes: [rack[0], rack[1], { ...rack[2], at: '10.64.1.9/32' }],
      rules: [quiet],
    },
    ['loop error 2', 'underlay-in-overlay error 0', 'pool-overlap error 0'],
  ],
  [
    'a prefix of two nodes',
    {
      zones: twoRacks,
      nodes: [rack[0], rack[1], { ...rack[2], overlay: '10.64.1.0/25' }],
      rules: [quiet],
    },
    ['overlay-overlap error 0'],
  ],
  [
    'a pool around a subnet',
    { zones: twoRacks, pools: ['10.0.0.0/8'], nodes: rack, rules: [quiet] },
    ['pool-overlap error 0'],
  ],
];

for (const [name, sketch, expected] of examples)
  t.test(`found: ${name}`, (t) => {
    t.same(found(sketch), expected);
    t.end();
  });

t.test('every kind of pair finding that can occur has an example', (t) => {
  const shown = new Set(examples.flatMap(([, , codes]) => codes.map((code) => code.split(' ')[0])));
  const missing = findingCodes.filter((code) => !shown.has(code));
  // Both ends count the same limits, so equal modes have equal MTUs; the first test shows the other.
  const never: readonly FindingCode[] = ['asymmetric-mtu', 'unconfirmed-cheaper'];
  t.same(missing, never);
  t.end();
});

t.test('causes of a difference', (t) => {
  const base: ClusterSketch = {
    zones: {
      a: { switches: { firewall: { ipip: 'allowed' } } },
      b: { switches: { firewall: { ipip: 'allowed' } } },
    },
    nodes: rack,
    rules: [{ name: 'any', mode: 'auto' }],
  };
  const old = sketchCluster(base);
  const causes = (next: Partial<ClusterSketch>): readonly string[] =>
    diffClusters(old, sketchCluster({ ...base, ...next })).groups.map(
      ({ from, to, effect, cause, pairs }) =>
        `${effect} ${pairs}: ${from} → ${to}: ${cause.step}: ${cause.text}`,
    );
  t.same(causes({}), []);
  t.same(causes({ rules: [{ name: 'all', mode: 'vxlan' }] }), [
    'mode 4: ipip 1480 → vxlan 1450: rule: rule any (built in): auto → rule all (built in): vxlan',
    'mode 2: native 1500 → vxlan 1450: rule: rule any (built in): auto → rule all (built in): vxlan',
  ]);
  t.same(causes({ zones: { ...base.zones, b: { switches: { firewall: { ipip: 'blocked' } } } } }), [
    'mode 4: ipip 1480 → vxlan 1450: feasible: ipip now excluded: the onprem end (onprem): not confirmed to pass: protocol 4 passes unless a firewall drops it (general knowledge, G), the onprem end: its firewall blocks ipip',
  ]);
  t.same(
    causes({
      links: [
        {
          ends: [
            { kind: 'zone', zone: 'a' },
            { kind: 'zone', zone: 'b' },
          ],
          mtu: 1400,
        },
      ],
    }),
    [
      'mtu 4: ipip 1480 → ipip 1380: mtu: path MTU: 1500 of the NICs of the onprem end → 1400 of link a – b (built in)',
    ],
  );
  t.same(causes({ nodes: rack.slice(0, 2) }), ['lost 4: ipip 1480 → –: node: nodes go']);
  t.same(causes({ nodes: [...rack.slice(0, 2), { ...rack[2], at: 'fd00::1/64' }] }), [
    'lost 4: ipip 1480 → no way: membership: common underlay addresses: IPv4 → none',
  ]);
  t.same(
    causes({ nodes: [...rack.slice(0, 2), { ...rack[2], accepts: { 'ipip:4:4': 'none' } }] }),
    [
      'mode 4: ipip 1480 → vxlan 1450: feasible: ipip now excluded: the onprem end cannot receive it',
    ],
  );
  const { records } = diffClusters(
    old,
    sketchCluster({
      ...base,
      vni: 7,
      pools: ['10.64.0.0/16'],
      nodes: [rack[0], { ...rack[1], overlay: rack[2].overlay }],
    }),
  );
  t.match(records, {
    nodes: { added: [], removed: ['b1'], changed: [{ node: 'a2', fields: ['overlay'] }] },
    prefixes: {
      added: [],
      removed: ['10.64.2.0/24'],
      moved: [{ prefix: '10.64.3.0/24', from: 'b1', to: 'a2' }],
    },
    pools: { added: ['10.64.0.0/16'], removed: ['10.64.0.0/12'] },
    settings: ['overlay.vxlan.vni 4096 → 7'],
  });
  t.end();
});
