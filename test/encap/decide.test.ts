/** The decision: each provider's behaviour, rules, links, families, MTU; and its properties. */
import fc from 'fast-check';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster, ClusterNode, LocalFacts } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { describeStep, describeVerdict } from '../../encap/describe.js';
import { nodeTable } from '../../encap/node-table.js';
import { parsePrefix } from '../../encap/prefix.js';
import { siteOf } from '../../encap/relation.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import { underlayFacts } from '../../encap/underlay/index.js';
import type { ClusterSketch, NodeSketch, ZoneSketch } from '../support/cluster-builder.js';
import { arbitraryCluster, sketchCluster } from '../support/cluster-builder.js';

const seed = 20261122;

function ask(cluster: Cluster, from: string, to: string, extra: Ask = {}): Decision {
  const owner = cluster.nodes.get(to);
  const family = extra.family ?? 4;
  const prefix = owner?.overlay.find((entry) => entry.family === family);
  return decide(
    { cluster, local: extra.local },
    { from: cluster.nodes.get(from)!, prefix: prefix ?? parsePrefix('10.79.0.0/24'), owner },
    extra.facts === undefined ? {} : { facts: extra.facts },
  );
}

interface Ask {
  readonly family?: 4 | 6;
  readonly local?: LocalFacts;
  readonly facts?: typeof underlayFacts;
}

/** Two nodes `a` and `b` in zones of these kinds; `same` puts both into one subnet. */
function pair(
  zone: ZoneSketch,
  options: Partial<ClusterSketch> & {
    other?: ZoneSketch;
    a?: Partial<NodeSketch>;
    b?: Partial<NodeSketch>;
  } = {},
): Cluster {
  const { other, a, b, ...rest } = options;
  return sketchCluster({
    zones: other === undefined ? { one: zone } : { one: zone, two: other },
    nodes: [
      { name: 'a', zone: 'one', at: '10.0.1.1/24', overlay: '10.64.1.0/24', ...a },
      {
        name: 'b',
        zone: other === undefined ? 'one' : 'two',
        at: other === undefined ? '10.0.1.2/24' : '10.0.2.2/24',
        overlay: '10.64.2.0/24',
        ...b,
      },
    ],
    ...rest,
  });
}

const verdict = (cluster: Cluster, extra: Ask = {}): string =>
  describeVerdict(ask(cluster, 'a', 'b', extra).verdict);

t.test('auto in one subnet follows what each provider passes', (t) => {
  const off = { switches: { sourceDestinationCheck: 'disabled' } } as const;
  const table: readonly [string, ZoneSketch, string][] = [
    ['aws, check off', { provider: 'aws', ...off }, 'native, MTU 9001'],
    ['aws, check unknown', { provider: 'aws' }, 'ipip, MTU 8981'],
    [
      'aws, check on',
      { provider: 'aws', switches: { sourceDestinationCheck: 'enabled' } },
      'ipip, MTU 8981',
    ],
    ['gce never adjacent', { provider: 'gce' }, 'ipip, MTU 1440'],
    ['azure drops protocol 4', { provider: 'azure' }, 'vxlan over IPv4, MTU 1350'],
    ['openstack, port security off', { provider: 'openstack', ...off }, 'native, MTU 1450'],
    ['openstack', { provider: 'openstack' }, 'ipip, MTU 1430'],
    ['hetzner', { provider: 'hetzner' }, 'ipip, MTU 1430'],
    [
      'hetzner vSwitch',
      { provider: 'hetzner', subnets: ['10.0.1.0/24 vswitch'] },
      'native, MTU 1450',
    ],
    ['digitalocean', { provider: 'digitalocean' }, 'vxlan over IPv4, MTU 1450'],
    [
      'digitalocean without firewall',
      { provider: 'digitalocean', switches: { firewall: { ipip: 'allowed' } } },
      'ipip, MTU 1480',
    ],
    ['ibm', { provider: 'ibm' }, 'vxlan over IPv4, MTU 1450'],
    ['ibm, spoofing allowed', { provider: 'ibm', ...off }, 'native, MTU 1500'],
    ['oci', { provider: 'oci' }, 'ipip, MTU 8980'],
    ['oci, check off', { provider: 'oci', ...off }, 'native, MTU 9000'],
    ['alibaba', { provider: 'alibaba' }, 'vxlan over IPv4, MTU 1450'],
    ['onprem', { provider: 'onprem' }, 'native, MTU 1500'],
    ['onprem-bgp', { provider: 'onprem-bgp' }, 'native, MTU 1500'],
  ];
  for (const [name, zone, expected] of table) t.equal(verdict(pair(zone)), expected, name);
  t.end();
});

