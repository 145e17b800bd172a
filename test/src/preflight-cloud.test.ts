/**
 * Preflight of what a provider's API says: firewalls evaluated, switches, permissions, the time; and
 * of a whole cluster.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Cluster, ObservedNode } from '../../encap/cluster.js';
import { parsePrefix } from '../../encap/prefix.js';
import type { FirewallRule } from '../../src/cloud/admission.js';
import type { CloudChange, CloudControl, FirewallReading } from '../../src/cloud/control.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { skewOf } from '../../src/preflight/cloud/clock.js';
import type { CloudFacts } from '../../src/preflight/facts.js';
import { readCloudHere } from '../../src/preflight/read-cloud.js';
import { preflightCluster } from '../../src/preflight/whole-cluster.js';
import { awsCluster, machineOf, scene, seat } from '../support/aws-cluster.js';
import { type World, clusterOf, nic, one, preflight, rack } from '../support/preflight-world.js';

t.test("the cloud's time is read from any answer", async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(401, { date: new Date(Date.now() - 120_000).toUTCString() }).end('no');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const skew = await skewOf(new URL(`http://127.0.0.1:${port}/`));
  t.ok(Math.abs(skew! - 120_000) < 5_000, `${skew} ms`);
  server.close();
  await t.rejects(skewOf(new URL('http://127.0.0.1:1/')), { code: 'ECONNREFUSED' });
});

const aws = `
version: 1
cluster: vpc
overlay: { pools: [10.64.0.0/16] }
zones:
  - { name: a, provider: aws, region: r1, subnets: [10.0.0.0/20] }
  - { name: b, provider: aws, region: r1, subnets: [10.0.16.0/20] }
rules:
  - { name: all, mode: auto }
nodes:
  - { name: n1, address: 10.0.0.11/20, overlay: 10.64.1.0/24 }
  - { name: n2, address: 10.0.16.12/20, overlay: 10.64.2.0/24 }
`;

const instance: MachineFacts = {
  ...{ provider: 'aws', instanceId: 'i-1', instanceName: undefined, zone: 'r1a', region: 'r1' },
  ...{ account: '1', nics: [], publicAddresses: [] },
};

function rule(protocol: FirewallRule['protocol'], more: Partial<FirewallRule> = {}): FirewallRule {
  return {
    ...{ name: `sg-1 rule ${String(protocol)}`, direction: 'ingress', action: 'allow', protocol },
    ...{ prefixes: [parsePrefix('10.0.0.0/16')], groups: [], priority: 0 },
    ...more,
  };
}

const vxlanRule = rule(17, { ports: { from: 4789, to: 4789 } });

interface FakeCloud {
  readonly rules: readonly FirewallRule[];
  readonly observed?: Partial<ObservedNode>;
  readonly changes?: readonly CloudChange[];
  readonly failure?: string;
  readonly skewMs?: number;
}

/** By way of a control, as the command does it. */
async function cloudOf(cluster: Cluster, cloud: FakeCloud): Promise<CloudFacts> {
  let closed = 0;
  const firewall = {
    rules: cloud.rules,
    otherwise: { ingress: 'deny', egress: 'allow' },
  } as const;
  const of = (node: string) => ({ node, id: 'sg-1', text: 'security group sg-1', firewall });
  const reading: FirewallReading = {
    firewalls: [of('n1'), of('n2')],
    groups: new Map([['n2', ['sg-1']]]),
    problems: [],
  };
  const observed: ObservedNode = {
    ...{ switches: {}, admits: {}, source: 'EC2 API, eni-1', waits: {} },
    ...cloud.observed,
  };
  const control: CloudControl = {
    provider: 'aws',
    read: () =>
      cloud.failure === undefined
        ? Promise.resolve({
            ...{ observed: new Map([['n1', observed]]), changes: cloud.changes ?? [] },
            ...{ problems: [], notes: [] },
          })
        : Promise.reject(new Error(cloud.failure)),
    leave: () => Promise.resolve([]),
    firewalls: () => Promise.resolve(reading),
    close: () => {
      closed++;
    },
  };
  const asked = { cluster, node: cluster.nodes.get('n1')! };
  const found = await readCloudHere(asked, {
    open: () => Promise.resolve({ machine: instance, control }),
    skew: () => Promise.resolve(cloud.skewMs),
  });
  if ('absent' in found || closed !== 1) throw new Error('not read, or not closed');
  return found;
}

