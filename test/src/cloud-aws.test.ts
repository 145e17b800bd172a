/** AWS against a fake of the EC2 API: what is read, what is changed, and what is left alone. */
import t from 'tap';
import { type CloudError, type CloudReading } from '../../src/cloud/control.js';
import { longId } from '../fakes/cloud/ec2-world.js';
import {
  awsCluster,
  carryOut,
  routesOf,
  scene,
  seat,
  settle,
  thrown,
} from '../support/aws-cluster.js';

const texts = (reading: Pick<CloudReading, 'changes'>): readonly string[] =>
  reading.changes.map((change) => change.call);

void t.test('a fresh node: checks on, no routes, and the calls that change that', async (t) => {
  const made = await scene(t);
  const { control, read } = await seat(made, 'a-1');
  t.equal(control.provider, 'aws');
  const eni = made.interfaces.get('a-1')!;
  const reading = await read();
  t.same([...reading.observed.keys()], ['a-1', 'a-2', 'b-1'], 'the rack is not EC2');
  const own = reading.observed.get('a-1')!;
  t.same(own.switches, { sourceDestinationCheck: 'enabled', fabricRoutes: 'absent' });
  t.equal(own.source, `EC2 API, ${eni.id}`);
  t.match(own.waits.sourceDestinationCheck, `check of ${eni.id} is on, and is to be switched off`);
  t.match(own.waits.fabricRoutes, `10.64.1.0/24 is not routed in ${made.tables.main.id}`);
  t.same(reading.problems, []);
  t.same(
    reading.changes.map(({ call, permission, makes }) => [call, permission, makes]),
    [
      ['CreateTags', 'ec2:CreateTags', 'sourceDestinationCheck'],
      ['CreateTags', 'ec2:CreateTags', 'fabricRoutes'],
      ['CreateTags', 'ec2:CreateTags', 'fabricRoutes'],
      [
        'ModifyNetworkInterfaceAttribute',
        'ec2:ModifyNetworkInterfaceAttribute',
        'sourceDestinationCheck',
      ],
      ['CreateRoute', 'ec2:CreateRoute', 'fabricRoutes'],
      ['CreateRoute', 'ec2:CreateRoute', 'fabricRoutes'],
    ],
  );
  t.equal(eni.sourceDestCheck, true, 'reading writes nothing');
  t.equal(
    made.fake.calls().every(({ action }) => action.startsWith('Describe')),
    true,
  );

  await carryOut(reading);
  t.equal(eni.sourceDestCheck, false);
  for (const table of [made.tables.main, made.tables.b])
    t.same(routesOf(table), [`10.64.1.0/24 ${eni.id}`]);
  t.same(Object.fromEntries(eni.tags), {
    'selvage:cluster': 'prod',
    'selvage:node': 'a-1',
    'selvage:source-dest-check': 'switched off by selvage',
    [`selvage:route:${made.tables.main.id}`]: '10.64.1.0/24',
    [`selvage:route:${made.tables.b.id}`]: '10.64.1.0/24',
  });
  t.same(Object.fromEntries(made.tables.b.tags), { 'selvage:routes:prod': 'made by selvage' });

  const after = await read();
  t.same(after.observed.get('a-1')?.switches, {
    sourceDestinationCheck: 'disabled',
    fabricRoutes: 'present',
  });
  t.same(after.observed.get('a-1')?.waits, {});
  t.same(after.changes, [], 'nothing is left to do');
  t.ok(after.notes.includes(`1 of 45 routes of ${made.tables.main.id} are in use`));
  t.ok(after.notes.includes('this reading took 6 calls'));

  eni.sourceDestCheck = true;
  const drift = await read();
  t.equal(drift.observed.get('a-1')?.switches.sourceDestinationCheck, 'enabled', 'drift is seen');
  t.same(texts(drift), ['ModifyNetworkInterfaceAttribute'], 'the tag is there already');
});

