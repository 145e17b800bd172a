/**
 * The diagnosis from tables of (state, evidence), and the property that it rests on: whatever single
 * object is spoilt, the diagnosis names that object's stage; two of them, both; none, nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster, Rule, Zone } from '../../encap/cluster.js';
import type { DesiredObject } from '../../routes/desired.js';
import type { Diagnosis, FindingCode } from '../../routes/diagnose/index.js';
import { findingCodes, withDiagnosis } from '../../routes/diagnose/index.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { explain } from '../../routes/explain.js';
import { objectKey } from '../../tunnel/kernel.js';
import {
  explainJsonSchemaPath,
  explainJsonSchemaText,
  explainReportSchema,
} from '../../src/explain/report-schema.js';
import { fromRoot } from '../support/root.js';
import type { NodeSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';
import type { World } from '../support/diagnose-world.js';
import { oneWay, roundTrip, worldOf } from '../support/diagnose-world.js';
import { fine, fwd, noEcho, outsideTroubles } from '../support/diagnose-troubles.js';

const sketch = {
  pools: ['10.64.0.0/16', 'fd64::/48'],
  zones: {
    rack: { subnets: ['192.0.2.0/24'] },
    west: { subnets: ['198.51.100.0/24'] },
    far: { provider: 'aws', subnets: ['203.0.113.0/24'] },
  },
  rules: [
    { name: 'six', family: 6, mode: 'vxlan' },
    { name: 'far', between: [{ zones: ['far'] }, {}], mode: 'ipip', force: true },
    { name: 'tunnel', relations: { zone: 'different' }, mode: 'vxlan' },
    { name: 'home', mode: 'native', force: true },
  ],
  nodes: [
    { name: 'a', zone: 'rack', at: '192.0.2.1/24', overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'] },
    { name: 'b', zone: 'rack', at: '192.0.2.2/24', overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'] },
    {
      name: 'w',
      zone: 'west',
      at: '198.51.100.1/24',
      overlay: ['10.64.3.0/24', 'fd64:0:0:3::/64'],
    },
    { name: 'f', zone: 'far', at: '203.0.113.1/24', mtu: 1500, overlay: '10.64.4.0/24' },
  ],
} as const;
const cluster = sketchCluster(sketch);
const pairs = [
  ['a', 'b', 'native'],
  ['a', 'w', 'vxlan'],
  ['w', 'a', 'vxlan'],
  ['a', 'f', 'ipip'],
] as const;

/** Codes that some diagnosis of this file has come to. */
const produced = new Set<string>();

function codesOf(diagnosis: Diagnosis): readonly string[] {
  for (const { code } of diagnosis.findings) produced.add(code);
  return diagnosis.findings.filter(({ severity }) => severity === 'cause').map(({ code }) => code);
}

t.test('a pair in order has no finding, whatever is known of it', async (t) => {
  for (const [from, to, mode] of pairs)
    for (const family of [4, 6] as const) {
      if (to === 'f' && family === 6) continue;
      const world = await worldOf(cluster, [from, to], { family });
      const used = family === 6 ? 'vxlan' : mode;
      const passing = [
        roundTrip('underlay'),
        roundTrip('control'),
        oneWay('there', { mode: used, family }),
        oneWay('back', { mode: used, family }),
        // What another mode would do is asked too, and is no news of this pair.
        oneWay('there', { mode: 'ipip', path: 'crafted', lostBefore: 'receiver-nic' }),
        roundTrip('inner', { family }),
      ].filter(({ mode: probed, path }) => path === 'routed' || probed !== mode);
      const pathMtu = { family, expectedBytes: 1450, measuredBytes: 1450, blackHole: false };
      for (const more of [{}, { to: null }, { probes: passing, pathMtu }])
        t.same(
          await world.diagnosis(more),
          { health: 'OK', findings: [] },
          `${from} to ${to}, IPv${family}, ${Object.keys(more).join()}`,
        );
    }
});