async function cloudWorld(cloud: FakeCloud, text = aws): Promise<World> {
  const cluster = clusterOf(text);
  return {
    cluster,
    kernel: { nics: [nic('10.0.0.11/20', 9001)], routes: [] },
    cloud: await cloudOf(cluster, cloud),
  };
}

t.test('a security group is evaluated for what is sent', async (t) => {
  const text = aws.replace('mode: auto', 'mode: vxlan');
  const open = await cloudWorld({ rules: [vxlanRule] }, text);
  t.match(await one(t, 'cloud-firewall-vxlan', open), { status: 'ok' });
  const shut = await cloudWorld({ rules: [] }, text);
  t.match(await one(t, 'cloud-firewall-vxlan', shut), {
    status: 'fail',
    found: 'security group sg-1: no rule admits VXLAN (UDP 4789) from n2',
    needed: 'VXLAN (UDP 4789) from 10.0.16.0/20',
    fix: {
      commands: [
        "aws ec2 authorize-security-group-ingress --group-id sg-1 --ip-permissions 'IpProtocol=udp,FromPort=4789,ToPort=4789,IpRanges=[{CidrIp=10.0.16.0/20}]'",
      ],
      terraform: [
        'resource "aws_vpc_security_group_ingress_rule" "selvage_vxlan_0" {',
        '  security_group_id = "sg-1"',
        '  ip_protocol       = "udp"',
        '  from_port         = 4789',
        '  to_port           = 4789',
        '  cidr_ipv4         = "10.0.16.0/20"',
        '}',
      ],
    },
  });
  const own = await cloudWorld({ rules: [rule(17, { prefixes: [], groups: ['sg-1'] })] }, text);
  t.match(await one(t, 'cloud-firewall-vxlan', own), { status: 'ok' }, 'members of a group');
});

t.test(
  'a missing protocol 4 is named where auto does without, and where a rule forces it',
  async (t) => {
    const blocked = { admits: { b: { ipip: 'blocked', vxlan: 'allowed' } } } as const;
    const without = await cloudWorld({ rules: [vxlanRule], observed: blocked });
    t.match(await one(t, 'cloud-firewall-ipip', without), {
      status: 'warn',
      found:
        'security group sg-1: no rule admits IP protocol 4 (IPv4 in IPv4) from n2; another mode is used instead',
    });
    const forced = await cloudWorld(
      { rules: [vxlanRule, rule(94)] },
      aws.replace('mode: auto', 'mode: ipip, force: true'),
    );
    const results = await preflight(t, forced);
    const of = (id: string) => results.filter((result) => result.id === id);
    t.match(of('cloud-firewall-ipip'), [
      {
        status: 'fail',
        fix: { commands: [/'IpProtocol=4,IpRanges=\[\{CidrIp=10\.0\.16\.0\/20\}\]'/] },
      },
    ]);
    t.match(of('cloud-protocol-94'), [
      {
        status: 'warn',
        found: 'sg-1 rule 94 of security group sg-1 admits protocol 94, which nobody speaks',
      },
    ]);
  },
);

t.test('switches, permissions and an API that fails', async (t) => {
  const native = aws
    .replace('mode: auto', 'mode: native, force: true')
    .replaceAll(
      'region: r1',
      'region: r1, sourceDestinationCheck: disabled, fabricRoutes: present',
    );
  const change: CloudChange = {
    ...{ text: 'switch it off', call: 'ModifyNetworkInterfaceAttribute' },
    ...{ permission: 'ec2:ModifyNetworkInterfaceAttribute', makes: 'sourceDestinationCheck' },
    tryOut: () => Promise.resolve('denied'),
    carryOut: () => Promise.reject(new Error('preflight changes nothing')),
  };
  const on = { switches: { sourceDestinationCheck: 'enabled' } } as const;
  const world = await cloudWorld({ rules: [rule('all')], observed: on, changes: [change] }, native);
  const results = await preflight(t, world);
  const of = (id: string) => results.find((result) => result.id === id);
  t.match(of('cloud-switches'), {
    status: 'fail',
    found: 'source/destination check: enabled, says EC2 API, eni-1; the cluster file says disabled',
    fix: { commands: [/--no-source-dest-check/] },
  });
  t.match(of('cloud-permissions'), {
    status: 'warn',
    found: 'ModifyNetworkInterfaceAttribute is denied: switch it off',
    needed: 'ec2:ModifyNetworkInterfaceAttribute',
  });
  t.match(of('cloud-firewall-native'), {
    status: 'fail',
    found: /bare packets of workloads from n2/,
  });
  const failing = await cloudWorld({ rules: [vxlanRule], failure: 'RequestLimitExceeded' });
  t.match(await one(t, 'cloud-access', failing), { status: 'warn', found: 'RequestLimitExceeded' });
  t.match(await one(t, 'cloud-firewall-ipip', failing), { status: 'fail' }, 'the rest goes on');
  const late = await cloudWorld({ rules: [vxlanRule], skewMs: -400_000 });
  t.match(await one(t, 'clock', late), {
    status: 'warn',
    found: "400 s behind the cloud's: its API refuses our calls",
  });
  const nobody = await readCloudHere({
    cluster: clusterOf(rack),
    node: clusterOf(rack).nodes.get('n1')!,
  });
  t.match(nobody, { absent: /of no cloud \(onprem\)/ });
});