t.test('auto across subnets of one provider and region', (t) => {
  const routed = {
    switches: {
      sourceDestinationCheck: 'disabled',
      fabricRoutes: 'present',
      ipForwarding: 'enabled',
    },
  } as const;
  const table: readonly [string, ZoneSketch, string][] = [
    [
      'aws, check off, no VPC routes',
      { provider: 'aws', switches: { sourceDestinationCheck: 'disabled' } },
      'ipip, MTU 8981',
    ],
    ['aws with VPC routes', { provider: 'aws', ...routed }, 'native, MTU 9001'],
    ['gce with routes and canIpForward', { provider: 'gce', ...routed }, 'native, MTU 1460'],
    [
      'gce with routes only',
      { provider: 'gce', switches: { fabricRoutes: 'present' } },
      'ipip, MTU 1440',
    ],
    ['azure with routes and forwarding', { provider: 'azure', ...routed }, 'native, MTU 1400'],
    ['oci: protocol 4 in one subnet only', { provider: 'oci' }, 'vxlan over IPv4, MTU 8950'],
    ['onprem: protocol 4 is unconfirmed', { provider: 'onprem' }, 'vxlan over IPv4, MTU 1450'],
    [
      'onprem: firewall admits protocol 4',
      { provider: 'onprem', switches: { firewall: { ipip: 'allowed' } } },
      'ipip, MTU 1480',
    ],
    ['onprem-bgp has learned the prefix', { provider: 'onprem-bgp' }, 'native, MTU 1500'],
    [
      'a firewall that blocks VXLAN too leaves nothing',
      { provider: 'onprem', switches: { firewall: { ipip: 'blocked', vxlan: 'blocked' } } },
      'unreachable: every mode is excluded',
    ],
  ];
  for (const [name, zone, expected] of table)
    t.equal(verdict(pair(zone, { other: zone })), expected, name);
  t.end();
});

t.test('a segment needs equal masks in one zone, or the same declared segment', (t) => {
  const rack: ZoneSketch = { provider: 'onprem' };
  t.equal(
    verdict(pair(rack, { b: { at: '10.0.1.2/16' } })),
    'vxlan over IPv4, MTU 1450',
    'unequal masks',
  );
  t.equal(
    verdict(pair(rack, { a: { at: '10.0.1.1/32' }, b: { at: '10.0.1.2/32' } })),
    'vxlan over IPv4, MTU 1450',
    'host masks',
  );
  t.equal(
    verdict(pair(rack, { other: rack, b: { at: '10.0.1.2/24' } })),
    'vxlan over IPv4, MTU 1450',
    'same network in two zones',
  );
  const left: ZoneSketch = { provider: 'onprem', subnets: ['10.0.1.0/24 row'] };
  const right: ZoneSketch = { provider: 'onprem', subnets: ['10.0.2.0/24 row'] };
  t.equal(verdict(pair(left, { other: right })), 'native, MTU 1500', 'one segment over two zones');
  const far: ZoneSketch = { provider: 'onprem', subnets: ['10.0.2.0/24 other'] };
  t.equal(verdict(pair(left, { other: far })), 'vxlan over IPv4, MTU 1450', 'different segments');
  t.end();
});

