/**
 * OpenStack's control against a fake of Keystone and Neutron: port security, allowed address pairs,
 * routers' routes, security groups and their names of protocols.
 */
import t from 'tap';
import { decide } from '../../encap/decide.js';
import { withObservations } from '../../encap/observed.js';
import type { Cluster } from '../../encap/cluster.js';
import type { CloudControl, CloudQuestion } from '../../src/cloud/control.js';
import { mistakenProtocol } from '../../src/cloud/admission.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { openNeutron } from '../../src/cloud/openstack/control.js';
import { neutronPolicies } from '../../src/cloud/openstack/permissions.js';
import { FakeOpenStack, type PortChange, fakeCredential } from '../fakes/cloud/openstack-api.js';
import { type Teardown, carryOutAll, failureOf, troublesOf } from '../support/cloud-control.js';
import { sketchCluster } from '../support/cluster-builder.js';

interface World {
  readonly stack: FakeOpenStack;
  readonly cluster: Cluster;
  readonly machine: MachineFacts;
  readonly env: NodeJS.ProcessEnv;
  readonly control: CloudControl;
  readonly question: CloudQuestion;
  readonly changed: PortChange[];
}

/** Three nodes on one Neutron network, and a rack. */
function hybrid(): Cluster {
  return sketchCluster({
    name: 'demo',
    zones: {
      nova: { provider: 'openstack', subnets: ['10.10.0.0/24'] },
      rack: { provider: 'onprem', subnets: ['192.168.10.0/24'] },
    },
    nodes: [
      { name: 'os-1', zone: 'nova', at: '10.10.0.11/24', overlay: ['10.69.1.0/24', 'fd69:1::/64'] },
      { name: 'os-2', zone: 'nova', at: '10.10.0.12/24', overlay: '10.69.2.0/24' },
      { name: 'os-3', zone: 'nova', at: '10.10.0.13/24', overlay: '10.69.3.0/24' },
      { name: 'rack-1', zone: 'rack', at: '192.168.10.11/24', overlay: '10.64.1.0/24' },
    ],
  });
}

async function world(test: Teardown): Promise<World> {
  const stack = new FakeOpenStack();
  for (const i of [1, 2, 3]) stack.addPort({ name: `os-${i}`, address: `10.10.0.${10 + i}` });
  stack.addPort({ name: 'bystander', address: '10.10.0.99' });
  // Neutron's own default group: everything out, and in what members of the group send.
  stack.addGroup('sg-default', [
    { direction: 'egress' },
    { direction: 'egress', ethertype: 'IPv6' },
    { remote_group_id: 'sg-default' },
  ]);
  const changed: PortChange[] = [];
  stack.onChange = (change) => changed.push(change);
  const { url } = await stack.start();
  test.teardown(() => stack.close());
  const env = {
    OS_AUTH_URL: `${url}/identity`,
    OS_APPLICATION_CREDENTIAL_ID: fakeCredential.id,
    OS_APPLICATION_CREDENTIAL_SECRET: fakeCredential.secret,
  };
  const cluster = hybrid();
  const machine = machineOf('os-1');
  const control = await openNeutron(machine, env, { timeoutMs: 1500 });
  const self = cluster.nodes.get('os-1')!;
  const question = { cluster, self, machine, routed: false, routeLimit: 45 };
  return { stack, cluster, machine, env, control, question, changed };
}

function machineOf(name: string): MachineFacts {
  return {
    provider: 'openstack',
    instanceId: `server-${name}`,
    instanceName: name,
    zone: 'nova',
    region: undefined,
    account: 'project',
    nics: [],
    publicAddresses: [],
  };
}