t.test('a whole cluster, by its file and the firewalls', async (t) => {
  const cluster = clusterOf(aws);
  const cloud = await cloudOf(cluster, { rules: [vxlanRule] });
  const report = preflightCluster({ cluster, file: 'cluster.yaml', cloud });
  t.equal(report.worst, 'fail');
  t.same(
    report.checks
      .filter(({ status }) => status === 'fail')
      .map(({ id, title }) => `${id} ${title}`),
    ['cloud-firewall-ipip n1', 'cloud-firewall-ipip n2'],
  );
  const shut = preflightCluster({
    cluster: clusterOf(
      aws.replaceAll('region: r1', 'region: r1, firewall: { vxlan: blocked, ipip: blocked }'),
    ),
    file: 'cluster.yaml',
    cloud: { absent: 'not asked' },
  });
  t.match(
    shut.checks.find(({ id }) => id === 'pairs-black-hole'),
    { status: 'fail', fix: { commands: ['selvage route-explain n2 --from n1'] } },
  );
});

t.test('with the EC2 API itself', async (t) => {
  const made = await scene(t);
  const { control } = await seat(made, 'a-1');
  const cluster = awsCluster();
  const node = cluster.nodes.get('a-1')!;
  const look = async () => {
    const opened = { machine: machineOf(made, 'a-1'), control };
    const cloud = await readCloudHere(
      { cluster, node },
      { open: () => Promise.resolve(opened), skew: () => Promise.resolve(0) },
    );
    if ('absent' in cloud) throw new Error(cloud.absent);
    const kernel = { nics: [nic('10.0.1.11/24', 9001)] };
    const results = await preflight(t, { cluster, node: 'a-1', cloud, kernel });
    return (id: string) => results.filter((result) => result.id === id);
  };
  const open = await look();
  t.match(open('cloud-access'), [{ status: 'ok', found: 'aws answers' }]);
  t.match(open('cloud-firewall-ipip'), [{ status: 'ok' }]);
  t.match(open('cloud-firewall-vxlan'), [
    {
      status: 'fail',
      found: /^security groups sg-\w+ of eni-\w+: no rule admits VXLAN \(UDP 4789\) from r-1$/,
      fix: { commands: [new RegExp(`--group-id ${made.group.id} .*192\\.168\\.7\\.11/32`)] },
    },
  ]);
  t.match(open('cloud-permissions'), [{ status: 'ok', found: /calls tried, all allowed$/ }]);
  t.match(open('cloud-switches')[0], {
    status: 'warn',
    found: /packets are encapsulated meanwhile/,
  });
  const eni = made.interfaces.get('a-1')!;
  t.same([eni.sourceDestCheck, eni.tags.size], [true, 0], 'nothing is changed');

  made.group.ingress[0] = { protocol: '94', groups: [made.group.id] };
  const mistaken = await look();
  t.match(mistaken('cloud-firewall-ipip'), [
    { status: 'warn', found: /no rule admits IP protocol 4 .* from a-2, b-1; another mode/ },
  ]);
  t.match(mistaken('cloud-protocol-94'), [
    { status: 'warn', fix: { commands: [/'IpProtocol=4,IpRanges=\[\{CidrIp=10\.0\.1\.12\/32\}/] } },
  ]);
});
