/**
 * The fake of the EC2 API before an independent judge: Debian's `aws` command, which signs, builds
 * requests and reads answers with AWS's own model of the API. Calls that Selvage makes, calls that
 * it never makes, and how each is refused.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { createInterface } from 'node:readline';
import t from 'tap';
import { longId } from '../fakes/cloud/ec2-world.js';
import { accessKeyId, routesOf, scene, secret } from '../support/aws-cluster.js';
import { skipReason } from '../support/capabilities.js';

const skip = skipReason('aws');

interface Answer {
  readonly status: number;
  /** Parsed; undefined: nothing was printed. */
  readonly json: Record<string, unknown> | undefined;
  /** Code of the error, as the command names it. */
  readonly code: string | undefined;
}

/**
 * One process for all calls, as each would take most of a second to start; per call, what
 * /usr/bin/aws does: a driver from nothing, given the arguments.
 */
const driver = `
import contextlib, io, json, os, sys
from awscli import clidriver
for line in sys.stdin:
    call = json.loads(line)
    os.environ['AWS_SECRET_ACCESS_KEY'] = call['key']
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = clidriver.create_clidriver().main(call['args'])
    print(json.dumps({'status': status, 'out': out.getvalue(), 'err': err.getvalue()}), flush=True)
`;

type Aws = (args: string, key?: string) => Promise<Answer>;

/** Started with the first call. */
let child: ChildProcessByStdio<Writable, Readable, null> | undefined;
let lines: AsyncIterator<string>;
t.teardown(() => child?.stdin.end());

function awsAt(url: string): Aws {
  child ??= spawn('/usr/bin/python3', ['-c', driver], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: '/usr/bin:/bin',
      HOME: '/nonexistent',
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_MAX_ATTEMPTS: '1',
      AWS_PAGER: '',
    },
  });
  const { stdin, stdout } = child;
  lines ??= createInterface({ input: stdout })[Symbol.asyncIterator]();
  const common = ['--endpoint-url', url, '--region', 'eu-west-1', '--output', 'json'];
  return async (args, key = secret) => {
    stdin.write(`${JSON.stringify({ args: ['ec2', ...args.split(' '), ...common], key })}\n`);
    const line = await lines.next();
    const { status, out, err } = JSON.parse(String(line.value)) as Record<string, string>;
    return {
      status: Number(status),
      json: out === '' ? undefined : (JSON.parse(out!) as Record<string, unknown>),
      code: /An error occurred \((\S+?)\)/.exec(err!)?.[1],
    };
  };
}

void t.test('aws reads what the fake holds', { skip, timeout: 120_000 }, async (t) => {
  const made = await scene(t);
  const eni = made.interfaces.get('a-1')!;
  const more = Array.from({ length: 9 }, () => made.builder.table(made.vpc).id);
  eni.tags.set('selvage:node', 'a-1 <&>');
  const aws = awsAt(made.url);
  const inVpc = `Name=vpc-id,Values=${made.vpc.id}`;
  const interfaces = await aws(
    `describe-network-interfaces --filters Name=addresses.private-ip-address,Values=10.0.1.11,10.0.9.9 ${inVpc}`,
  );
  const instances = await aws('describe-instances --filters Name=tag:Name,Values=a-*');
  const tables = await aws(
    `describe-route-tables --page-size 5 --filters ${inVpc} --query {ids:RouteTables[].RouteTableId,main:RouteTables[?Associations[?Main]].RouteTableId|[]}`,
  );
  const groups = await aws(`describe-security-groups --group-ids ${made.group.id}`);
  const acls = await aws('describe-network-acls --filters Name=default,Values=true');
  const refusals = [
    await aws(`describe-route-tables --route-table-ids ${longId('rtb', 0xdead)}`),
    await aws('describe-instances --instance-ids i-12'),
    await aws('describe-network-interfaces --filters Name=colour,Values=red'),
  ];
  t.match(interfaces.json, {
    NetworkInterfaces: [
      {
        NetworkInterfaceId: eni.id,
        SourceDestCheck: true,
        PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: '10.0.1.11' }],
        Groups: [{ GroupId: made.group.id, GroupName: 'nodes' }],
        Attachment: { InstanceId: made.instances.get('a-1')!.id, DeviceIndex: 0 },
        TagSet: [{ Key: 'selvage:node', Value: 'a-1 <&>' }],
        VpcId: made.vpc.id,
      },
    ],
  });
  t.equal((interfaces.json?.['NetworkInterfaces'] as unknown[]).length, 1);
  const reservations = instances.json?.['Reservations'] as {
    Instances: { InstanceId: string }[];
  }[];
  t.same(
    reservations.map(({ Instances }) => Instances[0]?.InstanceId),
    [made.instances.get('a-1')!.id, made.instances.get('a-2')!.id],
  );
  t.same(tables.json, {
    ids: [made.tables.main.id, made.tables.b.id, ...more],
    main: [made.tables.main.id],
  });
  const pages = made.fake.calls('DescribeRouteTables').filter((call) => call.outcome === 'ok');
  t.same(
    pages.map(({ parameters }) => parameters['MaxResults']),
    ['5', '5', '5'],
    'eleven tables in pages of five',
  );
  t.match(groups.json, {
    SecurityGroups: [
      {
        IpPermissions: [
          { IpProtocol: '4', UserIdGroupPairs: [{ GroupId: made.group.id }] },
          { IpProtocol: '41' },
          { IpProtocol: 'udp', FromPort: 4789, ToPort: 4789 },
          { IpProtocol: '-1', IpRanges: [{ CidrIp: '10.64.0.0/12' }] },
        ],
        IpPermissionsEgress: [{ IpProtocol: '-1', Ipv6Ranges: [{ CidrIpv6: '::/0' }] }],
      },
    ],
  });
  t.match(acls.json, {
    NetworkAcls: [
      {
        IsDefault: true,
        Associations: [{ SubnetId: made.subnets.a.id }, { SubnetId: made.subnets.b.id }],
        Entries: [{ RuleNumber: 100, Protocol: '-1', RuleAction: 'allow', CidrBlock: '0.0.0.0/0' }],
      },
    ],
  });
  t.same(
    refusals.map(({ code }) => code),
    ['InvalidRouteTableID.NotFound', 'InvalidInstanceID.Malformed', 'InvalidParameterValue'],
  );
});