t.test(
  'between providers: the path limits, the links, and no bare packets unless a link lists native',
  (t) => {
    const aws: ZoneSketch = {
      provider: 'aws',
      region: 'r',
      switches: { sourceDestinationCheck: 'disabled', fabricRoutes: 'present' },
    };
    const rack: ZoneSketch = {
      provider: 'onprem-bgp',
      region: 'r',
      switches: { fabricRoutes: 'present' },
    };
    const ends = [
      { kind: 'zone', zone: 'one' },
      { kind: 'provider', provider: 'onprem-bgp' },
    ] as const;
    t.equal(
      verdict(pair(aws, { other: rack })),
      'vxlan over IPv4, MTU 1350',
      'undescribed VPN of 1400',
    );
    t.equal(
      verdict(pair(aws, { other: rack, links: [{ ends, mtu: 1446 }] })),
      'vxlan over IPv4, MTU 1396',
    );
    t.equal(
      verdict(pair(aws, { other: rack, links: [{ ends, mtu: 1446, modes: ['ipip', 'vxlan'] }] })),
      'ipip, MTU 1426',
      'the link confirms protocol 4',
    );
    t.equal(
      verdict(pair(aws, { other: rack, links: [{ ends, mtu: 1446, modes: ['native', 'vxlan'] }] })),
      'native, MTU 1446',
      'the link carries bare packets',
    );
    const zoneLink = [
      { kind: 'zone', zone: 'two' },
      { kind: 'zone', zone: 'one' },
    ] as const;
    t.equal(
      verdict(
        pair(aws, {
          other: rack,
          links: [
            { ends, mtu: 1446 },
            { ends: zoneLink, mtu: 1300 },
          ],
        }),
      ),
      'vxlan over IPv4, MTU 1250',
      'zone to zone beats provider',
    );
    const azure: ZoneSketch = { provider: 'azure', region: 'r' };
    const azureEnds = [
      { kind: 'zone', zone: 'one' },
      { kind: 'zone', zone: 'two' },
    ] as const;
    t.equal(
      verdict(pair(aws, { other: azure, links: [{ ends: azureEnds, modes: ['ipip', 'vxlan'] }] })),
      'vxlan over IPv4, MTU 1350',
      'no link makes Azure pass protocol 4',
    );
    t.equal(
      verdict(
        pair({ provider: 'aws', region: 'r1' }, { other: { provider: 'aws', region: 'r2' } }),
      ),
      'ipip, MTU 8480',
      'regions of AWS: 8500',
    );
    t.end();
  },
);

t.test('rules are tried in order, by selectors and by relations', (t) => {
  const aws: ZoneSketch = {
    provider: 'aws',
    region: 'eu',
    switches: { sourceDestinationCheck: 'disabled' },
  };
  const rules: NonNullable<ClusterSketch['rules']> = [
    { name: 'blocked', between: [{ nodes: ['a'] }, { labels: { role: ['db'] } }], mode: 'deny' },
    { name: 'near', relations: { subnet: 'same' }, mode: 'native' },
    {
      name: 'cross-az',
      relations: { region: 'same', zone: 'different' },
      from: { providers: ['aws'] },
      to: { providers: ['aws'] },
      mode: 'ipip',
    },
    { name: 'rest', mode: 'vxlan' },
  ];
  t.equal(verdict(pair(aws, { rules })), 'native, MTU 9001');
  t.equal(verdict(pair(aws, { rules, other: aws })), 'ipip, MTU 8981');
  t.equal(
    verdict(pair(aws, { rules, other: { ...aws, region: 'us' } })),
    'vxlan over IPv4, MTU 8450',
  );
  t.equal(verdict(pair(aws, { rules, b: { labels: { role: 'db' } } })), 'denied by rule blocked');
  const back = decide(
    { cluster: pair(aws, { rules, b: { labels: { role: 'db' } } }), local: undefined },
    (() => {
      const cluster = pair(aws, { rules, b: { labels: { role: 'db' } } });
      const owner = cluster.nodes.get('a')!;
      return { from: cluster.nodes.get('b')!, prefix: owner.overlay[0]!, owner };
    })(),
  );
  t.equal(back.verdict.kind, 'deny', 'between holds both ways');
  const trials = stepOf(
    ask(pair(aws, { rules, other: { ...aws, region: 'us' } }), 'a', 'b'),
    'rule',
  )!;
  t.same(describeStep(trials).lines, [
    '✗ blocked (built in): label differs: wants role=db, is none',
    '✗ near (built in): subnet differs: wants the same',
    '✗ cross-az (built in): region differs: wants the same',
    '✓ rest (built in): matched',
  ]);
  t.equal(
    verdict(pair(aws, { rules: [{ family: 6, mode: 'deny' }] })),
    'native, MTU 9001',
    'family 6 only',
  );
  const backwards = { from: { subnets: [parsePrefix('10.0.1.2/32')] } };
  t.equal(
    verdict(pair(aws, { rules: [{ ...backwards, mode: 'vxlan' }] })),
    'native, MTU 9001',
    'from is not the sender',
  );
  const denied = ask(pair(aws, { rules: [{ ...backwards, mode: 'deny' }] }), 'a', 'b');
  t.equal(describeVerdict(denied.verdict), 'denied by rule rule-1', 'the way back is denied');
  t.match(describeStep(stepOf(denied, 'rule')!).summary, /rule-1 .* denies the way back/);
  t.end();
});

