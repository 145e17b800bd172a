/**
 * GCE's control against a fake of `compute v1`: what is read, what is changed, what is left alone,
 * and what happens when the API is slow, busy, forbidding or broken.
 */
import t from 'tap';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { parseAddress } from '../../encap/address.js';
import { withObservations } from '../../encap/observed.js';
import { decide } from '../../encap/decide.js';
import type { CloudControl, CloudQuestion } from '../../src/cloud/control.js';
import { openCompute } from '../../src/cloud/gce/control.js';
import { computePermissions } from '../../src/cloud/gce/permissions.js';
import { translateRule } from '../../src/cloud/gce/firewall.js';
import { mistakenProtocol } from '../../src/cloud/admission.js';
import { readFirewall } from '../../src/cloud/gce/wire.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { type ComputeChange, FakeCompute } from '../fakes/cloud/gce-compute.js';
import { FakeTokens } from '../fakes/cloud/tokens.js';
import { type Teardown, carryOutAll, failureOf, troublesOf } from '../support/cloud-control.js';
import { sketchCluster } from '../support/cluster-builder.js';

interface World {
  readonly tokens: FakeTokens;
  readonly compute: FakeCompute;
  readonly cluster: Cluster;
  readonly machine: MachineFacts;
  readonly control: CloudControl;
  readonly question: CloudQuestion;
  readonly changed: ComputeChange[];
}

const zone = 'europe-west1-b';

/** Three GCE nodes and one in a rack, which the API does not know of. */
function hybrid(nodes = 3): Cluster {
  return sketchCluster({
    name: 'demo',
    zones: {
      'gce-b': { provider: 'gce', region: 'europe-west1', subnets: ['10.132.0.0/20'] },
      rack: { provider: 'onprem', subnets: ['192.168.10.0/24'] },
    },
    nodes: [
      ...Array.from({ length: nodes }, (_, i) => ({
        name: `gce-${i + 1}`,
        zone: 'gce-b',
        at: `10.132.0.${11 + i}/32`,
        overlay: `10.66.${1 + i}.0/24`,
      })),
      { name: 'rack-1', zone: 'rack', at: '192.168.10.11/24', overlay: '10.64.1.0/24' },
    ],
  });
}

