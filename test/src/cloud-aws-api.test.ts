/** AWS against a fake of the EC2 API: firewalls, permissions, trouble, keys and large clusters. */
import t from 'tap';
import { ec2Actions } from '../../src/cloud/aws/actions.js';
import {
  accessKeyId,
  awsCluster,
  carryOut,
  keysEnv,
  nodeOf,
  pool,
  scene,
  seat,
  secret,
  settle,
  thrown,
  tunnelRules,
} from '../support/aws-cluster.js';

void t.test('security groups: what passes between the zones', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  const admits = async (node = 'a-1') => (await read()).observed.get(node)?.admits;
  const all = { ipip: 'allowed', ipv6InIpv4: 'allowed', vxlan: 'allowed', native: 'allowed' };
  const rack = { ipip: 'blocked', ipv6InIpv4: 'blocked', vxlan: 'blocked', native: 'allowed' };
  t.same(await admits(), { 'aws-a': all, 'aws-b': all, rack }, 'the group does not name the rack');

  const rules = tunnelRules(made.group.id);
  made.group.ingress = rules.slice(1);
  t.same((await admits('b-1'))?.['aws-a'], { ...all, ipip: 'blocked' });
  // As an operator means it who looked up "IPIP" in a list of protocols.
  made.group.ingress.push({ protocol: '94', groups: [made.group.id] });
  const mistaken = await read();
  t.equal(mistaken.observed.get('a-1')?.admits['aws-a']?.ipip, 'blocked');
  t.same(mistaken.problems, [
    `${made.group.id} ingress rule 4 admits protocol 94, which nobody speaks: IP-in-IP is protocol 4; change the rule's protocol to 4`,
  ]);

  made.group.ingress = [...rules.slice(0, 2), { ...rules[2]!, from: 8472, to: 8472 }, rules[3]!];
  t.equal((await admits())?.['aws-b']?.vxlan, 'blocked', 'another port');
  made.group.ingress = [{ protocol: '-1', groups: [made.group.id] }];
  t.same((await admits())?.['aws-b'], { ...all, native: 'blocked' }, 'workloads are in no group');
  made.group.ingress = [...rules.slice(0, 3), { protocol: '-1', cidrs: ['10.64.3.0/25'] }];
  t.equal((await admits())?.['aws-b']?.native, 'blocked', 'half of the prefix');
  made.group.ingress.push({ protocol: '-1', cidrs: ['10.64.3.128/25'] });
  t.equal((await admits())?.['aws-b']?.native, 'allowed', 'and the other half');
  t.equal((await admits())?.['aws-a']?.native, 'blocked', 'a-2 has another prefix');
  made.group.ingress = [{ protocol: 'tcp', from: 0, to: 65535, cidrs: [pool] }];
  t.equal((await admits())?.['aws-b']?.native, 'blocked', 'workloads send more than TCP');

  made.group.ingress = rules;
  made.group.egress = [{ protocol: 'udp', from: 0, to: 65535, cidrs: ['10.0.0.0/16'] }];
  t.same((await admits())?.['aws-b'], {
    ipip: 'blocked',
    ipv6InIpv4: 'blocked',
    vxlan: 'allowed',
    native: 'blocked',
  });

  // What only a prefix list would admit is not known.
  made.group.egress = [{ protocol: '-1', cidrs: ['0.0.0.0/0'] }];
  made.group.ingress = [...rules.slice(1), { protocol: '4', lists: ['pl-0123456789abcdef0'] }];
  const listed = await read();
  t.equal(listed.observed.get('a-1')?.admits['aws-b']?.ipip, undefined);
  t.equal(listed.observed.get('a-1')?.admits['aws-b']?.vxlan, 'allowed');
  t.match(listed.notes.join('\n'), /prefix list pl-0123456789abcdef0 .* are not read/);

  // The worst of a zone's nodes counts.
  made.group.ingress = [{ protocol: '-1', cidrs: ['10.0.1.12/32', '10.0.2.0/24'] }];
  t.equal((await admits('b-1'))?.['aws-a']?.vxlan, 'blocked', 'a-1 is not in the rule');
  t.equal((await admits('a-1'))?.['aws-a']?.vxlan, 'allowed', 'but a-1 sends nothing to itself');
});