t.test('a reading tells port security, routes and groups of every node it sees', async (t) => {
  const w = await world(t);
  w.stack.pageSize = 2;
  w.stack.ports.get('port-os-2')!.allowed_address_pairs = [{ ip_address: '10.69.0.0/16' }];
  w.stack.ports.get('port-os-3')!.port_security_enabled = false;
  w.stack.addRouter('r1', [{ destination: '10.69.2.0/24', nexthop: '10.10.0.12' }]);
  const { observed, changes, problems } = await w.control.read(w.question);
  t.same([...observed.keys()], ['os-1', 'os-2', 'os-3']);
  t.same(
    [...observed.values()].map(({ switches }) => switches),
    [
      { sourceDestinationCheck: 'enabled', fabricRoutes: 'absent' },
      { sourceDestinationCheck: 'disabled', fabricRoutes: 'present' },
      { sourceDestinationCheck: 'disabled', fabricRoutes: 'absent' },
    ],
  );
  t.same(observed.get('os-1')!.waits, {
    sourceDestinationCheck: 'port port-os-1 may not send from 10.69.1.0/24',
    fabricRoutes:
      'router r1 has no route 10.69.1.0/24 to 10.10.0.11: openstack router add route --route destination=10.69.1.0/24,gateway=10.10.0.11 r1',
  });
  // The default group lets in its members and, as Neutron has it, their address pairs.
  t.same(observed.get('os-1')!.admits, {
    nova: { ipip: 'allowed', ipv6InIpv4: 'allowed', vxlan: 'allowed', native: 'blocked' },
    rack: { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'blocked', native: 'blocked' },
  });
  t.match(observed.get('os-3')!.admits, { rack: { ipip: 'allowed', native: 'allowed' } });
  t.same([changes.length, problems], [1, []]);
  t.ok(w.stack.asked.every((line) => line.startsWith('GET ') || line.includes('/auth/tokens')));
});

t.test('pairs are added to those that are there, and taken away by their tags', async (t) => {
  const w = await world(t);
  const port = w.stack.ports.get('port-os-1')!;
  const theirs = { ip_address: '10.10.0.200', mac_address: 'fa:16:3e:aa:aa:aa' };
  port.allowed_address_pairs = [theirs];
  const before = structuredClone(port);
  const { changes } = await w.control.read(w.question);
  t.same(
    changes.map(({ text, makes, call }) => [text, makes, call]),
    [
      [
        'let port os-1 send from 10.69.1.0/24',
        'sourceDestinationCheck',
        'update_port:allowed_address_pairs',
      ],
    ],
  );
  w.stack.disturb = 1;
  await changes[0]!.carryOut();
  t.match(port.allowed_address_pairs, [
    theirs,
    { ip_address: /^10.99/ },
    { ip_address: '10.69.1.0/24' },
  ]);
  t.same(port.tags, ['theirs', 'selvage-pair-10.69.1.0-24']);
  t.same(
    { ...port, tags: 0, allowed_address_pairs: 0, revision_number: 0, description: 0 },
    { ...before, tags: 0, allowed_address_pairs: 0, revision_number: 0, description: 0 },
  );
  const again = await w.control.read(w.question);
  t.same(again.changes, []);
  t.equal(again.observed.get('os-1')!.switches.sourceDestinationCheck, 'disabled');

  const leaving = await w.control.leave(w.question);
  for (const change of leaving) await change.carryOut();
  t.match(port.allowed_address_pairs, [theirs, { ip_address: /^10.99/ }]);
  t.equal((port.allowed_address_pairs as unknown[]).length, 2);
  t.same(port.tags, ['theirs']);
  t.same(await w.control.leave(w.question), []);

  // A prefix that the node has no more goes, and the new one comes, in one call.
  await carryOutAll(w.control, w.question);
  w.changed.length = 0;
  const moved = { ...w.question.self, overlay: w.cluster.nodes.get('os-3')!.overlay };
  t.same(await carryOutAll(w.control, { ...w.question, self: moved }), [
    'update_port:allowed_address_pairs',
  ]);
  t.same(w.changed.length, 1);
  t.same(w.changed[0]!.pairs.slice(-1), ['10.69.3.0/24']);
  t.notOk(w.changed[0]!.pairs.includes('10.69.1.0/24'));

  w.stack.disturb = 9;
  const second = await w.control.read(w.question);
  t.match(await failureOf(second.changes[0]!.carryOut()), { failure: 'retry' });
  w.stack.disturb = 0;
  w.stack.pairQuota = 1;
  t.match(await failureOf(second.changes[0]!.carryOut()), { failure: 'limit' });
});