async function world(test: Teardown, nodes = 3): Promise<World> {
  const tokens = new FakeTokens();
  const compute = new FakeCompute({
    project: 'proj',
    accepts: (token) => tokens.accepts(token),
  });
  const cluster = hybrid(nodes);
  for (let i = 1; i <= nodes; i++)
    compute.addInstance({ name: `gce-${i}`, zone, address: `10.132.0.${10 + i}` });
  compute.addInstance({ name: 'bystander', zone, address: '10.132.0.99' });
  compute.addFirewall({
    name: 'default-allow-internal',
    priority: 65_534,
    sourceRanges: ['10.128.0.0/9'],
    allowed: [
      { IPProtocol: 'tcp', ports: ['0-65535'] },
      { IPProtocol: 'udp', ports: ['0-65535'] },
      { IPProtocol: 'icmp' },
    ],
  });
  compute.addRoute({ name: 'default-route-1', destRange: '0.0.0.0/0', nextHopGateway: 'gw' });
  const changed: ComputeChange[] = [];
  compute.onChange = (change) => changed.push(change);
  const [{ url: metadata }, { url: api }] = await Promise.all([tokens.start(), compute.start()]);
  test.teardown(() => Promise.all([tokens.close(), compute.close()]));
  const machine = machineOf(compute, 'gce-1');
  const control = await openCompute(
    machine,
    { GCE_METADATA_HOST: metadata, CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${api}/compute/v1/` },
    { pollMs: 5, timeoutMs: 1500 },
  );
  const question = {
    cluster,
    self: cluster.nodes.get('gce-1')!,
    machine,
    routed: true,
    routeLimit: 45,
  };
  return { tokens, compute, cluster, machine, control, question, changed };
}

function machineOf(compute: FakeCompute, name: string): MachineFacts {
  return {
    provider: 'gce',
    instanceId: String(compute.instances.get(name)!.id),
    instanceName: name,
    zone,
    region: 'europe-west1',
    account: 'proj',
    nics: [],
    publicAddresses: [],
  };
}

/** The question as another node asks it. */
function asked(world: World, name: string): CloudQuestion {
  return { ...world.question, self: world.cluster.nodes.get(name)! };
}

t.test('a reading tells switches and firewall of every node that the API shows', async (t) => {
  const w = await world(t);
  w.compute.pageSize = 2;
  w.compute.instances.get('gce-2')!.canIpForward = true;
  w.compute.addRoute({
    name: 'by-hand',
    destRange: '10.66.2.0/24',
    nextHopInstance: w.compute.instances.get('gce-2')!.selfLink,
  });
  const reading = await w.control.read({ ...w.question, routed: false });
  t.same([...reading.observed.keys()], ['gce-1', 'gce-2', 'gce-3'], 'three pages, without others');
  t.same(reading.observed.get('gce-1')!.switches, {
    ipForwarding: 'disabled',
    fabricRoutes: 'absent',
  });
  t.same(reading.observed.get('gce-2')!.switches, {
    ipForwarding: 'enabled',
    fabricRoutes: 'present',
  });
  t.same(reading.observed.get('gce-2')!.waits, {});
  t.match(reading.observed.get('gce-1')!.waits, {
    ipForwarding: 'canIpForward of instance gce-1 is off',
    fabricRoutes: 'network default has no route 10.66.1.0/24 to instance gce-1',
  });
  // Inside of 10.128.0.0/9 come tcp, udp and icmp; protocol 4, pods and the rack do not.
  t.same(reading.observed.get('gce-1')!.admits, {
    'gce-b': { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'allowed', native: 'blocked' },
    rack: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'blocked', native: 'blocked' },
  });
  t.same(reading.changes, [], 'nothing is wanted, nothing is to be changed');
  t.same(reading.problems, []);
  t.ok(
    w.compute.asked.every((line) => line.startsWith('GET ')),
    'reading does not write',
  );
});

t.test('a /32 node is never native by what was not read', async (t) => {
  const w = await world(t);
  delete w.compute.instances.get('gce-2')!.canIpForward;
  w.compute.denied.add('compute.routes.list').add('compute.firewalls.list');
  const reading = await w.control.read(w.question);
  t.same(reading.observed.get('gce-2')!.switches, {}, 'no switch that was not read');
  t.same(reading.observed.get('gce-2')!.admits, {});
  t.match(
    reading.problems.join('\n'),
    /routes cannot be read[^]*firewall rules of network default cannot be read/,
  );
  const cluster = withObservations(w.cluster, reading.observed);
  const to = cluster.nodes.get('gce-2')!;
  const decision = decide(
    { cluster, local: undefined },
    { from: cluster.nodes.get('gce-1')!, prefix: to.overlay[0]!, owner: to },
  );
  t.equal(decision.verdict.kind === 'forward' && decision.verdict.carriage.mode, 'ipip');
});

t.test('forwarding and the own routes are switched on, and found again', async (t) => {
  const w = await world(t);
  w.compute.looks = 2;
  const before = structuredClone(w.compute.instances.get('gce-1')!);
  const { changes } = await w.control.read(w.question);
  t.same(
    changes.map(({ call, makes, text }) => [call, makes, text]),
    [
      [
        'compute.instances.update',
        'ipForwarding',
        'let instance gce-1 forward packets (canIpForward)',
      ],
      [
        'compute.routes.insert',
        'fabricRoutes',
        'route 10.66.1.0/24 to instance gce-1 in network default',
      ],
    ],
  );
  t.equal(await changes[0]!.tryOut!(), 'allowed');
  t.same(w.changed, [], 'a dry run changes nothing');
  for (const change of changes) await change.carryOut();
  t.same(
    w.changed.map(({ kind }) => kind),
    ['forwarding', 'route'],
  );
  const { fingerprint: _, ...after } = w.compute.instances.get('gce-1')!;
  const { fingerprint: __, ...expected } = before;
  t.same(after, { ...expected, canIpForward: true }, 'all else of the instance is as it was');
  const [route] = [...w.compute.routes.values()].filter(({ name }) => name !== 'default-route-1');
  t.match(route, {
    destRange: '10.66.1.0/24',
    priority: 1000,
    description: 'Selvage {"cluster":"demo","node":"gce-1"}',
    name: /^selvage-demo-gce-1-[0-9a-f]{10}$/,
  });
  const again = await w.control.read(w.question);
  t.same(again.changes, [], 'a second round has nothing to do');
  t.same(again.observed.get('gce-1')!.switches, {
    ipForwarding: 'enabled',
    fabricRoutes: 'present',
  });
  t.same(again.notes, ['1 of at most 45 routes are ours']);
  t.same(
    (await w.control.read({ ...w.question, routed: false })).changes,
    [],
    'what auto may be using is not pulled away',
  );

  const leaving = await w.control.leave(w.question);
  t.same(
    leaving.map(({ call }) => call),
    ['compute.routes.delete'],
  );
  for (const change of leaving) await change.carryOut();
  for (const change of leaving) await change.carryOut();
  t.same([...w.compute.routes.keys()], ['default-route-1'], 'what was there before stays');
});

t.test('a forwarding switch that wants a restart is not switched, but told', async (t) => {
  const w = await world(t);
  w.compute.forwardingNeedsRestart = true;
  const { changes } = await w.control.read(w.question);
  const error = await failureOf(changes[0]!.carryOut());
  t.match(error.message, /--most-disruptive-allowed-action RESTART/);
  t.match(
    error.message,
    /gcloud compute instances export gce-1 --project proj --zone europe-west1/,
  );
  t.equal(w.compute.instances.get('gce-1')!.canIpForward, false);

  w.compute.denied.add('compute.instances.update');
  t.equal(await changes[0]!.tryOut!(), 'denied');
});

t.test('routes of others stay; ours that are left over go', async (t) => {
  const w = await world(t);
  const self = w.compute.instances.get('gce-1')!.selfLink;
  const gone = `${w.compute.networkUrl().replace(/global.*/, '')}zones/${zone}/instances/gone`;
  const ours = (node: string): string => `Selvage {"cluster":"demo","node":"${node}"}`;
  w.compute.addRoute({ name: 'firm', destRange: '10.66.1.0/24', nextHopIp: '10.132.0.99' });
  for (const [name, destRange, nextHopInstance, description] of [
    // Ours of a prefix that we had, of a node that is gone, of another cluster, and a false one.
    ['selvage-demo-gce-1-old', '10.66.77.0/24', self, ours('gce-1')],
    ['selvage-demo-gone-1', '10.66.78.0/24', gone, ours('gone')],
    ['selvage-else-gone-1', '10.66.79.0/24', gone, 'Selvage {"cluster":"else","node":"gone"}'],
    ['my-selvage', '10.66.80.0/24', gone, ours('gone')],
    ['selvage-demo-gce-2-x', '10.66.81.0/24', self, ours('gce-2')],
  ])
    w.compute.addRoute({ name, destRange, nextHopInstance, description });
  const before = [...w.compute.routes.keys()];
  const reading = await w.control.read(w.question);
  t.match(reading.problems, [
    /route firm \(10.66.1.0\/24 to 10.132.0.99\) is in the way of 10.66.1.0\/24 and is not ours/,
  ]);
  t.match(reading.observed.get('gce-1')!.waits.fabricRoutes, /route firm takes 10.66.1.0\/24/);
  await carryOutAll(w.control, w.question);
  const kept = new Set(w.compute.routes.keys());
  t.same(
    before.filter((name) => !kept.has(name)),
    ['selvage-demo-gce-1-old', 'selvage-demo-gone-1'],
  );

  // Only one node cleans up after those that are gone.
  w.compute.addRoute({
    name: 'selvage-demo-gone-2',
    destRange: '10.66.82.0/24',
    nextHopInstance: gone,
    description: ours('gone'),
  });
  const other = await openedAs(w, 'gce-2');
  const { changes } = await other.read({ ...asked(w, 'gce-2'), routed: false });
  t.same(
    changes.map(({ text }) => /delete route (\S+)/.exec(text)?.[1]),
    ['selvage-demo-gce-2-x'],
  );
});

async function openedAs(w: World, name: string): Promise<CloudControl> {
  return openCompute(
    machineOf(w.compute, name),
    {
      GCE_METADATA_HOST: w.tokens.url,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${w.compute.url}/compute/v1`,
    },
    { pollMs: 5 },
  );
}