void t.test('network ACLs: asked between subnets only', async (t) => {
  const made = await scene(t);
  const acl = [...made.fake.world.acls.values()][0]!;
  acl.entries = acl.entries.flatMap((entry) =>
    entry.number === 100 && !entry.egress
      ? [
          { ...entry, number: 90, protocol: '4', allow: false, cidr: '10.0.0.0/16' },
          { ...entry, number: 95, protocol: '17', ports: [4000, 4788], allow: false },
          entry,
        ]
      : [entry],
  );
  const { read, control, question } = await seat(made, 'a-1');
  const { admits } = (await read()).observed.get('a-1')!;
  t.equal(admits['aws-b']?.ipip, 'blocked');
  t.equal(admits['aws-b']?.vxlan, 'allowed', 'the denied ports end below it');
  t.equal(admits['aws-b']?.native, 'blocked', 'some UDP ports of workloads');
  t.equal(admits['aws-a']?.ipip, 'allowed', 'one subnet');
  t.equal(admits['aws-a']?.native, 'allowed');

  const firewalls = await control.firewalls!(question());
  t.same(
    firewalls.firewalls.map(({ node, id }) => `${node} ${id}`),
    ['a-1', 'a-2', 'b-1'].flatMap((node) => [`${node} ${made.group.id}`, `${node} ${acl.id}`]),
  );
  t.same(firewalls.groups.get('b-1'), [made.group.id]);
  t.same(firewalls.problems, []);
  const inside = firewalls.firewalls[1]!.firewall.rules[0]!;
  t.same(
    inside.prefixes.map(({ text }) => text),
    ['10.0.1.11/32', '10.64.1.0/24', '10.0.1.12/32', '10.64.2.0/24'],
  );
});

void t.test('what may not be read is unknown, and said', async (t) => {
  const made = await scene(t);
  await settle(made, 'a-1');
  for (const action of ['DescribeRouteTables', 'DescribeSecurityGroups', 'DescribeNetworkAcls'])
    made.fake.deny(action);
  const { read, control, question } = await seat(made, 'a-1');
  const reading = await read();
  t.same(reading.observed.get('a-1'), {
    switches: { sourceDestinationCheck: 'disabled' },
    admits: {},
    source: `EC2 API, ${made.interfaces.get('a-1')!.id}`,
    waits: {},
  });
  t.same(reading.changes, []);
  t.equal(reading.problems.length, 3);
  t.match(
    reading.problems[0],
    /DescribeRouteTables: UnauthorizedOperation.*allow ec2:DescribeRouteTables in the policy.*unknown$/,
  );
  t.notMatch(reading.problems.join(), /Encoded authorization/);
  t.equal((await control.firewalls!(question())).problems.length, 3);
  made.fake.deny('DescribeNetworkInterfaces', 'node-role');
  t.match(await thrown(read()), { failure: 'denied', call: 'DescribeNetworkInterfaces' });
});

void t.test('a node that EC2 does not have where the cluster says', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  const misplaced = awsCluster({
    nodes: [{ name: 'a-1', zone: 'aws-a', at: '10.0.1.99/24', overlay: '10.64.1.0/24' }],
  });
  const reading = await read({ cluster: misplaced });
  t.match(reading.problems, [/no network interface of this instance has 10\.0\.1\.99/]);
  t.equal(reading.observed.has('a-1'), false);
  t.same(reading.changes, []);
  // The address is another instance's: nothing of that one is changed.
  const stolen = awsCluster({
    without: ['a-2'],
    nodes: [{ name: 'a-1', zone: 'aws-a', at: '10.0.1.12/24', overlay: '10.64.1.0/24' }],
  });
  const other = await read({ cluster: stolen });
  t.match(other.problems, [/no network interface of this instance has 10\.0\.1\.12/]);
  t.same(other.changes, []);
  t.equal(other.observed.get('a-1')?.switches.sourceDestinationCheck, 'enabled');
  made.fake.world.interfaces.clear();
  t.match((await read()).problems, [/EC2 knows no network interface of i-/]);
});