void t.test('peers are read from the same answers, and all nodes agree', async (t) => {
  const made = await scene(t);
  await settle(made, 'a-1', 'b-1');
  for (const node of ['a-1', 'a-2', 'b-1']) {
    const { observed } = await (await seat(made, node)).read();
    t.same(
      [...observed].map(([name, { switches }]) => [name, Object.values(switches)]),
      [
        ['a-1', ['disabled', 'present']],
        ['a-2', ['enabled', 'absent']],
        ['b-1', ['disabled', 'present']],
      ],
      `as ${node} sees it`,
    );
  }
  made.tables.b.routes = made.tables.b.routes.filter(
    (route) => route.destination !== '10.64.1.0/24',
  );
  const { observed } = await (await seat(made, 'a-2')).read();
  t.equal(observed.get('a-1')?.switches.fabricRoutes, 'absent', 'every table counts');
  t.equal(observed.get('b-1')?.switches.fabricRoutes, 'present');
});

void t.test('every interface that carries packets counts, not only the first', async (t) => {
  const made = await scene(t);
  const { builder, subnets, group, interfaces } = made;
  const instance = made.instances.get('a-1')!;
  const lonely = builder.subnet(made.vpc, { cidr: '10.0.9.0/24', zone: 'eu-west-1a' });
  const attach = (subnet: typeof lonely, address: string) =>
    builder.attach(instance, { subnet, addresses: [address], groups: [group] });
  const toPeers = attach(subnets.b, '10.0.2.99');
  const idle = attach(lonely, '10.0.9.9');
  const second = attach(subnets.a, '10.0.1.77');
  const { read } = await seat(made, 'a-1');
  const reading = await read();
  const switched = reading.changes
    .filter(({ call }) => call === 'ModifyNetworkInterfaceAttribute')
    .map(({ text }) => /eni-\w+/.exec(text)?.[0]);
  t.same(switched, [interfaces.get('a-1')!.id, toPeers.id], 'subnet b is reached through it');
  await carryOut(reading);
  t.same(
    [toPeers, idle, second].map((entry) => entry.sourceDestCheck),
    [false, true, true],
    'one that carries nothing is left alone',
  );
  toPeers.sourceDestCheck = true;
  const { observed } = await read();
  t.equal(observed.get('a-1')?.switches.sourceDestinationCheck, 'enabled');
  t.match(observed.get('a-1')?.waits.sourceDestinationCheck, toPeers.id);

  // A peer with addresses on two interfaces is confirmed only on both.
  const peer = builder.attach(made.instances.get('a-2')!, {
    subnet: subnets.a,
    addresses: ['fd00:1::12'],
    groups: [group],
  });
  const cluster = awsCluster({
    nodes: [
      {
        name: 'a-2',
        zone: 'aws-a',
        at: ['10.0.1.12/24', 'fd00:1::12/64'],
        overlay: ['10.64.2.0/24', 'fd64:0:0:2::/64'],
      },
    ],
  });
  interfaces.get('a-2')!.sourceDestCheck = false;
  const check = async () =>
    (await read({ cluster })).observed.get('a-2')?.switches.sourceDestinationCheck;
  t.equal(await check(), 'enabled');
  peer.sourceDestCheck = false;
  t.equal(await check(), 'disabled');
  made.fake.world.interfaces.delete(peer.id);
  t.equal(await check(), undefined, 'half of it is unknown');
});

void t.test('both families: an IPv6 prefix is routed to the interface that has IPv6', async (t) => {
  const made = await scene(t);
  const six = made.builder.attach(made.instances.get('a-1')!, {
    subnet: made.subnets.a,
    addresses: ['10.0.1.111', 'fd00:1::11'],
    groups: [made.group],
  });
  const both = {
    name: 'a-1',
    zone: 'aws-a',
    overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'],
  };
  const { read } = await seat(made, 'a-1');
  const cluster = awsCluster({ nodes: [{ ...both, at: ['10.0.1.11/24', 'fd00:1::11/64'] }] });
  await carryOut(await read({ cluster }));
  t.same(routesOf(made.tables.b), [
    `10.64.1.0/24 ${made.interfaces.get('a-1')!.id}`,
    `fd64:0:0:1::/64 ${six.id}`,
  ]);
  const reading = await read({ cluster });
  t.equal(reading.observed.get('a-1')?.switches.fabricRoutes, 'present');
  t.same(reading.changes, []);
  t.equal(reading.observed.get('a-1')?.switches.sourceDestinationCheck, 'disabled');
});