/** Objects of ours that a packet of the pair needs, at either node. */
function neededObjects(
  world: World,
): readonly { readonly at: 'from' | 'to'; object: DesiredObject }[] {
  return (['from', 'to'] as const).flatMap((at) => {
    const { desired } = world[at];
    const peer = world[at === 'from' ? 'to' : 'from'].name;
    return [...desired.objects.values()]
      .filter((object) => {
        const key = objectKey(object);
        if (object.type === 'link') return object.name === 'slv4a';
        if (object.type === 'address')
          return object.device === 'slv4a' && object.address.address.family === 4;
        if (object.type === 'sysctl') return object.path.includes('ipv4/conf/slv4a');
        if (object.type === 'route' && object.prefix.family !== 4) return false;
        if (object.type === 'neighbour' && object.address.family !== 4) return false;
        return desired.peers.get(key) === peer;
      })
      .map((object) => ({ at, object }));
  });
}

function stageOf(object: DesiredObject): string {
  if (object.type === 'link') return 'device';
  if (object.type !== 'sysctl') return object.type;
  return object.path.endsWith('rp_filter') ? 'reverse-path' : 'forwarding';
}

/** Somebody takes it away, or changes it. */
function spoil(world: World, one: { readonly at: 'from' | 'to'; readonly object: DesiredObject }) {
  const { kernel } = world[one.at];
  const { object } = one;
  switch (object.type) {
    case 'sysctl':
      // Off, or strict.
      return kernel.outside([
        { verb: 'set', object: { ...object, value: object.value === '1' ? '0' : '1' } },
      ]);
    case 'link':
      if (object.kind !== 'vxlan') return;
      return kernel.outside([{ verb: 'set', object: { ...object, learning: true } }]);
    case 'address':
    case 'neighbour':
    case 'fdb':
    case 'route':
      return kernel.outside([{ verb: 'delete', object }]);
  }
}

t.test('whatever object is spoilt is named, alone or with another', async (t) => {
  const trial = await worldOf(cluster, ['a', 'w']);
  const objects = neededObjects(trial);
  t.ok(objects.length >= 10, `${objects.length} objects`);
  const index = fc.nat(objects.length - 1);
  await fc.assert(
    fc.asyncProperty(index, fc.option(index, { nil: undefined }), async (first, second) => {
      const world = await worldOf(cluster, ['a', 'w']);
      const chosen = [...new Set([first, second ?? first])].map((i) => objects[i]!);
      for (const one of chosen) spoil(world, one);
      const { health, findings } = await world.diagnosis();
      for (const { code } of findings) produced.add(code);
      for (const { at, object } of chosen) {
        const named = findings.some(
          (finding) => finding.node === world[at].name && finding.stage === stageOf(object),
        );
        if (!named) throw new Error(`${at} ${objectKey(object)} is not among the findings`);
      }
      if (health === 'OK') throw new Error('health is OK');
      if (findings[0]!.remedies.length === 0) throw new Error('no remedy');
    }),
    { numRuns: 60, seed: 20261122 },
  );
});