void t.test(
  'trouble of the API: one quick retry, then an error that says what it is',
  async (t) => {
    const made = await scene(t);
    const { read } = await seat(made, 'a-1');
    const hasty = await seat(made, 'a-1', { timeoutMs: 200 });
    made.fake.troubles.push({ kind: 'throttle', times: 1, action: 'DescribeRouteTables' });
    t.same((await read()).problems, [], 'once is nothing');
    const failing = async (...kinds: (typeof made.fake.troubles)[number]['kind'][]) => {
      made.fake.troubles.splice(0, Infinity, ...kinds.map((kind) => ({ kind, times: 2 })));
      const before = made.fake.log.length;
      const error = await thrown((kinds.includes('hang') ? hasty : { read }).read());
      t.notMatch(error.message, secret);
      t.ok(made.fake.log.length - before <= 2, 'no loop of its own');
      return { failure: error.failure, code: error.code };
    };
    t.same(await failing('throttle'), { failure: 'retry', code: 'RequestLimitExceeded' });
    t.same(await failing('unavailable'), { failure: 'retry', code: 'Unavailable' });
    t.same(await failing('internal-error'), { failure: 'retry', code: 'InternalError' });
    for (const kind of ['hang', 'cut', 'html'] as const)
      t.same(await failing(kind), { failure: 'retry', code: 'NoAnswer' }, kind);
    t.same(await failing('redirect'), { failure: 'other', code: 'Redirect' });
    t.same(await failing('flood'), { failure: 'other', code: 'AnswerTooLarge' });
    t.same(await failing({ code: 'InvalidVpcID.NotFound', status: 400 }), {
      failure: 'absent',
      code: 'InvalidVpcID.NotFound',
    });
    t.same(await failing({ code: 'Blocked', status: 403 }), { failure: 'denied', code: 'Blocked' });
    t.same(await failing({ code: 'Odd', status: 400 }), { failure: 'other', code: 'Odd' });
    made.fake.troubles.length = 0;
    const reading = await read();
    made.fake.troubles.push({ kind: 'throttle', times: 1 });
    t.match(await thrown(reading.changes[0]!.carryOut()), { failure: 'retry' });
    t.equal(made.fake.calls('CreateTags').length, 1, 'a write is not repeated');
    await made.fake.close();
    t.match(await thrown(read()), { failure: 'retry', message: /cannot be reached \(ECONN/ });
  },
);

void t.test('a reading that is called off ends at once', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  made.fake.troubles.push({ kind: 'hang' });
  const controller = new AbortController();
  const reading = read({ signal: controller.signal });
  const arrived = setInterval(() => {
    if (made.fake.log.length > 0) controller.abort();
  }, 5);
  t.match(await thrown(reading), { failure: 'retry' });
  clearInterval(arrived);
  t.equal(made.fake.log.length, 1);
});

void t.test('keys: wrong, run out, and a clock that is wrong', async (t) => {
  const made = await scene(t);
  const wrong = await seat(made, 'a-1', {
    env: { ...keysEnv(made), AWS_SECRET_ACCESS_KEY: 'other-secret' },
  });
  const refused = await thrown(wrong.read());
  t.match(refused, { failure: 'credentials', code: 'AuthFailure' });
  t.notMatch(refused.message, /other-secret|AKIA/);
  const { read } = await seat(made, 'a-1');
  for (const [minutes, text] of [
    [17, "clock is 17 min behind EC2's"],
    [-9, "clock is 9 min ahead of EC2's"],
  ] as const) {
    made.fake.clockMs = minutes * 60_000;
    t.match(await thrown(read()), { failure: 'credentials', message: new RegExp(text) });
  }
  made.fake.clockMs = 0;

  // A role's keys are fetched again before they end, and when EC2 calls them out.
  let fetched = 0;
  let nowMs = Date.now();
  const expiresAtMs = nowMs + 30 * 60_000;
  const role = await seat(made, 'a-1', {
    env: { AWS_ENDPOINT_URL: made.url, AWS_WEB_IDENTITY_TOKEN_FILE: '/token' },
    now: () => nowMs,
    fromInstance: () => {
      fetched++;
      return Promise.resolve({
        role: 'node',
        accessKeyId: `ASIA${fetched}`,
        secretAccessKey: secret,
        sessionToken: `session-${fetched}`,
        expiresAtMs: expiresAtMs + fetched * 3_600_000,
      });
    },
  });
  const principal = (number: number, expired = false) => ({
    name: 'role',
    accessKeyId: `ASIA${number}`,
    secretAccessKey: secret,
    sessionToken: `session-${number}`,
    ...(expired ? { expiresAtMs: 0 } : {}),
  });
  made.fake.principals.push(principal(1), principal(2), principal(3));
  const reading = await role.read();
  t.equal(fetched, 1);
  t.match(reading.notes.join('\n'), /AWS_WEB_IDENTITY_TOKEN_FILE is set, but not used/);
  made.fake.principals.splice(1, 1, principal(1, true));
  await role.read();
  t.equal(fetched, 2, 'called out by EC2');
  nowMs = expiresAtMs + 2 * 3_600_000 - 4 * 60_000;
  made.fake.clockMs = nowMs - Date.now();
  await role.read();
  t.equal(fetched, 3, 'shortly before they end');
  t.notMatch(JSON.stringify([reading, made.fake.log]), /session-|fakeSecret/);
});