void t.test('what a call has changed counts once EC2 shows it', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  const first = await read();
  made.fake.staleCalls = 8;
  await carryOut(first);
  t.equal(made.interfaces.get('a-1')!.sourceDestCheck, false);
  const stale = await read();
  t.same(stale.observed.get('a-1')?.switches, {
    sourceDestinationCheck: 'enabled',
    fabricRoutes: 'absent',
  });
  await carryOut(stale);
  t.same(routesOf(made.tables.main).length, 1, 'to do it twice does no harm');
  made.fake.staleCalls = 0;
  let reading = await read();
  for (let i = 0; i < 3 && reading.changes.length > 0; i++) reading = await read();
  t.same(reading.observed.get('a-1')?.switches, {
    sourceDestinationCheck: 'disabled',
    fabricRoutes: 'present',
  });
});

void t.test('dry runs tell what is permitted, and change nothing', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  made.fake.deny('CreateRoute');
  const { changes } = await read();
  const answers = await Promise.all(changes.map(async (change) => change.tryOut?.()));
  t.same(
    changes.map((change, i) => `${change.call} ${String(answers[i])}`),
    [
      'CreateTags allowed',
      'CreateTags allowed',
      'CreateTags allowed',
      'ModifyNetworkInterfaceAttribute allowed',
      'CreateRoute denied',
      'CreateRoute denied',
    ],
  );
  t.equal(made.interfaces.get('a-1')!.sourceDestCheck, true);
  t.equal(made.interfaces.get('a-1')!.tags.size, 0);
  t.match(await thrown(changes.at(-1)!.carryOut()), {
    failure: 'other',
    code: 'NotYet',
    call: 'CreateRoute',
  });
});

void t.test('nothing is made that could not be found again', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  made.fake.deny('CreateTags');
  for (const change of (await read()).changes) await t.rejects(change.carryOut());
  t.equal(made.interfaces.get('a-1')!.sourceDestCheck, true);
  t.same(routesOf(made.tables.main), []);
  t.equal(made.fake.calls('CreateRoute').length, 0, 'it is not even asked');
});

void t.test("somebody else's route is never touched", async (t) => {
  const made = await scene(t);
  const { main, b } = made.tables;
  main.routes.push({
    destination: '10.64.1.0/24',
    target: { kind: 'natGatewayId', id: longId('nat', 1) },
    origin: 'CreateRoute',
  });
  const { read } = await seat(made, 'a-1');
  const reading = await read();
  t.same(
    reading.problems,
    [
      `${main.id} routes 10.64.1.0/24 to ${longId('nat', 1)}; Selvage did not make that route and leaves it: if it is not needed, remove it with "aws ec2 delete-route --route-table-id ${main.id} --destination-cidr-block 10.64.1.0/24"`,
    ],
    'the problem says table, destination, target and what to do',
  );
  t.match(reading.observed.get('a-1')?.waits.fabricRoutes, "somebody else's route");
  t.notOk(texts(reading).includes('CreateRoute'), 'half of the tables are of no use');
  await carryOut(reading);
  t.same(routesOf(main), [`10.64.1.0/24 ${longId('nat', 1)}`]);
  t.same(routesOf(b), []);

  // Nor one that leads to another instance, or takes a part, though that is inside the pools.
  main.routes.pop();
  const foreign = made.interfaces.get('b-1')!.id;
  // Our tags are on it, but no record of this route.
  for (const [key, value] of Object.entries({ cluster: 'prod', node: 'gone' }))
    made.interfaces.get('b-1')!.tags.set(`selvage:${key}`, value);
  for (const destination of ['10.64.1.0/24', '10.64.1.128/25']) {
    b.routes.push({
      destination,
      target: { kind: 'networkInterfaceId', id: foreign },
      origin: 'CreateRoute',
    });
    const again = await read();
    t.match(again.problems, [new RegExp(`${b.id} routes ${destination} to ${foreign}`)]);
    t.equal(again.observed.get('a-1')?.switches.fabricRoutes, 'absent');
    t.notMatch(texts(again).join(), /Route/);
    b.routes.pop();
  }
  // A route to this node that an operator made is as good as one of ours, and stays theirs.
  for (const table of [main, b])
    table.routes.push({
      destination: '10.64.1.0/24',
      target: { kind: 'networkInterfaceId', id: made.interfaces.get('a-1')!.id },
      origin: 'CreateRoute',
    });
  const given = await read();
  t.equal(given.observed.get('a-1')?.switches.fabricRoutes, 'present');
  const quiet = await read({ routed: false });
  t.notMatch(texts(quiet).join(), /Route/, 'not even when no rule wants it');
});