t.test('a prefix is routed only if all of it leads to its node', async (t) => {
  const w = await world(t);
  const link = (name: string): unknown => w.compute.instances.get(name)!.selfLink;
  const present = async (): Promise<string | undefined> =>
    (await w.control.read(w.question)).observed.get('gce-1')!.switches.fabricRoutes;
  const cases: readonly [string, Record<string, unknown>[], 'present' | 'absent'][] = [
    ['a wider route', [{ destRange: '10.66.0.0/16', nextHopInstance: link('gce-1') }], 'present'],
    [
      'a part goes elsewhere',
      [
        { destRange: '10.66.1.0/24', nextHopInstance: link('gce-1') },
        { destRange: '10.66.1.128/25', nextHopInstance: link('gce-2') },
      ],
      'absent',
    ],
    [
      'two of one priority share the packets',
      [
        { destRange: '10.66.1.0/24', nextHopInstance: link('gce-1') },
        { destRange: '10.66.1.0/24', nextHopInstance: link('gce-2') },
      ],
      'absent',
    ],
    [
      'the better priority wins',
      [
        { destRange: '10.66.1.0/24', nextHopInstance: link('gce-1'), priority: 10 },
        { destRange: '10.66.1.0/24', nextHopInstance: link('gce-2'), priority: 20 },
      ],
      'present',
    ],
    [
      'only for instances with a tag',
      [{ destRange: '10.66.1.0/24', nextHopInstance: link('gce-1'), tags: ['edge'] }],
      'absent',
    ],
    [
      'of another network',
      [
        {
          destRange: '10.66.1.0/24',
          nextHopInstance: link('gce-1'),
          network: w.compute.networkUrl('other'),
        },
      ],
      'absent',
    ],
  ];
  for (const [name, routes, expected] of cases) {
    routes.forEach((route, i) => w.compute.addRoute({ name: `case-${i}`, ...route }));
    t.equal(await present(), expected, name);
    routes.forEach((_, i) => w.compute.routes.delete(`case-${i}`));
  }
  const [nic] = w.compute.instances.get('gce-1')!.networkInterfaces as Record<string, unknown>[];
  nic!.aliasIpRanges = [{ ipCidrRange: '10.66.1.0/24', subnetworkRangeName: 'pods' }];
  t.equal(await present(), 'present', 'an alias range of the NIC');
  const { changes } = await w.control.read(w.question);
  t.same(
    changes.map(({ call }) => call),
    ['compute.instances.update'],
    'an alias needs no route',
  );
});