t.test('what only probes can tell', async (t) => {
  const vxlan = await worldOf(cluster, ['a', 'w']);
  const native = await worldOf(cluster, ['a', 'b']);
  const ipip = await worldOf(cluster, ['a', 'f']);
  const expect = async (
    name: string,
    world: World,
    evidence: Parameters<World['diagnosis']>[0],
    expected: { readonly health: string; readonly codes: readonly FindingCode[] },
  ): Promise<Diagnosis> => {
    const diagnosis = await world.diagnosis(evidence);
    t.same([diagnosis.health, codesOf(diagnosis)], [expected.health, expected.codes], name);
    return diagnosis;
  };
  const drop = await expect(
    'the UDP port, one way',
    vxlan,
    { probes: [...fine, fwd('there', 'receiver-nic'), oneWay('back'), noEcho] },
    { health: 'BROKEN', codes: ['underlay-drops-vxlan'] },
  );
  t.match(drop.findings[0], {
    direction: 'there',
    lostBetween: ['sender-nic', 'receiver-nic'],
    node: null,
    alternatives: [],
  });
  t.match(drop.findings[0]!.text, /from a to w/);
  const back = await expect(
    'the UDP port, the other way',
    vxlan,
    { probes: [...fine, oneWay('there'), fwd('back', 'receiver-nic'), noEcho] },
    { health: 'BROKEN', codes: ['underlay-drops-vxlan'] },
  );
  t.match(back.findings[0]!.text, /from w to a/);
  await expect(
    'protocol 4',
    ipip,
    {
      probes: [
        ...fine,
        fwd('there', 'receiver-nic', { mode: 'ipip' }),
        oneWay('back', { mode: 'ipip' }),
        noEcho,
      ],
    },
    { health: 'BROKEN', codes: ['underlay-drops-ipip'] },
  );
  await expect(
    'protocol 41',
    ipip,
    { probes: [...fine, fwd('there', 'receiver-nic', { mode: 'ipip', family: 6 }), noEcho] },
    { health: 'BROKEN', codes: ['underlay-drops-ipv6-in-ipv4'] },
  );
  await expect(
    'bare packets between neighbours: nobody but a check could do it',
    native,
    { probes: [...fine, fwd('there', 'receiver-nic', { mode: 'native' }), noEcho] },
    { health: 'BROKEN', codes: ['source-destination-check'] },
  );
  await expect(
    'everything',
    vxlan,
    {
      to: null,
      peerSilence: 'timeout',
      probes: [
        roundTrip('underlay', { answered: 0 }),
        roundTrip('control', { answered: 0 }),
        noEcho,
      ],
    },
    { health: 'UNDETERMINED', codes: ['underlay-unreachable'] },
  );
  await expect(
    'all echoes of a path that loses every second packet',
    vxlan,
    {
      probes: [
        roundTrip('underlay', { answered: 0 }),
        roundTrip('control', { answered: 2 }),
        roundTrip('inner', { answered: 3 }),
      ],
    },
    { health: 'DEGRADED', codes: ['underlay-lossy'] },
  );
  await expect(
    'ICMP alone',
    vxlan,
    {
      probes: [
        roundTrip('underlay', { answered: 0 }),
        roundTrip('control'),
        oneWay('there'),
        oneWay('back'),
        roundTrip('inner'),
      ],
    },
    { health: 'DEGRADED', codes: ['underlay-drops-icmp'] },
  );
  await expect(
    'every second packet',
    vxlan,
    {
      probes: [
        roundTrip('underlay', { answered: 2 }),
        roundTrip('control', { answered: 3 }),
        roundTrip('inner', { answered: 2 }),
      ],
    },
    { health: 'DEGRADED', codes: ['underlay-lossy'] },
  );
  const sizes = { family: 4, expectedBytes: 1450, measuredBytes: 1250 } as const;
  const passing = [...fine, oneWay('there'), oneWay('back'), roundTrip('inner')];
  await expect(
    'large packets',
    vxlan,
    { probes: passing, pathMtu: { ...sizes, blackHole: true } },
    { health: 'BROKEN', codes: ['path-mtu-black-hole'] },
  );
  await expect(
    'large packets, told',
    vxlan,
    { probes: passing, pathMtu: { ...sizes, blackHole: false } },
    { health: 'DEGRADED', codes: ['path-mtu-smaller'] },
  );
  const full = (direction: 'there' | 'back', more = {}) =>
    oneWay(direction, { layer: 'size', packetBytes: 1450, sent: 2, ...more });
  const oneSize = await expect(
    'large packets of one direction, where no echo comes back to tell',
    vxlan,
    {
      probes: [
        ...passing.slice(0, -1),
        full('there', { lostBefore: 'receiver-nic' }),
        full('back'),
        noEcho,
      ],
      pathMtu: { ...sizes, measuredBytes: null, blackHole: false },
    },
    { health: 'BROKEN', codes: ['path-mtu-black-hole', 'echo-lost'] },
  );
  t.match(oneSize.findings[0], { direction: 'there', text: /from a to w without a word/ });
  await expect(
    'the agent of the peer is gone, packets pass',
    vxlan,
    {
      to: null,
      peerSilence: 'refused',
      probes: [
        roundTrip('underlay'),
        roundTrip('control', { answered: 0, errors: ['ECONNREFUSED'] }),
        roundTrip('inner'),
      ],
    },
    { health: 'DEGRADED', codes: ['peer-agent-not-running'] },
  );
  const silent = await expect(
    'the agent of the peer says nothing',
    vxlan,
    {
      to: null,
      peerSilence: 'no answer in 1 s',
      probes: [roundTrip('underlay'), roundTrip('control', { answered: 0 }), roundTrip('inner')],
    },
    { health: 'DEGRADED', codes: ['peer-agent-silent'] },
  );
  for (const { code } of silent.findings[0]!.alternatives) produced.add(code);
  for (const [errors, code] of [
    [['port-unreachable'], 'peer-agent-not-running'],
    [[], 'peer-agent-silent'],
  ] as const) {
    const nobody = await expect(
      'no agent and no echo: it may be another host with the address',
      vxlan,
      {
        to: null,
        probes: [roundTrip('underlay'), roundTrip('control', { answered: 0, errors }), noEcho],
      },
      { health: 'UNDETERMINED', codes: ['lost-on-the-way', code] },
    );
    t.match(nobody.findings[1]!.alternatives.at(-1), {
      code: 'duplicate-node-address',
      test: /arping -D/,
    });
  }
  const refused = roundTrip('control', { answered: 0, errors: ['port-unreachable'] });
  const { from: here, to: there } = await native.evidence();
  const twice = await expect(
    "another MAC answers for an agent that tells through the overlay that it isn't its own",
    native,
    {
      from: {
        ...here!,
        segment: {
          ownMacs: ['02:00:00:00:00:01'],
          peerMacs: [{ address: '192.0.2.2', mac: '02:00:00:00:00:99', device: 'eth0' }],
        },
      },
      to: { ...there!, segment: { ownMacs: ['02:00:00:00:00:02'], peerMacs: [] } },
      probes: [roundTrip('underlay'), refused, roundTrip('inner')],
    },
    { health: 'DEGRADED', codes: ['duplicate-node-address'] },
  );
  t.match(twice.findings[0]!.text, /another host \(02:00:00:00:00:99\) answers for 192\.0\.2\.2/);
  await expect(
    'the same without a word on MACs',
    vxlan,
    { probes: [roundTrip('underlay'), refused, roundTrip('inner')] },
    { health: 'UNDETERMINED', codes: ['control-port-blocked'] },
  );
  await expect(
    'the control port is blocked',
    vxlan,
    { probes: [roundTrip('underlay'), roundTrip('control', { answered: 0 }), roundTrip('inner')] },
    { health: 'DEGRADED', codes: ['control-port-blocked'] },
  );
  const view = (await ipip.evidence()).from!;
  const avoids = [{ mode: 'vxlan', outerFamily: 4, name: 'VXLAN', text: '5 of 5 lost' }] as const;
  const avoided = await expect(
    'a way that is avoided for the probes that were lost on it',
    ipip,
    {
      from: { ...view, terms: { ...view.terms, avoids } },
      probes: [
        ...fine,
        oneWay('there', { mode: 'ipip' }),
        oneWay('back', { mode: 'ipip' }),
        fwd('there', 'receiver-nic', { mode: 'vxlan', path: 'crafted' }),
        roundTrip('inner'),
      ],
    },
    { health: 'DEGRADED', codes: ['probe-avoids', 'underlay-drops-vxlan'] },
  );
  t.match(avoided.findings[0]!.text, /VXLAN from a to f is lost and avoided: 5 of 5 lost/);
  const dark = await expect(
    'one end only, and no echo: several causes, and the test that tells',
    vxlan,
    { to: null, probes: [roundTrip('underlay'), noEcho] },
    { health: 'UNDETERMINED', codes: ['lost-on-the-way'] },
  );
  t.match(dark.findings[0]!.alternatives[0], {
    code: 'underlay-drops-vxlan',
    test: /on w: selvage route-explain --probe a/,
  });
  await expect(
    'a node that swallows what it is about to send',
    vxlan,
    { probes: [...fine, fwd('there', 'sender-nic'), oneWay('back'), noEcho] },
    { health: 'UNDETERMINED', codes: ['lost-in-sender'] },
  );
  await expect(
    'a node that swallows what arrives',
    vxlan,
    { probes: [...fine, fwd('there', 'delivered'), oneWay('back'), noEcho] },
    { health: 'UNDETERMINED', codes: ['lost-in-receiver'] },
  );
  await expect(
    'packets pass, echoes do not come back',
    vxlan,
    { probes: [...fine, oneWay('there'), oneWay('back'), noEcho] },
    { health: 'UNDETERMINED', codes: ['echo-lost'] },
  );
  await expect(
    'somebody else answers under the address',
    vxlan,
    {
      to: null,
      answeredInstead: 'b',
      probes: [roundTrip('underlay'), roundTrip('control', { answered: 0 })],
    },
    { health: 'BROKEN', codes: ['duplicate-node-address'] },
  );
  const asked = { device: 'eth0', address: '192.0.2.2', inUse: null };
  const [mac, stranger] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
  const none = { to: null, probes: [roundTrip('underlay', { answered: 0 })] };
  await expect(
    'two hosts answer for the address of the peer',
    vxlan,
    { ...none, holders: [{ ...asked, node: 'w', macs: [mac, stranger] }] },
    { health: 'BROKEN', codes: ['duplicate-node-address', 'underlay-unreachable'] },
  );
  await expect(
    'two hosts answer, and it was the other one that refused the question',
    vxlan,
    {
      probes: [roundTrip('underlay'), refused, roundTrip('inner')],
      holders: [{ ...asked, node: 'w', macs: [mac, stranger] }],
      to: { ...(await vxlan.evidence()).to!, segment: { ownMacs: [mac], peerMacs: [] } },
    },
    { health: 'DEGRADED', codes: ['duplicate-node-address'] },
  );
  await expect(
    'one host answers, and nobody says whether it is the peer',
    vxlan,
    { probes: fine, holders: [{ ...asked, node: 'w', macs: [mac] }], to: null },
    { health: 'OK', codes: [] },
  );
  await expect(
    'another host answers for an own address, and packets pass just now',
    vxlan,
    { probes: fine, holders: [{ ...asked, node: 'a', macs: [stranger] }] },
    { health: 'DEGRADED', codes: ['duplicate-node-address'] },
  );
});