void t.test('a route of ours that leads to an old interface is replaced', async (t) => {
  const made = await scene(t);
  await settle(made, 'a-1');
  const old = made.interfaces.get('a-1')!;
  // The instance is replaced: its interface goes, and with it all tags.
  made.fake.world.interfaces.delete(old.id);
  const instance = made.builder.instance('a-1 again');
  made.instances.set('a-1', instance);
  const fresh = made.builder.attach(instance, {
    subnet: made.subnets.a,
    addresses: ['10.0.1.11'],
    groups: [made.group],
  });
  const { read } = await seat(made, 'a-1');
  const reading = await read();
  t.equal(reading.observed.get('a-1')?.switches.fabricRoutes, 'absent', 'a blackhole is none');
  t.same(
    texts(reading).filter((call) => call.endsWith('Route')),
    ['ReplaceRoute', 'ReplaceRoute'],
  );
  await carryOut(reading);
  t.same(routesOf(made.tables.main), [`10.64.1.0/24 ${fresh.id}`]);
  t.equal((await read()).observed.get('a-1')?.switches.fabricRoutes, 'present');

  // The address moves to another interface of the same instance.
  const moved = made.builder.attach(instance, {
    subnet: made.subnets.a,
    addresses: ['10.0.1.44'],
    groups: [made.group],
  });
  moved.addresses.push(...fresh.addresses.splice(0, 1, '10.0.1.45'));
  await carryOut(await read());
  t.same(routesOf(made.tables.b), [`10.64.1.0/24 ${moved.id}`]);
  await carryOut(await read());
  t.notOk(
    [...fresh.tags.keys()].some((key) => key.startsWith('selvage:route:')),
    'the old interface keeps no record',
  );
  t.same((await read()).changes, []);
});

void t.test('a prefix that moves from node to node is given up before it is taken', async (t) => {
  const made = await scene(t);
  await settle(made, 'a-1');
  const swapped = awsCluster({
    nodes: [
      { name: 'a-1', zone: 'aws-a', at: '10.0.1.11/24', overlay: '10.64.77.0/24' },
      { name: 'a-2', zone: 'aws-a', at: '10.0.1.12/24', overlay: '10.64.1.0/24' },
    ],
  });
  const [before, after] = [await seat(made, 'a-1'), await seat(made, 'a-2')];
  const waiting = await after.read({ cluster: swapped });
  t.match(waiting.observed.get('a-2')?.waits.fabricRoutes, /still routed to a-1, which .* removes/);
  t.notMatch(texts(waiting).join(), /Route/);
  t.same(waiting.problems, []);
  await carryOut(await before.read({ cluster: swapped }));
  await carryOut(await after.read({ cluster: swapped }));
  t.same(routesOf(made.tables.main), [
    `10.64.1.0/24 ${made.interfaces.get('a-2')!.id}`,
    `10.64.77.0/24 ${made.interfaces.get('a-1')!.id}`,
  ]);

  // Its maker has left the cluster without a word, and its interface is still there.
  const orphaned = awsCluster({
    without: ['a-2'],
    nodes: [{ name: 'b-1', zone: 'aws-b', at: '10.0.2.11/24', overlay: '10.64.1.0/24' }],
  });
  const heir = await seat(made, 'b-1');
  await carryOut(await heir.read({ cluster: orphaned }));
  t.ok(routesOf(made.tables.b).includes(`10.64.1.0/24 ${made.interfaces.get('b-1')!.id}`));
});

