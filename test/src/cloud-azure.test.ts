/**
 * Azure's control against a fake of Resource Manager: what is read, what is changed, what is left
 * alone, and that IP-in-IP is never said to pass.
 */
import t from 'tap';
import { decide } from '../../encap/decide.js';
import { withObservations } from '../../encap/observed.js';
import type { Cluster } from '../../encap/cluster.js';
import { openResourceManager } from '../../src/cloud/azure/control.js';
import { azureActions } from '../../src/cloud/azure/permissions.js';
import type { CloudControl, CloudQuestion, CloudReading } from '../../src/cloud/control.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { type AzureChange, FakeArm } from '../fakes/cloud/azure-arm.js';
import { FakeTokens } from '../fakes/cloud/tokens.js';
import { type Teardown, carryOutAll, failureOf, troublesOf } from '../support/cloud-control.js';
import { sketchCluster } from '../support/cluster-builder.js';

const subscription = '00000000-1111-2222-3333-444444444444';

interface World {
  readonly tokens: FakeTokens;
  readonly arm: FakeArm;
  readonly cluster: Cluster;
  readonly machine: MachineFacts;
  readonly control: CloudControl;
  readonly question: CloudQuestion;
  readonly changed: AzureChange[];
  /** Ids of the route tables of the subnets `nodes` and `edge`. */
  readonly tables: readonly [string, string];
  readonly groups: { readonly subnet: string; readonly nic: string };
}

/** Three Azure nodes in two subnets, a rack behind a VPN, and a node with a public address only. */
function hybrid(): Cluster {
  return sketchCluster({
    name: 'demo',
    zones: {
      west: {
        provider: 'azure',
        region: 'westeurope',
        subnets: ['10.200.0.0/24', '10.200.1.0/24'],
      },
      rack: { provider: 'onprem', subnets: ['192.168.10.0/24'] },
      away: { provider: 'hetzner' },
    },
    nodes: [
      { name: 'az-1', zone: 'west', at: '10.200.0.11/24', overlay: '10.67.1.0/24' },
      { name: 'az-2', zone: 'west', at: '10.200.0.12/24', overlay: '10.67.2.0/24' },
      { name: 'az-3', zone: 'west', at: '10.200.1.13/24', overlay: '10.67.3.0/24' },
      { name: 'rack-1', zone: 'rack', at: '192.168.10.11/24', overlay: '10.64.1.0/24' },
      { name: 'away-1', zone: 'away', at: '203.0.113.7/32', overlay: '10.68.1.0/24' },
    ],
  });
}

async function world(test: Teardown): Promise<World> {
  const tokens = new FakeTokens('eyJ0.fake-secret');
  const arm = new FakeArm({ subscription, accepts: (token) => tokens.accepts(token) });
  const tables = [arm.addRouteTable('rt-nodes'), arm.addRouteTable('rt-edge')] as const;
  const groups = {
    subnet: arm.addSecurityGroup('nsg-subnet'),
    nic: arm.addSecurityGroup('nsg-nic'),
  };
  arm.addNetwork('vnet', {
    spaces: ['10.200.0.0/16'],
    subnets: {
      nodes: { prefix: '10.200.0.0/24', routeTable: tables[0], securityGroup: groups.subnet },
      edge: { prefix: '10.200.1.0/24', routeTable: tables[1] },
    },
  });
  arm.addNic({ name: 'az-1', address: '10.200.0.11', securityGroup: groups.nic });
  arm.addNic({ name: 'az-2', address: '10.200.0.12', group: 'other-rg' });
  arm.addNic({ name: 'az-3', address: '10.200.1.13', subnet: arm.subnetId('edge') });
  arm.addNic({ name: 'bystander', address: '10.200.0.99' });
  const changed: AzureChange[] = [];
  arm.onChange = (change) => changed.push(change);
  const [{ url: metadata }, { url: api }] = await Promise.all([tokens.start(), arm.start()]);
  test.teardown(() => Promise.all([tokens.close(), arm.close()]));
  const machine = machineOf(arm, 'az-1');
  const cluster = hybrid();
  const control = await openResourceManager(
    machine,
    { SELVAGE_AZURE_METADATA_ENDPOINT: metadata, SELVAGE_AZURE_ENDPOINT: api },
    { pollMs: 5, timeoutMs: 1500 },
  );
  const self = cluster.nodes.get('az-1')!;
  const question = { cluster, self, machine, routed: true, routeLimit: 45 };
  return { tokens, arm, cluster, machine, control, question, changed, tables, groups };
}