t.test('what lies outside of what we make', (t) => outsideTroubles(t, { cluster, codesOf }));

t.test('two causes are two findings, in the order in which a packet meets them', async (t) => {
  const world = await worldOf(cluster, ['a', 'w']);
  world.to.kernel.outside([
    { verb: 'set', object: { type: 'sysctl', path: 'net/ipv4/ip_forward', value: '0' } },
  ]);
  const both = await world.diagnosis({
    probes: [...fine, fwd('there', 'receiver-nic'), oneWay('back'), noEcho],
  });
  t.same(codesOf(both), ['underlay-drops-vxlan', 'forwarding-off']);

  const stale = await worldOf(cluster, ['a', 'w']);
  for (const object of stale.from.desired.objects.values())
    if (object.type === 'fdb' && object.remote.text === '198.51.100.1')
      stale.from.kernel.outside([{ verb: 'delete', object }]);
  const hidden = await stale.diagnosis({
    probes: [
      ...fine,
      fwd('there', 'sender-nic'),
      // Made by hand: it never saw the sender's entry, and is lost all the same.
      fwd('there', 'receiver-nic', { path: 'crafted' }),
      oneWay('back'),
      noEcho,
    ],
  });
  t.same(codesOf(hidden), ['fdb-missing', 'underlay-drops-vxlan']);
});