t.test('the limit of routes is shared by name, and who is in stays in', async (t) => {
  const w = await world(t, 3);
  const limited = { ...w.question, routeLimit: 2 };
  const second = await openedAs(w, 'gce-2');
  const third = await openedAs(w, 'gce-3');
  await carryOutAll(third, { ...asked(w, 'gce-3'), routeLimit: 2 });
  t.notOk(
    [...w.compute.routes.values()].some(({ destRange }) => destRange === '10.66.3.0/24'),
    'the last by name has to wait for the first two',
  );
  await carryOutAll(third, asked(w, 'gce-3'));
  await carryOutAll(w.control, limited);
  const full = await second.read({ ...asked(w, 'gce-2'), routeLimit: 2 });
  t.match(full.problems, [/gce-2 stays encapsulated: no room for a route: 2 routes of ours/]);
  t.match(full.observed.get('gce-2')!.waits.fabricRoutes, /no room for a route/);
  t.same(full.observed.get('gce-3')!.switches.fabricRoutes, 'present', 'the third one is in');
  t.same(
    full.changes.map(({ call }) => call),
    ['compute.instances.update'],
  );
});

t.test('a quota that is reached is told as a limit', async (t) => {
  const w = await world(t);
  w.compute.routeQuota = 1;
  const { changes } = await w.control.read(w.question);
  const error = await failureOf(changes.at(-1)!.carryOut());
  t.match([error.failure, error.code], ['limit', 'QUOTA_EXCEEDED']);
});