function machineOf(arm: FakeArm, name: string, group = 'rg'): MachineFacts {
  return {
    provider: 'azure',
    instanceId: 'vm-guid',
    // Azure's ids differ in case from one answer to the next.
    instanceName: arm.id('Microsoft.Compute/virtualMachines', name, group).toUpperCase(),
    zone: 'westeurope-1',
    region: 'westeurope',
    account: subscription,
    nics: [],
    publicAddresses: [],
  };
}

async function openedAs(w: World, name: string, group?: string): Promise<CloudControl> {
  return openResourceManager(
    machineOf(w.arm, name, group),
    { SELVAGE_AZURE_METADATA_ENDPOINT: w.tokens.url, SELVAGE_AZURE_ENDPOINT: w.arm.url },
    { pollMs: 5 },
  );
}

function asked(w: World, name: string): CloudQuestion {
  return { ...w.question, self: w.cluster.nodes.get(name)! };
}

const admitsOf = (reading: CloudReading, node: string): unknown =>
  reading.observed.get(node)!.admits;

t.test('a reading tells switches and firewall of every node that the API shows', async (t) => {
  const w = await world(t);
  w.arm.pageSize = 2;
  const reading = await w.control.read({ ...w.question, routed: false });
  t.same([...reading.observed.keys()], ['az-1', 'az-2', 'az-3']);
  t.same(reading.observed.get('az-1')!.switches, {
    ipForwarding: 'disabled',
    fabricRoutes: 'absent',
  });
  t.match(reading.observed.get('az-1')!.waits, {
    ipForwarding: 'IP forwarding of NIC az-1 is off',
    fabricRoutes: 'route table rt-edge has no route 10.67.1.0/24 to 10.200.0.11',
  });
  // The default rules: the virtual network, and the rack that a gateway connects, get in; the
  // internet only gets out, and so do pods that no route is for.
  t.same(admitsOf(reading, 'az-1'), {
    west: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'allowed', native: 'blocked' },
    rack: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'allowed', native: 'blocked' },
    away: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'blocked', native: 'blocked' },
  });
  t.match(
    admitsOf(reading, 'az-3'),
    { away: { ipip: 'blocked', vxlan: 'allowed', native: 'allowed' } },
    'without any security group everything passes, but for protocol 4',
  );
  t.same([reading.changes, reading.problems], [[], []]);
  t.ok(
    w.arm.asked.every((line) => line.startsWith('GET ')),
    'reading does not write',
  );
});

t.test('protocol 4 never passes, whatever a security group says', async (t) => {
  const w = await world(t);
  const all = { name: 'everything', priority: 100, protocol: '*' };
  for (const id of [w.groups.subnet, w.groups.nic])
    for (const direction of ['Inbound', 'Outbound'])
      (w.arm.get(id).properties.securityRules as unknown[]).push({
        name: `everything-${direction}`,
        properties: {
          ...all,
          direction,
          access: 'Allow',
          sourcePortRange: '*',
          destinationPortRange: '*',
          sourceAddressPrefix: '*',
          destinationAddressPrefix: '*',
        },
      });
  const reading = await w.control.read(w.question);
  t.match(admitsOf(reading, 'az-1'), {
    away: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'allowed', native: 'allowed' },
    west: { ipip: 'blocked', native: 'allowed' },
  });
  const cluster = withObservations(w.cluster, reading.observed);
  const to = cluster.nodes.get('az-2')!;
  const { verdict } = decide(
    { cluster, local: undefined },
    { from: cluster.nodes.get('az-1')!, prefix: to.overlay[0]!, owner: to },
  );
  t.equal(verdict.kind === 'forward' && verdict.carriage.mode, 'vxlan');
});