t.test('nodes that were told different things', async (t) => {
  const other = sketchCluster({ ...sketch, vni: 7 });
  const world = await worldOf(cluster, ['a', 'w'], { peerCluster: other });
  const diagnosis = await world.diagnosis();
  t.same(codesOf(diagnosis), ['vni-differs']);
  t.match(diagnosis.findings[0]!.text, /VNI 4096 on a, 7 on w/);
  t.match(diagnosis.findings[1], { code: 'config-differs', severity: 'contributing' });
  const relaxed = sketchCluster({ ...sketch, links: [{ mtu: 1400 }] });
  const quiet = await worldOf(cluster, ['a', 'w'], { peerCluster: relaxed });
  t.same(codesOf(await quiet.diagnosis()), ['config-differs']);
  const oneSided = sketchCluster({
    ...sketch,
    rules: [{ name: 'one way', from: { nodes: ['a'] }, mode: 'vxlan' }, ...sketch.rules],
  });
  const asymmetric = await worldOf(oneSided, ['a', 'b']);
  t.same(codesOf(await asymmetric.diagnosis()), ['asymmetric-modes']);
});

t.test('bare packets that cross routers', async (t) => {
  const zones = (provider: 'onprem' | 'aws', switches: Zone['switches']) =>
    sketchCluster({
      ...sketch,
      zones: {
        rack: { provider, switches, subnets: ['192.0.2.0/24'] },
        west: { provider, switches, subnets: ['198.51.100.0/24'] },
      },
      rules: [{ name: 'fabric', mode: 'native', force: true }],
      nodes: sketch.nodes.slice(0, 3),
    });
  const lost = fwd('there', 'receiver-nic', { mode: 'native' });
  const diagnosisOf = async (of: Cluster, errors: readonly string[] = []) => {
    const world = await worldOf(of, ['a', 'w'], {
      nicMtu: of.zones.get('rack')!.provider === 'aws' ? 9001 : 1500,
    });
    return world.diagnosis({
      probes: [...fine, { ...lost, errors }, oneWay('back', { mode: 'native' }), noEcho],
    });
  };
  const onprem = await diagnosisOf(zones('onprem', { fabricRoutes: 'present' }));
  t.equal(onprem.health, 'UNDETERMINED');
  t.same(codesOf(onprem), ['underlay-drops-native']);
  t.same(
    onprem.findings[0]!.alternatives.map(({ code }) => code),
    ['fabric-without-route', 'source-destination-check'],
  );
  t.ok(onprem.findings[0]!.alternatives.every(({ test }) => test.length > 20));
  const told = await diagnosisOf(zones('onprem', { fabricRoutes: 'present' }), [
    'host unreachable from 192.0.2.254',
  ]);
  t.same(codesOf(told), ['fabric-without-route']);
  const aws = await diagnosisOf(
    zones('aws', { fabricRoutes: 'present', sourceDestinationCheck: 'disabled' }),
  );
  t.same([aws.health, codesOf(aws)], ['UNDETERMINED', ['source-destination-check']]);
});