void t.test('blackholes that the cluster left behind are cleaned, and no others', async (t) => {
  const made = await scene(t);
  const late = made.builder.attach(made.builder.instance('late'), {
    subnet: made.subnets.a,
    addresses: ['10.0.1.200'],
    groups: [made.group],
  });
  const { main, b } = made.tables;
  const blackhole = (destination: string) =>
    ({
      destination,
      target: { kind: 'networkInterfaceId', id: late.id },
      origin: 'CreateRoute',
    }) as const;
  for (const table of [main, b])
    table.routes.push(blackhole('10.64.50.0/24'), blackhole('172.16.0.0/24'));
  const learned = { ...blackhole('10.64.51.0/24'), origin: 'EnableVgwRoutePropagation' } as const;
  main.routes.push(learned);
  made.fake.world.interfaces.delete(late.id);
  const { read } = await seat(made, 'a-1');
  const unmarked = await read();
  t.notMatch(
    texts(unmarked).join(),
    /DeleteRoute/,
    'tables without our mark are not ours to clean',
  );
  await carryOut(unmarked);
  const reading = await read();
  t.same(
    reading.changes.map(({ text }) => text),
    [main, b].map(
      ({ id }) =>
        `remove the route of 10.64.50.0/24 from ${id}: its interface is gone, and no node has 10.64.50.0/24`,
    ),
  );
  t.same((await read({ routed: false })).changes, [], 'sound routes stay, and others are left');
  await carryOut(reading);
  t.same(routesOf(main), [
    `10.64.1.0/24 ${made.interfaces.get('a-1')!.id}`,
    `172.16.0.0/24 ${late.id}`,
  ]);
});

void t.test('the limit of routes is shared out by name, and nobody is turned out', async (t) => {
  const made = await scene(t);
  const cluster = awsCluster({ cloud: { routeLimit: 2 } });
  await settle(made, 'b-1');
  const [first, second] = [await seat(made, 'a-1'), await seat(made, 'a-2')];
  const beyond = await second.read({ cluster });
  t.notMatch(texts(beyond).join(), /Route/, 'one is left, and a-1 comes before a-2');
  t.same(beyond.problems, []);
  t.equal(beyond.observed.get('a-2')?.waits.fabricRoutes, undefined, 'nothing will come');
  t.ok(
    beyond.notes.includes(
      `no room for the routes of a-2 in ${made.tables.main.id}: the cluster may have 2 routes there (cloud.routeLimit); it stays encapsulated`,
    ),
  );
  t.ok(texts(beyond).includes('ModifyNetworkInterfaceAttribute'), 'its subnet needs no routes');
  await carryOut(await first.read({ cluster }));
  const full = await second.read({ cluster });
  t.ok(full.notes.includes(`2 of 2 routes of ${made.tables.b.id} are in use`));
  await carryOut(full);
  t.equal(routesOf(made.tables.main).length, 2);
  // One node leaves, and the next in line gets its place.
  await carryOut({ changes: await first.control.leave(first.question({ cluster })) });
  const smaller = awsCluster({ cloud: { routeLimit: 2 }, without: ['a-1'] });
  await carryOut(await second.read({ cluster: smaller }));
  t.same(routesOf(made.tables.main), [
    `10.64.2.0/24 ${made.interfaces.get('a-2')!.id}`,
    `10.64.3.0/24 ${made.interfaces.get('b-1')!.id}`,
  ]);
});

void t.test("a table's own quota is learned from the refusal", async (t) => {
  const made = await scene(t);
  made.tables.main.limit = 0;
  const { read } = await seat(made, 'a-1');
  const errors: CloudError[] = [];
  for (const change of (await read()).changes)
    await change.carryOut().catch((error: unknown) => errors.push(error as CloudError));
  t.match(errors, [{ failure: 'limit', code: 'RouteLimitExceeded', call: 'CreateRoute' }]);
  const after = await read();
  t.notMatch(texts(after).join(), /CreateRoute/, 'it is not tried again');
  t.match(after.notes.join('\n'), /EC2 refused more than the 1 routes that it has .*stays encaps/);
  t.equal(after.observed.get('a-1')?.waits.fabricRoutes, undefined);
  made.tables.main.limit = 50;
  made.tables.main.routes.pop();
  t.match(texts(await read()).join(), /CreateRoute/, 'room was made');
});