t.test('a pair that an operator made is not ours to take away', async (t) => {
  const w = await world(t);
  w.stack.ports.get('port-os-1')!.allowed_address_pairs = [{ ip_address: '10.69.1.0/24' }];
  const reading = await w.control.read(w.question);
  t.equal(reading.observed.get('os-1')!.switches.sourceDestinationCheck, 'disabled');
  t.same(reading.changes, []);
  t.same(await w.control.leave(w.question), []);
  w.stack.ports.get('port-os-1')!.allowed_address_pairs = [
    { ip_address: '10.69.1.0/24', mac_address: 'fa:16:3e:ff:ff:ff' },
  ];
  const other = await w.control.read(w.question);
  t.equal(
    other.observed.get('os-1')!.switches.sourceDestinationCheck,
    'enabled',
    "for another machine's frames",
  );
});

t.test('without the extensions nothing is claimed, and a way is told', async (t) => {
  const w = await world(t);
  const port = w.stack.ports.get('port-os-1')!;
  delete port.port_security_enabled;
  delete port.allowed_address_pairs;
  w.stack.denied.add('get_router').add('get_security_group');
  const reading = await w.control.read(w.question);
  t.same(reading.observed.get('os-1')!.switches, {});
  t.same(reading.observed.get('os-1')!.admits, {});
  t.same(reading.changes, []);
  t.match(reading.problems, [
    /routers cannot be read/,
    /security groups of port port-os-1 cannot all be read: sg-default/,
    /port-os-2/,
    /port-os-3/,
    /no allowed address pairs in this cloud: openstack port set/,
  ]);
});

t.test('native in one network once both ends may send', async (t) => {
  const w = await world(t);
  const second = await openNeutron(machineOf('os-2'), w.env);
  const asked = { ...w.question, self: w.cluster.nodes.get('os-2')! };
  const mode = async (): Promise<unknown> => {
    const { observed } = await w.control.read(w.question);
    const cluster = withObservations(w.cluster, observed);
    const to = cluster.nodes.get('os-2')!;
    const { verdict } = decide(
      { cluster, local: undefined },
      { from: cluster.nodes.get('os-1')!, prefix: to.overlay[0]!, owner: to },
    );
    return verdict.kind === 'forward' && verdict.carriage.mode;
  };
  t.equal(await mode(), 'ipip');
  await carryOutAll(w.control, w.question);
  t.equal(await mode(), 'ipip', 'one end is not enough');
  await carryOutAll(second, asked);
  // The third node's port stays shut, so its pods are nobody's group: the zone as a whole waits.
  t.equal(await mode(), 'ipip');
  await carryOutAll(await openNeutron(machineOf('os-3'), w.env), {
    ...w.question,
    self: w.cluster.nodes.get('os-3')!,
  });
  t.equal(await mode(), 'native');
});

t.test('names of protocols: ipip is 4 with a warning, 94 is 94', async (t) => {
  const w = await world(t);
  const ipip = async (protocol: unknown, more: Record<string, unknown> = {}): Promise<unknown> => {
    w.stack.addGroup('sg-default', [
      { direction: 'egress' },
      { protocol, remote_ip_prefix: '10.10.0.0/24', ...more },
    ]);
    return (await w.control.read(w.question)).observed.get('os-1')!.admits.nova!.ipip;
  };
  t.equal(await ipip('4'), 'allowed');
  t.equal(await ipip(4), 'allowed');
  t.equal(await ipip('ipip'), 'allowed');
  t.match((await w.control.read(w.question)).notes, [
    /sg-default rule sg-default-2 names protocol ipip, of which older releases of Neutron make 94/,
  ]);
  t.equal(await ipip('ipencap'), 'allowed');
  t.equal(await ipip('any'), 'allowed');
  t.equal(await ipip('tcp'), 'blocked');
  t.equal(await ipip(null, { ethertype: 'IPv6', remote_ip_prefix: null }), 'blocked');
  t.equal(await ipip('94'), 'blocked');
  const { firewalls, groups } = await w.control.firewalls!(w.question);
  t.same(
    mistakenProtocol(firewalls[0]!.firewall).map(({ name }) => name),
    ['sg-default rule sg-default-2'],
  );
  t.same(groups.get('os-1'), ['sg-default']);
  t.equal(await ipip('strange'), 'blocked');
  t.match((await w.control.read(w.question)).problems, [/is not understood/]);

  w.stack.addGroup('sg-default', [
    { direction: 'egress' },
    { protocol: 'udp', port_range_min: 4789, port_range_max: 4789, remote_ip_prefix: '10.0.0.0/8' },
  ]);
  t.match((await w.control.read(w.question)).observed.get('os-1')!.admits, {
    nova: { vxlan: 'allowed', ipip: 'blocked', native: 'blocked' },
    rack: { vxlan: 'blocked' },
  });
});