t.test('a reading that lags behind makes nothing twice', async (t) => {
  const w = await world(t);
  w.compute.instances.get('gce-1')!.canIpForward = true;
  const { changes } = await w.control.read(w.question);
  w.compute.staleLists = 2;
  await changes[0]!.carryOut();
  const stale = await w.control.read(w.question);
  t.equal(stale.observed.get('gce-1')!.switches.fabricRoutes, 'absent');
  await stale.changes[0]!.carryOut();
  t.equal(w.compute.routes.size, 2, 'the same route is there already');
  await w.control.read(w.question);
  const fresh = await w.control.read(w.question);
  t.equal(fresh.observed.get('gce-1')!.switches.fabricRoutes, 'present');
  t.same(fresh.changes, []);
});

t.test('firewall rules: priorities, targets, sources, ipip and 94', async (t) => {
  const w = await world(t);
  for (const name of ['gce-1', 'gce-2'])
    w.compute.instances.get(name)!.tags = { items: ['node'], fingerprint: 'x' };
  const zoneOf = async (name: string): Promise<unknown> =>
    (await w.control.read(w.question)).observed.get(name)!.admits['gce-b'];
  w.compute.addFirewall({
    name: 'allow-ipip',
    priority: 900,
    targetTags: ['node'],
    sourceRanges: ['10.132.0.0/20'],
    allowed: [{ IPProtocol: 'ipip' }],
  });
  t.match(await zoneOf('gce-1'), { ipip: 'allowed' });
  t.match(await zoneOf('gce-3'), { ipip: 'blocked' }, 'not a target of the rule');
  const rule = w.compute.firewalls.get('allow-ipip')!;
  rule.sourceRanges = [];
  rule.sourceTags = ['node'];
  t.match(await zoneOf('gce-1'), { ipip: 'blocked' }, 'gce-3 does not have the source tag');
  w.compute.instances.get('gce-3')!.tags = { items: ['node'], fingerprint: 'x' };
  t.match(await zoneOf('gce-1'), { ipip: 'allowed' });
  rule.allowed = [{ IPProtocol: '94' }];
  t.match(await zoneOf('gce-1'), { ipip: 'blocked' }, '94 is not 4');
  const { firewalls } = await w.control.firewalls!(w.question);
  const applied = firewalls.find(({ node }) => node === 'gce-1')!;
  t.same(
    mistakenProtocol(applied.firewall).map(({ name }) => name),
    ['allow-ipip'],
  );
  t.match(applied, { id: 'default', text: /rules of network default for instance gce-1/ });
  rule.allowed = [{ IPProtocol: '4' }];
  rule.disabled = true;
  t.match(await zoneOf('gce-1'), { ipip: 'blocked' }, 'a disabled rule is none');

  w.compute.addFirewall({
    name: 'allow-pods',
    sourceRanges: ['10.66.0.0/16'],
    allowed: [{ IPProtocol: 'all' }],
  });
  t.match(await zoneOf('gce-1'), { native: 'allowed' });
  w.compute.addFirewall({
    name: 'no-pod',
    priority: 1000,
    sourceRanges: ['10.66.3.7/32'],
    denied: [{ IPProtocol: 'tcp', ports: ['22'] }],
  });
  t.match(await zoneOf('gce-1'), { native: 'blocked' }, 'one port of one pod is kept out');
  w.compute.firewalls.delete('no-pod');
  w.compute.addFirewall({
    name: 'nothing-out',
    direction: 'EGRESS',
    destinationRanges: ['10.132.0.12/32'],
    denied: [{ IPProtocol: 'udp', ports: ['4789'] }],
  });
  t.match(await zoneOf('gce-1'), { vxlan: 'blocked', native: 'allowed' });
});