void t.test(
  'aws changes it, and is refused where EC2 refuses',
  { skip, timeout: 120_000 },
  async (t) => {
    const made = await scene(t);
    const [first, second] = [made.interfaces.get('a-1')!, made.interfaces.get('a-2')!];
    const { main } = made.tables;
    const route = (destination: string) => ({
      destination,
      target: { kind: 'networkInterfaceId' as const, id: first.id },
      origin: 'CreateRoute' as const,
    });
    main.routes.push(route('10.64.1.0/24'), route('10.64.7.0/24'));
    const modify = 'modify-network-interface-attribute --network-interface-id';
    const aws = awsAt(made.url);
    const inMain = `--route-table-id ${main.id} --destination-cidr-block`;
    const instance = made.instances.get('a-2')!.id;
    const tag = 'Key=selvage:cluster,Value=prod';
    const answers: Answer[] = [];
    for (const args of [
      `${modify} ${first.id} --no-source-dest-check --dry-run`,
      `modify-instance-attribute --instance-id ${instance} --no-source-dest-check`,
      `create-tags --resources ${second.id} ${main.id} --tags ${tag}`,
      `delete-tags --resources ${second.id} --tags Key=selvage:cluster,Value=other`,
      `create-route ${inMain} 10.64.1.0/24 --network-interface-id ${first.id}`,
      `create-route ${inMain} 10.64.3.0/24 --instance-id ${instance}`,
      `create-route ${inMain} 10.64.300.0/24 --instance-id ${instance}`,
      `replace-route ${inMain} 10.64.2.0/24 --network-interface-id ${second.id}`,
      `delete-route ${inMain} 10.64.7.0/24`,
      `delete-route ${inMain} 10.64.7.0/24`,
    ])
      answers.push(await aws(args));
    answers.push(await aws(`${modify} ${first.id} --no-source-dest-check`, 'wrong secret'));
    made.fake.deny('DeleteTags');
    answers.push(await aws(`delete-tags --resources ${second.id} --dry-run`));
    t.same(
      answers.map(({ status, code }) => code ?? status),
      [
        'DryRunOperation',
        0,
        0,
        0,
        'RouteAlreadyExists',
        0,
        'InvalidParameterValue',
        // EC2 has no code of its own for a route that is not there to be replaced.
        'InvalidParameterValue',
        0,
        'InvalidRoute.NotFound',
        'AuthFailure',
        'UnauthorizedOperation',
      ],
    );
    t.same([first.sourceDestCheck, second.sourceDestCheck], [true, false]);
    t.same(routesOf(main), [`10.64.1.0/24 ${first.id}`, `10.64.3.0/24 ${second.id}`]);
    t.equal(second.tags.get('selvage:cluster'), 'prod', 'a tag of another value is kept');
    const tags = await aws('describe-tags --filters Name=resource-type,Values=route-table');
    t.same(tags.json, {
      Tags: [
        { Key: 'selvage:cluster', ResourceId: main.id, ResourceType: 'route-table', Value: 'prod' },
      ],
    });
    t.notMatch(JSON.stringify(made.fake.log), secret);
  },
);