t.test('a verdict has a code too', async (t) => {
  const verdictOf = async (
    of: Cluster,
    destination: string,
    looked = true,
  ): Promise<ExplainReport['verdict']> => {
    const world = await worldOf(of, ['a', 'w']);
    const report = explain({
      snapshot: { cluster: of, local: world.from.local },
      destination: parseAddress(destination),
      from: of.nodes.get('a')!,
      ...(looked ? { desired: world.from.desired, actual: await world.from.actual() } : {}),
    });
    const { verdict } = withDiagnosis(report, { from: null, to: null, probes: null });
    if (verdict.code !== null && verdict.code !== 'ok') produced.add(verdict.code);
    return verdict;
  };
  const changed = (node: Partial<NodeSketch>, rules: readonly Partial<Rule>[] = sketch.rules) =>
    sketchCluster({
      ...sketch,
      rules,
      nodes: [...sketch.nodes.slice(0, 2), { ...sketch.nodes[2], ...node }],
    });
  t.match(await verdictOf(cluster, '10.64.3.9'), {
    kind: 'VXLAN',
    health: 'OK',
    code: 'ok',
    exitCode: 0,
  });
  t.match(await verdictOf(cluster, '10.64.3.9', false), { health: null, code: null, exitCode: 0 });
  t.match(await verdictOf(cluster, '8.8.8.8'), { code: 'outside-pools', exitCode: 1 });
  t.match(await verdictOf(cluster, '198.51.100.1'), { code: 'underlay-address', exitCode: 1 });
  t.match(await verdictOf(cluster, '10.64.99.1'), { health: 'OK', code: 'unowned', exitCode: 1 });
  t.match(await verdictOf(changed({}, [{ mode: 'deny' }]), '10.64.3.9'), {
    kind: 'DENIED',
    health: 'OK',
    code: 'denied-by-rule',
    exitCode: 1,
  });
  t.match(await verdictOf(changed({ withdrawn: true }), '10.64.3.9'), {
    health: 'BROKEN',
    code: 'withdrawn',
  });
  t.match(await verdictOf(changed({ at: '2001:db8::1/64' }), '10.64.3.9'), {
    code: 'no-common-address',
  });
  t.match(await verdictOf(changed({}, [{ mode: 'native' }]), '10.64.3.9'), {
    health: 'BROKEN',
    code: 'no-mode',
  });
  for (const reason of ['no-underlay-route', 'no-data-plane'] as const) {
    const world = await worldOf(cluster, ['a', 'w']);
    const report = await world.report();
    const bad = {
      ...report,
      verdict: { ...report.verdict, kind: 'NO-ROUTE', mode: null, reason },
    } as const;
    const { verdict, findings } = withDiagnosis(bad, {
      from: await world.from.view({ role: 'from' }),
      to: null,
      probes: null,
    });
    t.match([verdict.health, verdict.code, findings.length], ['BROKEN', reason, 1]);
    produced.add(reason);
  }
});