void t.test('no secret is in a reading, an error or the log of calls', async (t) => {
  const made = await scene(t);
  const { read } = await seat(made, 'a-1');
  const reading = await read();
  await carryOut(reading);
  made.fake.deny('DescribeNetworkInterfaces');
  const error = await thrown(read());
  const text = JSON.stringify([
    { ...reading, observed: [...reading.observed] },
    { ...error, message: error.message, stack: error.stack },
    made.fake.log,
  ]);
  for (const word of [secret, accessKeyId, 'Signature=']) t.notMatch(text, word);
  t.same(
    made.fake.calls().filter(({ action }) => !ec2Actions.some((known) => known === action)),
    [],
    'only actions of the list are called',
  );
});

void t.test('a large cluster shares the allowance of calls', async (t) => {
  const made = await scene(t);
  const { builder, group, subnets } = made;
  const many = Array.from({ length: 1200 }, (_, i) => {
    const address = `10.0.${16 + (i >> 8)}.${i & 255}`;
    const name = `n-${String(i).padStart(4, '0')}`;
    const entry = builder.attach(builder.instance(name), {
      subnet: subnets.a,
      addresses: [address],
      groups: [group],
    });
    if (i < 1100) entry.tags.set('selvage:cluster', 'prod');
    return {
      name,
      zone: 'aws-a',
      at: `${address}/20`,
      overlay: `10.${72 + (i >> 8)}.${i & 255}.0/24`,
    };
  });
  const cluster = awsCluster({ nodes: many });
  let nowMs = Date.now();
  const { read } = await seat(made, 'a-1', { now: () => nowMs });
  const calls = async (): Promise<Record<string, number>> => {
    const before = made.fake.log.length;
    const { observed } = await read({ cluster, self: nodeOf(cluster, 'a-1') });
    t.equal(observed.size, 1203);
    const counts: Record<string, number> = {};
    for (const { action } of made.fake.log.slice(before))
      counts[action] = (counts[action] ?? 0) + 1;
    return counts;
  };
  t.same(
    await calls(),
    {
      // The own ones, two pages of tagged ones, and one batch for the rest.
      DescribeNetworkInterfaces: 4,
      DescribeRouteTables: 2,
      DescribeSecurityGroups: 1,
      DescribeNetworkAcls: 1,
    },
    'not one call for each node',
  );
  nowMs += 5 * 60_000;
  t.same(await calls(), {}, 'five minutes later it is known still');
  const reading = await read({ cluster, self: nodeOf(cluster, 'a-1') });
  t.match(reading.notes.join('\n'), /1203 nodes share EC2's allowance.* every 12 min, .* every/);
  await reading.changes[0]!.carryOut();
  t.same(
    await calls(),
    { DescribeNetworkInterfaces: 1, DescribeRouteTables: 2 },
    'a change of our own is looked at',
  );
});

void t.test('what openEc2 cannot do without', async (t) => {
  const made = await scene(t);
  const { openEc2 } = await import('../../src/cloud/aws/control.js');
  const facts = (await seat(made, 'a-1')).question().machine;
  await t.rejects(openEc2({ ...facts, instanceId: undefined }, {}), { message: /instance id/ });
  await t.rejects(openEc2({ ...facts, region: undefined, zone: undefined }, {}), {
    message: /did not tell the region/,
  });
  await t.rejects(openEc2(facts, { AWS_ENDPOINT_URL: 'ec2.example.net' }), {
    message: /AWS_ENDPOINT_URL is no URL/,
  });
  const { ec2Endpoint } = await import('../../src/cloud/aws/ec2-client.js');
  t.equal(ec2Endpoint('eu-west-1', {}).href, 'https://ec2.eu-west-1.amazonaws.com/');
  t.equal(ec2Endpoint('cn-north-1', {}).href, 'https://ec2.cn-north-1.amazonaws.com.cn/');
  t.equal(
    ec2Endpoint('x', { AWS_ENDPOINT_URL: 'http://a/', AWS_ENDPOINT_URL_EC2: 'http://b/' }).href,
    'http://b/',
  );
});