void t.test('nodes that start at once do not get in each other’s way', async (t) => {
  const made = await scene(t);
  made.fake.latencyMs = 5;
  const seats = await Promise.all(['a-1', 'a-2', 'b-1'].map((node) => seat(made, node)));
  await Promise.all(seats.map(async ({ read }) => carryOut(await read())));
  await Promise.all(seats.map(async ({ read }) => carryOut(await read())));
  for (const table of [made.tables.main, made.tables.b])
    t.same(
      routesOf(table),
      ['a-1', 'a-2', 'b-1'].map(
        (node, i) => `10.64.${i + 1}.0/24 ${made.interfaces.get(node)!.id}`,
      ),
    );
  for (const { read } of seats) t.same((await read()).changes, []);
});

void t.test('leaving takes back what was made, and only that', async (t) => {
  const made = await scene(t);
  made.interfaces.get('a-2')!.sourceDestCheck = false;
  made.interfaces.get('a-1')!.tags.set('Name', 'kept');
  made.tables.main.tags.set('Name', 'kept too');
  await settle(made, 'a-1', 'a-2');
  made.tables.main.routes.push({
    destination: '0.0.0.0/0',
    target: { kind: 'gatewayId', id: longId('igw', 1) },
    origin: 'CreateRoute',
  });
  made.tables.main.routes.push({
    destination: '10.99.0.0/24',
    target: { kind: 'networkInterfaceId', id: made.interfaces.get('a-1')!.id },
    origin: 'CreateRoute',
  });
  // Its subnet uses another table by now, and the record still knows the first.
  made.tables.b.subnets = [];
  for (const node of ['a-1', 'a-2']) {
    const { control, question } = await seat(made, node);
    await carryOut({ changes: await control.leave(question()) });
    const marked = made.tables.main.tags.has('selvage:routes:prod');
    t.equal(marked, node === 'a-1', 'the mark goes with the last route');
  }
  t.same(routesOf(made.tables.main), [
    `0.0.0.0/0 ${longId('igw', 1)}`,
    `10.99.0.0/24 ${made.interfaces.get('a-1')!.id}`,
  ]);
  t.same(routesOf(made.tables.b), []);
  t.equal(made.interfaces.get('a-1')!.sourceDestCheck, true, 'switched off by us, so on again');
  t.equal(made.interfaces.get('a-2')!.sourceDestCheck, false, 'it was off before');
  t.same(Object.fromEntries(made.interfaces.get('a-1')!.tags), { Name: 'kept' });
  t.same(Object.fromEntries(made.interfaces.get('a-2')!.tags), {});
  t.same(Object.fromEntries(made.tables.main.tags), { Name: 'kept too' });
  const { control, question } = await seat(made, 'a-1');
  t.same(await control.leave(question()), [], 'a second time there is nothing to do');
});

void t.test('leaving halfway keeps the tags by which the rest is found', async (t) => {
  const made = await scene(t);
  await settle(made, 'a-1');
  const { control, question } = await seat(made, 'a-1');
  made.fake.deny('DeleteRoute');
  const failures = [];
  for (const change of await control.leave(question()))
    failures.push(await change.carryOut().then(() => 'done', String));
  t.match(failures, [
    /DeleteRoute/,
    /DeleteRoute/,
    'done',
    /the route .* is still in rtb-/,
    /not done/,
  ]);
  t.ok(made.interfaces.get('a-1')!.tags.has('selvage:node'));
  made.fake.deny('DescribeRouteTables');
  t.match(await thrown(control.leave(question())), { failure: 'denied' });
  made.fake.allow('DescribeRouteTables');
  made.fake.allow('DeleteRoute');
  await carryOut({ changes: await control.leave(question()) });
  t.same([...made.interfaces.get('a-1')!.tags], []);
  t.same(routesOf(made.tables.main), []);
});

void t.test('without a rule that wants routes there are none', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  const reading = await read({ routed: false });
  t.same(texts(reading), ['CreateTags', 'ModifyNetworkInterfaceAttribute']);
  await carryOut(await read());
  const before = routesOf(made.tables.main);
  t.equal(before.length, 1);
  await carryOut(await read({ routed: false }));
  t.same(routesOf(made.tables.main), before, 'peers send by it until they know better');
  t.match([...made.interfaces.get('a-1')!.tags.keys()].join(), /selvage:route:/);
});