t.test('the rest of what a node can have', async (t) => {
  const six = await worldOf(cluster, ['a', 'w'], { family: 6 });
  six.to.kernel.outside([
    {
      verb: 'set',
      object: { type: 'sysctl', path: 'net/ipv6/conf/slv4a/disable_ipv6', value: '1' },
    },
  ]);
  t.same(codesOf(await six.diagnosis()), ['ipv6-disabled']);
  const path = 'net/ipv6/conf/eth0/accept_ra';
  six.to.kernel.outside([
    {
      verb: 'set',
      object: { type: 'sysctl', path: 'net/ipv6/conf/slv4a/disable_ipv6', value: '0' },
    },
  ]);
  const objects = new Map(six.to.desired.objects);
  objects.set(`sysctl ${path}`, { type: 'sysctl', path, value: '2' });
  const wanted = { ...six.to.desired, objects };
  const sysctls = new Map([...(await six.to.actual()).sysctls, [path, '1']]);
  const actual = { ...(await six.to.actual()), sysctls };
  const view = await six.to.view({ role: 'to', desired: wanted, actual });
  t.same(codesOf(await six.diagnosis({ to: view })), ['host-setting-differs']);

  const moved = await worldOf(cluster, ['a', 'w']);
  moved.from.kernel.deleteNic('eth0');
  moved.from.kernel.setNic({
    name: 'wl0',
    addresses: [{ address: parseAddress('192.0.2.1'), length: 24 }],
  });
  t.ok(codesOf(await moved.diagnosis()).includes('nic-missing'));

  const oneWayOnly = await worldOf(cluster, ['a', 'w']);
  const to = await oneWayOnly.to.view({ role: 'to' });
  const lost = { ...to, terms: { ...to.terms, verdict: 'NO-ROUTE' } };
  t.same(codesOf(await oneWayOnly.diagnosis({ to: lost })), ['no-way-back']);
});

t.test('a remedy that changes the file says what it would bring', async (t) => {
  const world = await worldOf(cluster, ['a', 'w']);
  const asked: string[] = [];
  const { findings } = await world.diagnosis(
    { probes: [...fine, fwd('there', 'receiver-nic'), oneWay('back'), noEcho] },
    {
      predict: (patch) => {
        asked.push(patch);
        return 'IPIP, MTU 1480';
      },
    },
  );
  t.same(asked, ['zone west: {firewall: {vxlan: blocked}}']);
  t.match(
    findings[0]!.remedies.find(({ patch }) => patch === asked[0]),
    { predicted: 'IPIP, MTU 1480', command: null },
  );
});

t.test('what is published of the shape is the shape', async (t) => {
  const published = readFileSync(fromRoot(explainJsonSchemaPath), 'utf8');
  if (process.env['SELVAGE_UPDATE'] === '1')
    writeFileSync(fromRoot(explainJsonSchemaPath), explainJsonSchemaText());
  else
    t.same(
      JSON.parse(published),
      JSON.parse(explainJsonSchemaText()),
      `${explainJsonSchemaPath}: SELVAGE_UPDATE=1, then format`,
    );
  for (const [from, to] of pairs) {
    const world = await worldOf(cluster, [from, to]);
    const probes = {
      probes: [...fine, fwd('there', 'receiver-nic'), noEcho],
      pathMtu: { family: 4, expectedBytes: 1450, measuredBytes: null, blackHole: false },
      peerSilence: null,
      notes: ['one'],
    } as const;
    const { from: here, to: there } = await world.evidence();
    for (const examined of [
      await world.report(),
      withDiagnosis(await world.report(), { from: here, to: there, probes }),
      withDiagnosis(await world.report(), { from: here, to: null, probes: null }),
    ]) {
      const plain: unknown = JSON.parse(JSON.stringify(examined));
      t.same(explainReportSchema.parse(plain), plain, `${from} to ${to}`);
    }
  }
});

t.test('every code is of the list, and each once', (t) => {
  const listed = findingCodes.map(({ code }) => code);
  t.equal(new Set(listed).size, listed.length);
  t.same(
    [...produced].filter((code) => !listed.includes(code as FindingCode)),
    [],
  );
  t.same(listed.filter((code) => !produced.has(code)).sort(), []);
  t.end();
});