t.test(
  'policies of the organization come before the rules, those of the network after',
  async (t) => {
    const w = await world(t);
    const rack = async (): Promise<unknown> =>
      (await w.control.read(w.question)).observed.get('gce-1')!.admits.rack;
    const rule = (more: Record<string, unknown>, match: Record<string, unknown> = {}): unknown => ({
      priority: 1000,
      direction: 'INGRESS',
      action: 'allow',
      match: { srcIpRanges: ['192.168.0.0/16'], layer4Configs: [{ ipProtocol: '4' }], ...match },
      ...more,
    });
    w.compute.policies.push({ shortName: 'net', type: 'NETWORK', rules: [rule({})] });
    t.match(await rack(), { ipip: 'allowed', vxlan: 'blocked' });
    w.compute.addFirewall({
      name: 'no-ipip',
      sourceRanges: ['192.168.10.0/24'],
      denied: [{ IPProtocol: 'ipip' }],
    });
    t.match(await rack(), { ipip: 'blocked' }, "the network's own rule decides before");
    w.compute.policies.unshift({
      shortName: 'org',
      type: 'HIERARCHY',
      rules: [rule({}), rule({ priority: 5, action: 'deny', disabled: true })],
    });
    t.match(await rack(), { ipip: 'allowed' }, "the organization's decides before both");
    for (const beyond of [
      rule({ priority: 7, action: 'goto_next' }),
      rule({ priority: 7, targetSecureTags: [{ name: 'tagValues/1' }] }),
      rule({ priority: 7 }, { srcRegionCodes: ['XX'] }),
    ]) {
      (w.compute.policies[0]!.rules as unknown[]).splice(2, 1, beyond);
      const reading = await w.control.read(w.question);
      t.same(reading.observed.get('gce-1')!.admits, {}, 'what is not known is not said');
      t.match(reading.problems, [/say more than addresses and ports \(org\/7\)/]);
    }
  },
);

t.test('a rule for addresses of this end counts where it covers them', (t) => {
  const read = readFirewall({
    name: 'x',
    direction: 'INGRESS',
    sourceRanges: ['10.0.0.0/8'],
    destinationRanges: ['10.132.0.0/20'],
    allowed: [{ IPProtocol: 'udp', ports: ['4789', '8472-8480'] }, { IPProtocol: 'carp' }],
  });
  const { rules, problems } = translateRule(read!);
  t.match(rules, [
    { protocol: 17, ports: { from: 4789, to: 4789 }, local: [{ text: '10.132.0.0/20' }] },
    { protocol: 17, ports: { from: 8472, to: 8480 } },
  ]);
  t.match(problems, [/firewall rule x: "carp" is not understood/]);
  t.end();
});