t.test('forwarding and the own routes are switched on, and nothing else is lost', async (t) => {
  const w = await world(t);
  w.arm.looks = 2;
  const nic = w.arm.id('networkInterfaces', 'az-1');
  const before = structuredClone(w.arm.get(nic));
  const { changes } = await w.control.read(w.question);
  t.same(
    changes.map(({ makes, text }) => [makes, text]),
    [
      ['ipForwarding', 'switch IP forwarding of NIC az-1 on'],
      ['fabricRoutes', 'route 10.67.1.0/24 to 10.200.0.11 in route table rt-edge'],
      ['fabricRoutes', 'route 10.67.1.0/24 to 10.200.0.11 in route table rt-nodes'],
    ],
  );
  for (const change of changes) await change.carryOut();
  t.same(
    w.changed.map(({ kind }) => kind),
    ['forwarding', 'route', 'route'],
  );
  const after = w.arm.get(nic);
  t.same(
    { ...after, etag: undefined },
    {
      ...before,
      etag: undefined,
      properties: { ...before.properties, enableIPForwarding: true },
    },
    'tags, public address, DNS servers, security group: all as before',
  );
  t.match(w.arm.routesOf(w.tables[0]), [
    {
      name: /^selvage-demo-az-1-[0-9a-f]{10}$/,
      properties: {
        addressPrefix: '10.67.1.0/24',
        nextHopType: 'VirtualAppliance',
        nextHopIpAddress: '10.200.0.11',
      },
    },
  ]);
  const again = await w.control.read(w.question);
  t.same(again.changes, []);
  t.same(again.observed.get('az-1')!.switches, {
    ipForwarding: 'enabled',
    fabricRoutes: 'present',
  });
  t.equal(again.observed.get('az-2')!.switches.fabricRoutes, 'absent');
  t.same(
    (await w.control.read({ ...w.question, routed: false })).changes,
    [],
    'what auto may be using is not pulled away',
  );

  // With routes for everybody, the default rules let pods through: they are VirtualNetwork now.
  for (const [name, group] of [
    ['az-2', 'other-rg'],
    ['az-3', 'rg'],
  ] as const)
    await carryOutAll(await openedAs(w, name, group), asked(w, name));
  const all = await w.control.read(w.question);
  t.match(admitsOf(all, 'az-1'), { west: { native: 'allowed' }, rack: { native: 'blocked' } });
  const cluster = withObservations(w.cluster, all.observed);
  const to = cluster.nodes.get('az-3')!;
  const { verdict } = decide(
    { cluster, local: undefined },
    { from: cluster.nodes.get('az-1')!, prefix: to.overlay[0]!, owner: to },
  );
  t.equal(verdict.kind === 'forward' && verdict.carriage.mode, 'native');

  for (const change of await w.control.leave(w.question)) await change.carryOut();
  t.same(
    w.arm.routesOf(w.tables[0]).map(({ name }) => /selvage-demo-(az-\d)/.exec(String(name))![1]),
    ['az-2', 'az-3'],
  );
});

t.test('a NIC that somebody else writes at the same time is read again', async (t) => {
  const w = await world(t);
  w.arm.disturb = 1;
  const { changes } = await w.control.read(w.question);
  await changes[0]!.carryOut();
  const nic = w.arm.get(w.arm.id('networkInterfaces', 'az-1'));
  t.equal(nic.properties.enableIPForwarding, true);
  t.match(nic.tags, { owner: 'team-net', touched: /\d+/ }, "the other one's change is kept");
  nic.properties.enableIPForwarding = false;
  w.arm.disturb = 9;
  const error = await failureOf((await w.control.read(w.question)).changes[0]!.carryOut());
  t.match([error.failure, error.code], ['retry', 'PreconditionFailed']);
});

t.test('a subnet without a route table is told with the commands, and not given one', async (t) => {
  const w = await world(t);
  const [subnet] = w.arm.get(w.arm.id('virtualNetworks', 'vnet')).properties.subnets as {
    properties: Record<string, unknown>;
  }[];
  delete subnet!.properties.routeTable;
  const reading = await w.control.read(w.question);
  t.match(reading.problems, [
    /^subnet nodes has no route table[^]*az network route-table create --resource-group rg --name nodes-routes --location westeurope && az network vnet subnet update --resource-group rg --vnet-name vnet --name nodes --route-table nodes-routes$/,
  ]);
  t.same(
    reading.changes.map(({ text }) => text),
    [
      'switch IP forwarding of NIC az-1 on',
      'route 10.67.1.0/24 to 10.200.0.11 in route table rt-edge',
    ],
  );
  for (const change of reading.changes) await change.carryOut();
  const after = await w.control.read(w.question);
  t.match(after.observed.get('az-1')!, {
    switches: { fabricRoutes: 'absent' },
    waits: { fabricRoutes: 'subnet nodes has no route table' },
  });
});