t.test('a rule that asks for the infeasible yields no mode, unless it is forced', (t) => {
  const azure: ZoneSketch = { provider: 'azure' };
  const decision = ask(pair(azure, { rules: [{ name: 'x', mode: 'ipip' }] }), 'a', 'b');
  t.same(decision.verdict, { kind: 'unreachable', reason: 'no-mode' });
  t.match(
    describeStep(stepOf(decision, 'feasible')!).lines.join('\n'),
    /Azure drops IP-in-IP packets \(IP protocol 4\) \(Azure virtual-networks-faq.md, P\)/,
  );
  const forced = ask(pair(azure, { rules: [{ mode: 'ipip', force: true }] }), 'a', 'b');
  t.equal(describeVerdict(forced.verdict), 'ipip, MTU 1380');
  t.equal(stepOf(forced, 'feasible')?.forced, true);
  t.equal(
    verdict(
      pair(azure, {
        rules: [{ mode: 'ipip', force: true }],
        b: { accepts: { 'ipip:4:4': 'none' } },
      }),
    ),
    'unreachable: every mode is excluded',
    'no force without a receiver',
  );
  t.end();
});

t.test('what the ends accept: auto passes over userspace, a rule does not', (t) => {
  const gce: ZoneSketch = { provider: 'gce' };
  const b = { accepts: { 'ipip:4:4': 'userspace' } } as const;
  t.equal(verdict(pair(gce, { b })), 'vxlan over IPv4, MTU 1410');
  const named = ask(pair(gce, { b, rules: [{ mode: 'ipip' }] }), 'a', 'b');
  t.equal(describeVerdict(named.verdict), 'ipip, MTU 1440');
  t.equal(named.verdict.kind === 'forward' && named.verdict.plane, 'userspace');
  t.end();
});