t.test('throttling, errors and silence are failures to be tried again', async (t) => {
  const w = await world(t);
  const changeless = { ...w.question, routed: false };
  w.compute.throttled = 1;
  t.equal((await w.control.read(changeless)).observed.size, 3, 'one refusal is mended at once');
  w.compute.throttled = 9;
  const busy = await failureOf(w.control.read(changeless));
  t.match([busy.failure, busy.code], ['retry', 'rateLimitExceeded']);
  w.compute.throttled = 0;
  w.compute.broken = 9;
  t.match(await failureOf(w.control.read(changeless)), { failure: 'retry', code: 'backendError' });
  w.compute.broken = 0;
  w.compute.cutOff = 9;
  t.match(await failureOf(w.control.read(changeless)), { failure: 'retry' });
  w.compute.cutOff = 0;
  w.compute.hang = true;
  const patient = await openCompute(
    w.machine,
    {
      GCE_METADATA_HOST: w.tokens.url,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${w.compute.url}/compute/v1`,
    },
    { timeoutMs: 100 },
  );
  t.match(await failureOf(patient.read(changeless)), {
    failure: 'retry',
    message: /took too long/,
  });
  await w.compute.close();
  t.match(await failureOf(w.control.read(changeless)), {
    failure: 'retry',
    message: /cannot be reached/,
  });
});

t.test('an operation that does not end is left to the next reading', async (t) => {
  const w = await world(t);
  w.compute.looks = 1_000_000;
  const { changes } = await w.control.read(w.question);
  const error = await failureOf(changes[0]!.carryOut(AbortSignal.timeout(60)));
  t.equal(error.failure, 'retry');
});

t.test('a token is used until it ends, renewed when refused, and told to nobody', async (t) => {
  const w = await world(t);
  await w.control.read(w.question);
  await w.control.read(w.question);
  t.equal(w.tokens.issued, 1, 'one token for all calls');
  w.tokens.issued = 7;
  t.equal((await w.control.read(w.question)).observed.size, 3, 'a refused one is replaced');
  const sharp = await openedAs(w, 'gce-1');
  // The fake repeats the token in its refusal.
  const hostile = new FakeCompute({ project: 'proj', accepts: () => false });
  const { url } = await hostile.start();
  t.teardown(() => hostile.close());
  const refused = await openCompute(w.machine, {
    GCE_METADATA_HOST: w.tokens.url,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: url,
  });
  const error = await failureOf(refused.read(w.question));
  t.equal(error.failure, 'credentials');
  t.match(error.message, /check the instance's service account/);
  t.notMatch(error.message + String(error.stack), w.tokens.word);
  const reading = await sharp.read(w.question);
  t.notMatch(
    JSON.stringify({ ...reading, observed: [...reading.observed] }),
    /fake-secret|PRIVATE/,
  );

  w.tokens.nobody = true;
  const nobody = await openedAs(w, 'gce-1');
  const without = await failureOf(nobody.read(w.question));
  t.equal(without.failure, 'credentials');
  t.match(without.message, /no service account[^]*set-service-account/);
});

t.test('what may be read alone is still read', async (t) => {
  const w = await world(t);
  w.compute.denied.add('compute.instances.list');
  const reading = await w.control.read(w.question);
  t.same([...reading.observed.keys()], ['gce-1']);
  t.match(reading.problems, [
    'only the own instance is seen: the service account lacks compute.instances.list',
  ]);
  t.same(reading.changes.map(({ call }) => call).sort(), [
    'compute.instances.update',
    'compute.routes.insert',
  ]);
  w.compute.denied.add('compute.routes.create');
  const error = await failureOf(reading.changes.at(-1)!.carryOut());
  t.equal(error.failure, 'denied');
  t.match(error.message, /a role with compute.routes.create/);
  w.compute.denied.add('compute.instances.get');
  t.equal((await failureOf(w.control.read(w.question))).failure, 'denied');
});

t.test('permissions are exactly those listed', async (t) => {
  const w = await world(t);
  t.same(await troublesOf(w.control, w.question), []);
  t.equal(w.changed.length, 3, 'with the list alone nothing is denied');
  for (const permission of [...computePermissions.read, ...computePermissions.manage]) {
    const fresh = await world(t);
    fresh.compute.denied.add(permission);
    t.not((await troublesOf(fresh.control, fresh.question)).length, 0, `${permission} is missed`);
  }
});

t.test('a machine that is not among the instances, or has another address, is told', async (t) => {
  const w = await world(t);
  const wrong: ClusterNode = {
    ...w.question.self,
    underlay: [{ address: parseAddress('10.132.9.9'), length: 32 }],
  };
  t.match(await failureOf(w.control.read({ ...w.question, self: wrong })), {
    failure: 'absent',
    message: /instance gce-1 has no NIC with an address of node gce-1 \(10.132.9.9\)/,
  });
  w.compute.instances.delete('gce-1');
  t.match(await failureOf(w.control.read(w.question)), {
    failure: 'absent',
    message: /GCE shows no instance 4\d+ in project proj/,
  });
});

t.test('where to ask is checked', async (t) => {
  const w = await world(t);
  await t.rejects(
    openCompute(w.machine, { CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: 'compute' }),
    /CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE is no URL of an API/,
  );
});