t.test('a table that may not be read is not guessed', async (t) => {
  const w = await world(t);
  w.arm.denied
    .add('Microsoft.Network/routeTables/read')
    .add('Microsoft.Network/networkSecurityGroups/read');
  const reading = await w.control.read(w.question);
  t.same(reading.observed.get('az-1')!.switches, { ipForwarding: 'disabled' });
  t.same(admitsOf(reading, 'az-1'), {});
  t.equal(reading.problems.length, 4, 'two tables and two groups');
  t.match(reading.problems[0], /a role with Microsoft.Network\//);
});

t.test('routes of others stay; ours that are left over go', async (t) => {
  const w = await world(t);
  await carryOutAll(w.control, w.question);
  const names = (table: string): unknown[] => w.arm.routesOf(table).map(({ name }) => name);
  const [own] = names(w.tables[0]);
  // The node's prefix changes, and with it the name that the route has to have.
  const moved = sketchCluster({
    name: 'demo',
    zones: { west: { provider: 'azure', region: 'westeurope' } },
    nodes: [
      { name: 'az-1', zone: 'west', at: '10.200.0.11/24', overlay: '10.67.9.0/24' },
      { name: 'az-2', zone: 'west', at: '10.200.0.12/24', overlay: '10.67.1.0/24' },
    ],
  });
  w.arm.routesOf(w.tables[0]).push({
    name: 'firewall',
    properties: {
      addressPrefix: '10.67.9.0/24',
      nextHopType: 'VirtualAppliance',
      nextHopIpAddress: '10.200.0.99',
    },
  });
  const question = { ...w.question, cluster: moved, self: moved.nodes.get('az-1')! };
  const reading = await w.control.read(question);
  t.match(reading.problems, [
    /route firewall of route table rt-nodes \(10.67.9.0\/24 to 10.200.0.99\) is in the way of 10.67.9.0\/24 and is not ours[^]*az network route-table route delete --resource-group rg --route-table-name rt-nodes --name firewall/,
  ]);
  t.same(
    reading.changes.map(({ text }) => text),
    [`delete route ${String(own)} of route table rt-nodes, ours and not wanted any more`],
  );
  // az-2 has the prefix now, and takes the old route away before it makes its own.
  const second = await openedAs(w, 'az-2', 'other-rg');
  t.same(await carryOutAll(second, { ...question, self: moved.nodes.get('az-2')! }), [
    'Microsoft.Network/networkInterfaces/write',
    'Microsoft.Network/routeTables/routes/delete',
    'Microsoft.Network/routeTables/routes/write',
  ]);
  t.match(names(w.tables[0]), ['firewall', /^selvage-demo-az-2-/]);

  // One that a node left which is gone is cleaned up by the first node alone.
  const left = sketchCluster({
    name: 'demo',
    zones: { west: { provider: 'azure', region: 'westeurope' } },
    nodes: [
      { name: 'az-1', zone: 'west', at: '10.200.0.11/24', overlay: '10.67.9.0/24' },
      { name: 'az-3', zone: 'west', at: '10.200.1.13/24', overlay: '10.67.3.0/24' },
    ],
  });
  const gone = (name: string): CloudQuestion => ({
    ...question,
    cluster: left,
    self: left.nodes.get(name)!,
    routed: false,
  });
  const texts = async (control: CloudControl, name: string): Promise<string[]> =>
    (await control.read(gone(name))).changes.map(({ text }) => text);
  t.match(await texts(await openedAs(w, 'az-3'), 'az-3'), []);
  t.match(await texts(w.control, 'az-1'), [/selvage-demo-az-1-/, /selvage-demo-az-2-/]);
});

t.test('the limit of routes is shared by name, and who is in stays in', async (t) => {
  const w = await world(t);
  const third = await openedAs(w, 'az-3');
  await carryOutAll(third, asked(w, 'az-3'));
  await carryOutAll(w.control, { ...w.question, routeLimit: 2 });
  const second = await openedAs(w, 'az-2', 'other-rg');
  const full = await second.read({ ...asked(w, 'az-2'), routeLimit: 2 });
  t.match(full.problems, [
    /az-2 stays encapsulated: no room in route table rt-edge: 2 routes of ours/,
    /no room in route table rt-nodes/,
  ]);
  t.same(full.notes, [
    '2 of at most 2 routes of rt-edge are ours',
    '2 of at most 2 routes of rt-nodes are ours',
  ]);
  t.equal(full.observed.get('az-3')!.switches.fabricRoutes, 'present');
  w.arm.routeLimit = 2;
  const { changes } = await second.read(asked(w, 'az-2'));
  t.equal((await failureOf(changes[1]!.carryOut())).failure, 'limit', "Azure's own limit");
});

t.test('security groups of subnet and NIC: both have to admit', async (t) => {
  const w = await world(t);
  const rule = (id: string, properties: Record<string, unknown>): void =>
    void (w.arm.get(id).properties.securityRules as unknown[]).push({
      name: `rule-${String(properties.priority)}`,
      properties: {
        protocol: 'Udp',
        direction: 'Inbound',
        access: 'Allow',
        sourcePortRange: '*',
        sourceAddressPrefix: '*',
        destinationAddressPrefix: '*',
        destinationPortRange: '*',
        ...properties,
      },
    });
  const away = async (): Promise<unknown> =>
    (await w.control.read(w.question)).observed.get('az-1')!.admits.away!.vxlan;
  rule(w.groups.subnet, { priority: 100, sourceAddressPrefix: 'Internet' });
  t.equal(await away(), 'blocked', "the NIC's group does not");
  rule(w.groups.nic, {
    priority: 100,
    destinationPortRange: undefined,
    destinationPortRanges: ['4000-5000', '80'],
  });
  t.equal(await away(), 'allowed', 'both do');
  rule(w.groups.nic, { priority: 90, sourcePortRange: '53', access: 'Deny' });
  t.equal(await away(), 'blocked', 'some of its source ports are kept out');
  (w.arm.get(w.groups.nic).properties.securityRules as unknown[]).pop();
  t.equal(await away(), 'allowed');
  rule(w.groups.subnet, {
    priority: 95,
    protocol: '*',
    direction: 'Outbound',
    access: 'Deny',
    destinationAddressPrefix: undefined,
    destinationAddressPrefixes: ['203.0.113.0/24', 'Storage'],
  });
  t.equal(await away(), 'blocked', 'what leaves counts as well');

  // An application security group stands for its members' own addresses.
  const group = w.arm.id('applicationSecurityGroups', 'workers');
  w.arm.addNic({ name: 'az-2', address: '10.200.0.12', applicationGroups: [group] });
  rule(w.groups.nic, {
    priority: 80,
    protocol: '*',
    access: 'Deny',
    sourceAddressPrefix: undefined,
    sourceApplicationSecurityGroups: [{ id: group.toUpperCase() }],
  });
  const reading = await w.control.read(w.question);
  t.match(admitsOf(reading, 'az-1'), { west: { vxlan: 'blocked' }, rack: { vxlan: 'allowed' } });

  const { firewalls } = await w.control.firewalls!(w.question);
  t.same(
    firewalls.map(({ node, id, text }) => [node, id, text]),
    [
      ['az-1', 'rg/nsg-subnet', 'network security group nsg-subnet of subnet nodes'],
      ['az-1', 'rg/nsg-nic', 'network security group nsg-nic of NIC az-1'],
      ['az-2', 'rg/nsg-subnet', 'network security group nsg-subnet of subnet nodes'],
      ['az-3', 'none', 'no network security group'],
    ],
  );
  t.equal(firewalls[0]!.firewall, firewalls[2]!.firewall, 'nodes of a subnet share it');
});

t.test('a rule for one address of this end is no rule for its pods', async (t) => {
  const w = await world(t);
  const rules = w.arm.get(w.groups.subnet).properties.securityRules as unknown[];
  const rule = {
    name: 'to-the-node',
    properties: {
      priority: 100,
      protocol: '*',
      direction: 'Inbound',
      access: 'Allow',
      sourcePortRange: '*',
      destinationPortRange: '*',
      sourceAddressPrefixes: ['10.67.0.0/16', '203.0.113.7'],
      destinationAddressPrefix: '10.200.0.0/24',
    },
  };
  rules.push(rule);
  t.match((await w.control.read(w.question)).observed.get('az-2')!.admits, {
    west: { native: 'blocked' },
    away: { vxlan: 'allowed' },
  });
  rule.properties.destinationAddressPrefix = '10.0.0.0/8';
  t.match((await w.control.read(w.question)).observed.get('az-2')!.admits, {
    // What leaves is for VirtualNetwork, which pods without routes are not in.
    west: { native: 'blocked' },
  });
  rules.push({
    name: 'out',
    properties: {
      ...rule.properties,
      direction: 'Outbound',
      sourceAddressPrefixes: ['10.0.0.0/8'],
      destinationAddressPrefix: '10.67.0.0/16',
    },
  });
  t.match((await w.control.read(w.question)).observed.get('az-2')!.admits, {
    west: { native: 'allowed' },
  });
});

t.test('throttling, errors and silence are failures to be tried again', async (t) => {
  const w = await world(t);
  const reads = { ...w.question, routed: false };
  w.arm.throttled = 1;
  const busy = await failureOf(w.control.read(reads));
  t.match([busy.failure, busy.code], ['retry', 'TooManyRequests'], '17 s are not waited for');
  w.arm.throttled = 1;
  w.arm.retryAfterSeconds = 0;
  t.equal((await w.control.read(reads)).observed.size, 3, 'no time at all is');
  w.arm.broken = 1;
  t.equal((await w.control.read(reads)).observed.size, 3, 'one error is mended at once');
  w.arm.broken = 9;
  t.match(await failureOf(w.control.read(reads)), { failure: 'retry', code: 'ServiceUnavailable' });
  w.arm.broken = 0;
  const { changes } = await w.control.read(w.question);
  w.arm.throttled = 1;
  t.equal((await failureOf(changes[1]!.carryOut())).failure, 'retry');
  t.same(w.changed, [], 'a change is not tried twice');
  w.arm.looks = 1_000_000;
  const endless = await failureOf(changes[1]!.carryOut(AbortSignal.timeout(60)));
  t.equal(endless.failure, 'retry');
  w.arm.hang = true;
  const patient = await openResourceManager(
    w.machine,
    { SELVAGE_AZURE_METADATA_ENDPOINT: w.tokens.url, SELVAGE_AZURE_ENDPOINT: w.arm.url },
    { timeoutMs: 150 },
  );
  t.match(await failureOf(patient.read(reads)), { failure: 'retry', message: /took too long/ });
});

t.test('a link that leads to another host is not followed', async (t) => {
  const w = await world(t);
  const foreign = new FakeArm({ subscription, accepts: () => true });
  const { url } = await foreign.start();
  t.teardown(() => foreign.close());
  w.arm.linkBase = url;
  w.arm.pageSize = 1;
  const error = await failureOf(w.control.read(w.question));
  t.match([error.code, error.failure], ['ForeignHost', 'other']);
  t.same(foreign.asked, [], 'no request with our token');
});

t.test('a token is renewed when refused, and told to nobody', async (t) => {
  const w = await world(t);
  const reading = await w.control.read(w.question);
  t.equal(w.tokens.issued, 1);
  t.notMatch(JSON.stringify({ ...reading, observed: [...reading.observed] }), /fake-secret/);
  w.tokens.issued = 7;
  t.equal((await w.control.read(w.question)).observed.size, 3, 'a refused one is replaced');
  const hostile = new FakeArm({ subscription, accepts: () => false });
  const { url } = await hostile.start();
  t.teardown(() => hostile.close());
  const refused = await openResourceManager(w.machine, {
    SELVAGE_AZURE_METADATA_ENDPOINT: w.tokens.url,
    SELVAGE_AZURE_ENDPOINT: url,
  });
  const error = await failureOf(refused.read(w.question));
  t.equal(error.failure, 'credentials');
  t.notMatch(error.message + String(error.stack), w.tokens.word);
  w.tokens.nobody = true;
  const without = await failureOf((await openedAs(w, 'az-1')).read(w.question));
  t.match(without, {
    failure: 'credentials',
    message: /no managed identity[^]*az vm identity assign/,
  });
});

t.test('what may be read alone is still read', async (t) => {
  const w = await world(t);
  w.arm.groupOnly = true;
  const reading = await w.control.read({ ...w.question, routed: false });
  t.same([...reading.observed.keys()], ['az-1', 'az-3'], 'of the own resource group');
  t.match(reading.problems, [/only NICs of resource group RG are seen/]);
  t.match(await failureOf((await openedAs(w, 'nobody')).read(w.question)), {
    failure: 'absent',
    message: /no NIC of this machine with an address of node az-1 \(10.200.0.11\)/,
  });
});

t.test('actions are exactly those listed', async (t) => {
  const w = await world(t);
  t.same(await troublesOf(w.control, w.question), []);
  t.equal(w.changed.length, 5, 'with the list alone nothing is denied');
  // What this NIC has nothing of, and operations that the other header tells of.
  const unseen = /applicationSecurity|loadBalancers|operationResults/;
  for (const action of [...azureActions.read, ...azureActions.manage]) {
    if (unseen.test(action)) continue;
    const fresh = await world(t);
    fresh.arm.denied.add(action);
    t.not((await troublesOf(fresh.control, fresh.question)).length, 0, `${action} is missed`);
  }
});