t.test('IPv6: protocol 41 is not believed in, 1280 bytes must be left, IPv6 outer headers', (t) => {
  const rack: ZoneSketch = { provider: 'onprem' };
  const both = (
    options: Partial<NodeSketch> = {},
  ): { a: Partial<NodeSketch>; b: Partial<NodeSketch> } => ({
    a: { overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'], ...options },
    b: { overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'] },
  });
  t.equal(
    verdict(pair(rack, both()), { family: 6 }),
    'vxlan over IPv4, MTU 1450',
    'no IPv6 underlay: not native',
  );
  const small = {
    links: [
      {
        ends: [
          { kind: 'zone', zone: 'one' },
          { kind: 'zone', zone: 'two' },
        ] as const,
        mtu: 1329,
      },
    ],
  };
  t.equal(
    verdict(pair(rack, { other: rack, ...both(), ...small }), { family: 6 }),
    'unreachable: every mode is excluded',
  );
  t.equal(verdict(pair(rack, { other: rack, ...both(), ...small })), 'vxlan over IPv4, MTU 1279');
  const v6: readonly NodeSketch[] = [
    { name: 'a', zone: 'one', at: 'fd00:1::1/64', overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'] },
    { name: 'b', zone: 'two', at: 'fd00:2::1/64', overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'] },
  ];
  const overV6 = sketchCluster({ zones: { one: rack, two: rack }, nodes: v6 });
  t.equal(verdict(overV6), 'vxlan over IPv6, MTU 1430');
  t.equal(
    verdict(
      sketchCluster({
        zones: { one: rack, two: rack },
        nodes: v6,
        rules: [{ mode: 'ipip', force: true }],
      }),
    ),
    'ipip, IPv4 in IPv6, MTU 1460',
  );
  const mixed = sketchCluster({
    nodes: [
      { ...v6[0]!, zone: 'default' },
      { name: 'b', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
    ],
  });
  t.equal(verdict(mixed), 'unreachable: the two nodes have no underlay address of a common family');
  t.end();
});

t.test('public addresses only where a link allows them', (t) => {
  const one: ZoneSketch = { provider: 'onprem' };
  const other: ZoneSketch = { provider: 'hetzner' };
  const b = { at: '203.0.113.9/32', public: ['203.0.113.9'] };
  t.equal(verdict(pair(one, { other, b })), 'unreachable: every mode is excluded');
  const ends = [
    { kind: 'zone', zone: 'one' },
    { kind: 'zone', zone: 'two' },
  ] as const;
  t.equal(
    verdict(pair(one, { other, b, links: [{ ends, allowPublic: true }] })),
    'vxlan over IPv4, MTU 1350',
  );
  t.end();
});

t.test('owners: own, unknown, withdrawn', (t) => {
  const cluster = pair({ provider: 'onprem' }, { b: { withdrawn: true } });
  t.equal(describeVerdict(ask(cluster, 'a', 'a').verdict), 'local');
  t.equal(describeVerdict(ask(cluster, 'a', 'nobody').verdict), 'unreachable: no node owns it');
  t.equal(verdict(cluster), 'unreachable: its owner has been withdrawn');
  t.end();
});

t.test('a stale owner keeps its path, and the trail says that it is stale', (t) => {
  const change = (of: Partial<ClusterNode>): Cluster => {
    const cluster = pair({ provider: 'onprem' });
    const owner = { ...cluster.nodes.get('b')!, ...of };
    return { ...cluster, nodes: nodeTable([cluster.nodes.get('a')!, owner]) };
  };
  const owned = (cluster: Cluster): string =>
    describeStep(stepOf(ask(cluster, 'a', 'b'), 'membership')!).summary;
  const stale = { stale: 'since 2026-01-02T03:04:05.000Z' };
  t.equal(verdict(change(stale)), verdict(change({})));
  t.equal(owned(change({})), 'owned by b');
  t.equal(
    owned(change(stale)),
    'owned by b, which is stale: its agent is not heard of since 2026-01-02T03:04:05.000Z, and its paths stay for a while',
  );
  t.equal(
    owned(change({ ...stale, withdrawn: true })),
    'its owner b has been withdrawn: its agent is not heard of since 2026-01-02T03:04:05.000Z',
  );
  t.end();
});

t.test("native takes the kernel's own way to the owner, where the fabric has the route", (t) => {
  const cluster = pair({ provider: 'onprem-bgp' }, { other: { provider: 'onprem-bgp' } });
  const local = (routes: LocalFacts['underlayRoutes']): LocalFacts => ({
    node: 'a',
    nics: { 4: { name: 'eth0', mtu: 1480 } },
    underlayRoutes: routes,
  });
  const gateway = parseAddress('10.0.1.254');
  const routed = ask(cluster, 'a', 'b', {
    local: local(new Map([['10.0.2.2', { device: 'eth0', gateway }]])),
  });
  t.equal(describeVerdict(routed.verdict), 'native, MTU 1480', 'the own NIC limits');
  t.match(routed.verdict, {
    nextHop: { kind: 'routed', device: 'eth0', via: { text: '10.0.1.254' } },
  });
  t.equal(
    verdict(cluster, { local: local(new Map()) }),
    "unreachable: this kernel has no route to the owner's underlay address",
  );
  t.match(ask(pair({ provider: 'onprem' }), 'a', 'b', { local: local(new Map()) }).verdict, {
    nextHop: { kind: 'adjacent', device: 'eth0', via: { text: '10.0.1.2' } },
  });
  t.end();
});

t.test('every fact carries its mark and source, and a swapped fact changes the decision', (t) => {
  for (const facts of Object.values(underlayFacts))
    for (const passage of [
      facts.nativeAdjacent,
      facts.nativeRouted,
      facts.ipip,
      facts.ipv6InIpv4,
      facts.vxlan,
    ]) {
      t.match(passage.fact.mark, /^[PSG]$/);
      t.not(passage.fact.source, '');
    }
  const believed = {
    ...underlayFacts,
    azure: { ...underlayFacts.azure, ipip: underlayFacts.gce.ipip },
  };
  t.equal(verdict(pair({ provider: 'azure' }), { facts: believed }), 'ipip, MTU 1380');
  t.end();
});

t.test('the MTU ledger names every limit and adds up', (t) => {
  const cluster = pair(
    { provider: 'aws' },
    {
      other: { provider: 'onprem' },
      links: [
        {
          ends: [
            { kind: 'zone', zone: 'one' },
            { kind: 'zone', zone: 'two' },
          ],
          mtu: 1446,
          note: 'site-to-site VPN',
        },
      ],
    },
  );
  const step = stepOf(ask(cluster, 'a', 'b'), 'mtu')!;
  t.same(describeStep(step), {
    step: 'mtu',
    summary: '1446 − (outer IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14) = 1396',
    lines: [
      'own NIC 9001: a VPC carries 9001 bytes (Amazon EC2 user guide, network MTU, P)',
      "peer's NIC 1500: Ethernet carries 1500 bytes (IEEE 802.3, P)",
      'link 1446: site-to-site VPN',
    ],
  });
  t.end();
});

/** Every ordered pair and family of a cluster, with both decisions. */
function* pairs(cluster: Cluster): Generator<{ there: Decision; back: Decision }> {
  for (const a of cluster.nodes.values())
    for (const b of cluster.nodes.values())
      for (const family of [4, 6] as const)
        if (a !== b)
          yield {
            there: ask(cluster, a.name, b.name, { family }),
            back: ask(cluster, b.name, a.name, { family }),
          };
}

t.test('properties over random clusters', (t) => {
  const options = { seed, numRuns: 150 };
  const way = (decision: Decision): string =>
    decision.verdict.kind === 'forward'
      ? `${decision.verdict.mode} ${decision.verdict.carriage.outer} ${decision.verdict.mtu}`
      : decision.verdict.kind;
  fc.assert(
    fc.property(arbitraryCluster, (cluster) => {
      const symmetric = cluster.rules.every(
        (rule) => rule.from === undefined && rule.to === undefined,
      );
      if (!symmetric) return true;
      return [...pairs(cluster)].every(({ there, back }) => way(there) === way(back));
    }),
    options,
  );
  t.pass('without one-way rules both directions decide alike');
  fc.assert(
    fc.property(arbitraryCluster, (cluster) =>
      [...pairs(cluster)].every(({ there }) => {
        const { verdict } = there;
        if (verdict.kind !== 'forward') return true;
        const rule = stepOf(there, 'rule')!;
        if (rule.rule?.force === true) return true;
        return [there.from, there.owner!].every((name) => {
          const site = siteOf(cluster, cluster.nodes.get(name)!);
          const facts = underlayFacts[site.zone.provider];
          if (verdict.mode !== 'native') {
            const traffic =
              verdict.mode === 'ipip' && verdict.carriage.inner === 6 ? 'ipv6InIpv4' : verdict.mode;
            const inIp = verdict.carriage.outer === 4 && verdict.carriage.inner === 4;
            const passage =
              verdict.mode === 'vxlan' ? facts.vxlan : inIp ? facts.ipip : facts.ipv6InIpv4;
            return (
              passage.verdict !== 'forbidden' && site.switches.firewall?.[traffic] !== 'blocked'
            );
          }
          const passage = stepOf(there, 'feasible')!.chosen!.adjacent
            ? facts.nativeAdjacent
            : facts.nativeRouted;
          return (
            passage.verdict !== 'forbidden' &&
            passage.needs.every((need) => site.switches[need.switch] === need.value)
          );
        });
      }),
    ),
    options,
  );
  t.pass("no unforced decision goes against either side's facts");
  fc.assert(
    fc.property(arbitraryCluster, (cluster) => {
      const reversed = { ...cluster, nodes: nodeTable([...cluster.nodes.values()].reverse()) };
      return [...pairs(cluster)].every(
        ({ there }) =>
          way(ask(reversed, there.from, there.owner!, { family: there.prefix.family })) ===
          way(there),
      );
    }),
    options,
  );
  t.pass('the order of the nodes is irrelevant');
  fc.assert(
    fc.property(arbitraryCluster, (cluster) =>
      [...pairs(cluster)].every(({ there }) => {
        for (const step of there.trail) describeStep(step);
        const { verdict } = there;
        const last = there.trail.at(-1)!;
        if (verdict.kind !== 'forward') return last.outcome === 'decide';
        const ledger = last.name === 'mtu' ? last.ledger : undefined;
        const smallest = Math.min(...ledger!.limits.map((limit) => limit.bytes));
        const overhead = ledger!.overhead.reduce((sum, item) => sum + item.bytes, 0);
        return (
          verdict.mtu === smallest - overhead && (there.prefix.family === 4 || verdict.mtu >= 1280)
        );
      }),
    ),
    options,
  );
  t.pass('the last step decides, and the MTU is the ledger added up');
  t.end();
});