t.test('a token is renewed when refused, and neither it nor the secret is told', async (t) => {
  const w = await world(t);
  const reading = await w.control.read(w.question);
  await w.control.read(w.question);
  t.equal(w.stack.issued, 1, 'one token for all calls');
  t.notMatch(JSON.stringify([...reading.observed]), /gAAAAA|SECRET/);
  w.stack.issued = 5;
  t.equal((await w.control.read(w.question)).observed.size, 3, 'a refused one is replaced');
  w.stack.revoked = true;
  const refused = await failureOf(w.control.read(w.question));
  t.equal(refused.failure, 'credentials');
  t.notMatch(refused.message + String(refused.stack), /gAAAAA|SECRET/);
  const fresh = await openNeutron(w.machine, w.env);
  const unknown = await failureOf(fresh.read(w.question));
  t.match(unknown, { failure: 'credentials', message: /check the application credential/ });
  t.notMatch(unknown.message + String(unknown.stack), /SECRET/);
  const none = await openNeutron(w.machine, { OS_AUTH_URL: w.env.OS_AUTH_URL });
  t.match(await failureOf(none.read(w.question)), {
    failure: 'credentials',
    message: /set OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET/,
  });
});

t.test('the catalogue says where Neutron is, and for which region', async (t) => {
  const w = await world(t);
  w.stack.regions = ['RegionOne', 'RegionTwo'];
  const read = async (env: NodeJS.ProcessEnv): Promise<number> =>
    (await (await openNeutron(w.machine, { ...w.env, ...env })).read(w.question)).observed.size;
  t.match(await failureOf(read({})), {
    message: /regions RegionOne, RegionTwo: set OS_REGION_NAME/,
  });
  t.equal(await read({ OS_REGION_NAME: 'RegionTwo' }), 3);
  t.equal(
    await read({ OS_REGION_NAME: 'RegionTwo', OS_AUTH_URL: `${w.stack.url}/identity/v3` }),
    3,
  );
  t.match(await failureOf(read({ OS_REGION_NAME: 'Elsewhere' })), {
    message: /no public endpoint of the network service in region Elsewhere/,
  });
});

t.test('throttling, errors and silence are failures to be tried again', async (t) => {
  const w = await world(t);
  await w.control.read(w.question);
  w.stack.throttled = 1;
  t.match(await failureOf(w.control.read(w.question)), { failure: 'retry' }, '30 s are too long');
  w.stack.broken = 1;
  t.equal((await w.control.read(w.question)).observed.size, 3);
  w.stack.broken = 9;
  t.match(await failureOf(w.control.read(w.question)), { failure: 'retry' });
  w.stack.broken = 0;
  w.stack.hang = true;
  const patient = await openNeutron(w.machine, w.env, { timeoutMs: 150 });
  t.match(await failureOf(patient.read(w.question)), { failure: 'retry', message: /too long/ });
});

t.test('policies are exactly those listed', async (t) => {
  const w = await world(t);
  w.stack.addRouter('r1');
  t.same(await troublesOf(w.control, w.question), []);
  t.equal(w.changed.length, 2);
  for (const policy of [...neutronPolicies.read, ...neutronPolicies.manage]) {
    const fresh = await world(t);
    fresh.stack.denied.add(policy);
    const troubles = await troublesOf(fresh.control, fresh.question);
    t.not(troubles.length, 0, `${policy} is missed`);
  }
  const nobody = await openNeutron(machineOf('nobody'), w.env);
  t.match(await failureOf(nobody.read(w.question)), {
    failure: 'absent',
    message: /no port of this machine with an address of node os-1 \(10.10.0.11\)/,
  });
});
