/**
 * Nodes in four clouds and a rack, with the clouds' metadata services and APIs as fakes that decide
 * what the lab's underlay drops. The agents are the real ones and ask at the real addresses.
 *
 *     az-a: aws-1 aws-2   az-b: aws-3   gce: gce-1 gce-2 gce-3   azure: azure-1   rack: rack-1
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Cluster, Switches } from '../../encap/cluster.js';
import type { StatusReport } from '../../src/agent/status.js';
import { agentRequest } from '../../src/agent/client.js';
import { loadClusterFile } from '../../src/config/index.js';
import { startAgent, untilReady } from '../../src/lab/agents.js';
import type { SwitchSetting } from '../../src/lab/commands.js';
import { labDown, labRun, labUp, matrixText, setSwitches } from '../../src/lab/commands.js';
import type { Lab } from '../../src/lab/lab.js';
import { writeManifest } from '../../src/lab/manifest.js';
import type { ProcessRecord } from '../../src/lab/processes.js';
import { selvageProgram } from '../../src/lab/program.js';
import { tryCommand } from '../../src/lab/shell.js';
import { FakeArm } from '../fakes/cloud/azure-arm.js';
import { FakeEc2 } from '../fakes/cloud/ec2.js';
import type { FakeGroup, FakeInterface, FakePermission } from '../fakes/cloud/ec2-world.js';
import { WorldBuilder, routeState } from '../fakes/cloud/ec2-world.js';
import { FakeCompute } from '../fakes/cloud/gce-compute.js';
import { FakeAwsMetadata, awsSecrets } from '../fakes/cloud/metadata-aws.js';
import { FakeAzureMetadata, azureExample, azureSecrets } from '../fakes/cloud/metadata-azure.js';
import { FakeGceMetadata, gceExample, gceSecrets } from '../fakes/cloud/metadata-gce.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import {
  CloudDoors,
  cloudAddresses,
  cloudAgent,
  cloudVariables,
  inOrder,
  macOf,
} from '../support/cloud-lab.js';
import { namespaceCalled } from '../support/netns.js';
import { startTraffic, trafficTable } from '../support/traffic.js';

const stateRoot = `/run/selvage-cloud-test-${process.pid}`;
const name = `c${process.pid}`;
const file = `${stateRoot}/cluster.yaml`;
const checkCall = 'ModifyNetworkInterfaceAttribute';

const text = `
version: 1
cluster: clouds
cloud: { manage: true, refreshSeconds: 5 }
overlay: { pools: [10.64.0.0/12] }
zones:
  - { name: az-a, provider: aws, region: eu-west-1, subnets: [10.10.0.0/24] }
  - { name: az-b, provider: aws, region: eu-west-1, subnets: [10.10.1.0/24] }
  - { name: gce, provider: gce, region: europe-west1, subnets: [10.20.0.0/24] }
  - { name: azure, provider: azure, region: westeurope, subnets: [10.30.0.0/24] }
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24] }
links:
  - { between: [rack, { provider: aws }], mtu: 1446 }
rules:
  - { name: zones-of-aws, between: [{ zone: az-a }, { zone: az-b }], mode: native }
  - { name: two-of-gce, between: [{ node: gce-1 }, { node: gce-2 }], mode: native }
nodes:
  - { name: aws-1, address: 10.10.0.11, overlay: 10.64.1.0/24 }
  - { name: aws-2, address: 10.10.0.12, overlay: 10.64.2.0/24 }
  - { name: aws-3, address: 10.10.1.13, overlay: 10.64.3.0/24 }
  - { name: gce-1, address: 10.20.0.11, overlay: 10.64.4.0/24 }
  - { name: gce-2, address: 10.20.0.12, overlay: 10.64.5.0/24 }
  - { name: gce-3, address: 10.20.0.13, overlay: 10.64.8.0/24 }
  - { name: azure-1, address: 10.30.0.11, overlay: 10.64.6.0/24 }
  - { name: rack-1, address: 192.168.10.11/24, overlay: 10.64.7.0/24 }
`;

/** Secrets of the fakes: none may ever be found anywhere. */
const secrets = [
  awsSecrets.secretAccessKey,
  awsSecrets.token,
  awsSecrets.accessKeyId,
  gceSecrets.accessToken,
  azureSecrets.accessToken,
];

async function load(): Promise<Cluster> {
  const result = await loadClusterFile(file);
  if (!result.ok) throw new Error(result.problems.map((problem) => problem.message).join('\n'));
  return result.cluster;
}

/** The account: one VPC, a table of its own for the second subnet, one group for all nodes. */
function account(lab: Lab) {
  const builder = new WorldBuilder();
  const vpc = builder.vpc('10.10.0.0/16');
  const a = builder.subnet(vpc, { cidr: '10.10.0.0/24', zone: 'eu-west-1a' });
  const b = builder.subnet(vpc, { cidr: '10.10.1.0/24', zone: 'eu-west-1b' });
  builder.table(vpc, { subnets: [b] });
  const everywhere = ['10.10.0.0/16', '10.20.0.0/24', '10.30.0.0/24', '192.168.10.0/24'];
  const protocol4: FakePermission = { protocol: '4', cidrs: everywhere };
  const group = builder.group(vpc, {
    name: 'nodes',
    ingress: [
      protocol4,
      { protocol: 'udp', from: 4789, to: 4789, cidrs: everywhere },
      { protocol: 'icmp', from: -1, to: -1, cidrs: everywhere },
      { protocol: '-1', cidrs: ['10.64.0.0/12'] },
    ],
  });
  const interfaces = new Map<string, FakeInterface>();
  const metadata = new Map<string, FakeAwsMetadata>();
  for (const [node, address, subnet] of [
    ['aws-1', '10.10.0.11', a],
    ['aws-2', '10.10.0.12', a],
    ['aws-3', '10.10.1.13', b],
  ] as const) {
    const instance = builder.instance(node);
    const nic = builder.attach(instance, { subnet, addresses: [address], groups: [group] });
    interfaces.set(node, nic);
    metadata.set(
      node,
      new FakeAwsMetadata({
        instanceId: instance.id,
        accountId: '123456789012',
        zone: subnet.zone,
        region: 'eu-west-1',
        role: 'selvage-node',
        nics: [
          {
            mac: macOf(lab, node),
            interfaceId: nic.id,
            deviceNumber: 0,
            subnetId: subnet.id,
            subnetIpv4: subnet.cidr,
            vpcId: vpc.id,
            securityGroups: [group.id],
            ipv4s: [address],
          },
        ],
      }),
    );
  }
  return { world: builder.world, interfaces, metadata, group, protocol4 };
}

t.test(
  'clouds',
  { skip: skipReason('netns', 'nft', 'tcpdump', 'kernel-vxlan'), timeout: 280_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, text);
    const cluster = await load();
    const doors = new CloudDoors(`${stateRoot}/doors`);
    t.teardown(async () => {
      await labDown(name, { stateRoot }).catch(() => undefined);
      await doors.close();
      rmSync(stateRoot, { recursive: true, force: true });
    });
    let lab = await labUp({
      lab: name,
      cluster,
      configFile: file,
      stateRoot,
      agentCommand: () => undefined,
    });

    const { world, interfaces, metadata, group, protocol4 } = account(lab);
    const aws = new FakeEc2({
      world,
      principals: [
        {
          name: 'selvage-node',
          accessKeyId: awsSecrets.accessKeyId,
          secretAccessKey: awsSecrets.secretAccessKey,
          sessionToken: awsSecrets.token,
        },
      ],
      onChange: () => underlay.add(undefined),
    });
    const compute = new FakeCompute({
      project: 'example-project',
      accepts: (token) => token === gceSecrets.accessToken,
    });
    compute.onChange = () => underlay.add(undefined);
    compute.addFirewall({
      name: 'allow-overlay',
      allowed: [
        { IPProtocol: 'ipip' },
        { IPProtocol: 'udp', ports: ['4789'] },
        { IPProtocol: 'icmp' },
      ],
      sourceRanges: ['10.0.0.0/8', '192.168.0.0/16'],
    });
    compute.addFirewall({
      name: 'allow-workloads',
      allowed: [{ IPProtocol: 'all' }],
      sourceRanges: ['10.64.0.0/12'],
    });
    const azure = new FakeAzureMetadata({
      ...azureExample,
      name: 'azure-1',
      nics: [
        {
          macAddress: macOf(lab, 'azure-1').replaceAll(':', '').toUpperCase(),
          privateIpAddress: '10.30.0.11',
          subnet: { address: '10.30.0.0', prefix: '24' },
        },
      ],
    });
    const arm = new FakeArm({
      subscription: azureExample.subscriptionId,
      accepts: (token) => token === azureSecrets.accessToken,
    });
    arm.onChange = () => underlay.add(undefined);
    arm.addNetwork('vnet', {
      spaces: ['10.30.0.0/16'],
      subnets: { nodes: { prefix: '10.30.0.0/24' } },
    });
    arm.addNic({ name: 'azure-1', address: '10.30.0.11', group: azureExample.resourceGroupName });
    const google = (['gce-1', 'gce-2', 'gce-3'] as const).map((node, i) => {
      const address = `10.20.0.${11 + i}`;
      const { id } = compute.addInstance({ name: node, zone: 'europe-west1-b', address });
      const fake = new FakeGceMetadata({
        ...gceExample,
        id: String(id),
        name: node,
        nics: [
          {
            ip: address,
            mac: macOf(lab, node),
            mtu: 1460,
            network: 'projects/123456789012/networks/default',
            subnetmask: '255.255.255.0',
            gateway: '10.20.0.1',
          },
        ],
      });
      return [address, fake] as const;
    });

    // The fakes' state as switches of the lab's underlay.
    const set = new Map<string, string>();
    const underlay = inOrder<undefined>(async () => {
      for (const [node, nic] of interfaces) {
        const routed = [...world.tables.values()].every((table) =>
          table.routes.some(
            (route) =>
              route.destination === cluster.nodes.get(node)!.overlay[0]!.text &&
              route.target.id === nic.id &&
              routeState(world, route) === 'active',
          ),
        );
        await say(node, {
          sourceDestinationCheck: nic.sourceDestCheck ? 'enabled' : 'disabled',
          fabricRoutes: routed ? 'present' : 'absent',
          firewall: { ipip: admitsProtocol4(group) ? 'allowed' : 'blocked' },
        });
      }
      await say('azure-1', {
        ipForwarding:
          arm.get(arm.id('networkInterfaces', 'azure-1', azureExample.resourceGroupName)).properties
            .enableIPForwarding === true
            ? 'enabled'
            : 'disabled',
      });
      for (const node of ['gce-1', 'gce-2', 'gce-3'])
        await say(node, {
          fabricRoutes: [...compute.routes.values()].some(
            (route) =>
              route['destRange'] === cluster.nodes.get(node)!.overlay[0]!.text &&
              String(route['nextHopInstance']).endsWith(`/${node}`),
          )
            ? 'present'
            : 'absent',
          ipForwarding: compute.instances.get(node)?.canIpForward === true ? 'enabled' : 'disabled',
        });
    });
    async function say(node: string, switches: Switches): Promise<void> {
      const wanted = JSON.stringify(switches);
      if (set.get(node) === wanted) return;
      set.set(node, wanted);
      lab = await setSwitches(lab, { node, switches: settingsOf(switches) });
    }

    const everything = [
      ...[...metadata].map(([node, fake]) => [addressOf(lab, node), fake] as const),
      ...google,
      [addressOf(lab, 'azure-1'), azure] as const,
    ];
    for (const [client, fake] of everything)
      await doors.serve(cloudAddresses.metadata, { url: (await fake.start()).url, client });
    await doors.serve(cloudAddresses.ec2, await aws.start());
    await doors.serve(cloudAddresses.compute, await compute.start());
    await doors.serve(cloudAddresses.arm, await arm.start());
    t.teardown(async () => {
      await aws.close();
      await compute.close();
      await arm.close();
      for (const [, fake] of everything) await fake.close();
    });
    for (const zone of lab.plan.zones) if (zone.name !== 'rack') await doors.open(zone.namespace);

    const socketOf = (node: string): string => lab.files.get(node)!.agentSocket;
    const status = (node: string): Promise<StatusReport> =>
      agentRequest({
        socket: socketOf(node),
        method: 'GET',
        path: '/v1/status',
      }) as Promise<StatusReport>;
    const modeOf = async (from: string, to: string): Promise<string | undefined> =>
      (await status(from)).peers.find((peer) => peer.node === to)?.mode;
    const becomes = (from: string, to: string, mode: string | undefined): Promise<number> =>
      eventually(
        async () => (await modeOf(from, to)) === mode && (await modeOf(to, from)) === mode,
        () => `${from} and ${to} do not come to ${mode ?? 'nothing'}`,
        40_000,
      );
    const explain = (from: string, to: string): Promise<string> =>
      outputOf([...selvageProgram(), 'route-explain', to, '--socket', socketOf(from)]).then(
        (said) => said.replaceAll(/\s+/g, ' '),
      );
    const inNode = async (node: string, argv: readonly string[]): Promise<[string, number]> => {
      const { namespace } = lab.plan.nodes.find((entry) => entry.name === node)!;
      const ran = await tryCommand(['env', ...cloudVariables, ...selvageProgram(), ...argv], {
        namespace,
      });
      return [`${ran.stdout}${ran.stderr}`.replaceAll(/\s+/g, ' '), ran.status];
    };
    const agents = new Map<string, ProcessRecord>();
    async function startAll(nodes: readonly string[]): Promise<void> {
      for (const node of lab.plan.nodes.filter((entry) => nodes.includes(entry.name))) {
        const { runtimeDir, stateDir } = lab.files.get(node.name)!;
        for (const folder of [runtimeDir, stateDir])
          mkdirSync(folder, { recursive: true, mode: 0o700 });
        agents.set(node.name, (await startAgent(lab, node, cloudAgent))!);
      }
      lab = { ...lab, manifest: { ...lab.manifest, processes: [...agents.values()] } };
      writeManifest(lab.paths, lab.manifest);
      await untilReady(lab, agents, { timeoutMs: 30_000, onReady: () => undefined });
    }
    const all = lab.plan.nodes.map((node) => node.name);

    aws.deny(checkCall);
    await startAll(all);

    await t.test('fresh nodes of AWS, with the check on, come up encapsulated', async (t) => {
      let said = '';
      await eventually(
        async () => (said = await explain('aws-1', '10.64.2.9')).includes('grant ec2:'),
        () => `aws-1 does not say what it waits for: ${said}`,
      );
      t.equal(await modeOf('aws-1', 'aws-2'), 'ipip');
      t.match(said, /sourceDestinationCheck must be disabled, but it is enabled \(EC2/);
      t.match(said, /not permitted; grant ec2:ModifyNetworkInterfaceAttribute/);
      t.equal(interfaces.get('aws-1')!.sourceDestCheck, true);
    });

    await t.test(
      'the check goes off, and the pair moves to native without a lost packet',
      async (t) => {
        const traffic = await startTraffic(t, {
          ends: (['aws-1', 'aws-2'] as const).map((node) => {
            const plan = lab.plan.nodes.find((entry) => entry.name === node)!;
            return {
              namespace: namespaceCalled(plan.workloadNamespace),
              addresses: [plan.workload[0]!.address.text],
            };
          }) as never,
          perSecond: 1_000,
          tcpBytesPerSecond: 500_000,
        });
        await traffic.during('permission is granted', async () => {
          aws.allow(checkCall);
          await becomes('aws-1', 'aws-2', 'native');
          await underlay.settled();
        });
        const result = await traffic.end();
        for (const line of trafficTable(result)) t.comment(line);
        // Where the packets went, should one be missing.
        for (const node of ['aws-1', 'aws-2'])
          for (const { device, counters } of (await status(node)).planes)
            t.comment(`${node} ${device}: ${JSON.stringify(counters)}`);
        t.equal(interfaces.get('aws-1')!.sourceDestCheck, false);
        t.strictSame(
          result.total.lost,
          result.total.lost.map(() => 0),
          'no packet is lost',
        );
        t.equal(result.total.reordered.length, 2);
      },
    );

    await t.test('a rule for native across subnets writes the routes of every table', async (t) => {
      await becomes('aws-1', 'aws-3', 'native');
      await underlay.settled();
      for (const table of world.tables.values())
        t.strictSame(
          table.routes
            .filter((route) => route.origin === 'CreateRoute')
            .map((route) => route.destination)
            .sort(),
          ['10.64.1.0/24', '10.64.2.0/24', '10.64.3.0/24'],
          table.id,
        );
    });

    await t.test('each node of four providers is handled by its own', async (t) => {
      const expected = {
        'aws-1': { provider: 'aws', switches: { sourceDestinationCheck: 'disabled' } },
        'gce-1': { provider: 'gce', switches: { ipForwarding: 'enabled' } },
        'gce-3': { provider: 'gce', switches: { ipForwarding: 'disabled' } },
        'azure-1': { provider: 'azure', switches: { ipForwarding: 'disabled' } },
        'rack-1': { provider: null, idle: /rack-1 is in no cloud/ },
      };
      for (const [node, wanted] of Object.entries(expected)) {
        let last: StatusReport['cloud'];
        const read = async (): Promise<StatusReport['cloud']> =>
          (last = (await status(node)).cloud);
        if ('switches' in wanted) {
          const [name, value] = Object.entries(wanted.switches)[0]!;
          await eventually(
            async () => (await read())?.switches[name as 'ipForwarding'] === value,
            () => `${node} does not come to ${name} ${value}: ${JSON.stringify(last)}`,
            40_000,
          );
        }
        t.match(await read(), { ...wanted, failures: 0, failure: null }, node);
      }
      await underlay.settled();
    });

    await t.test('every pair of all clouds carries what was decided', async (t) => {
      await becomes('aws-2', 'aws-3', 'native');
      await becomes('gce-1', 'gce-2', 'native');
      await underlay.settled();
      const matrix = await labRun(lab, { only: ({ from, to }) => from.name < to.name });
      t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
      t.equal(matrix.totals.lost, 0);
      const seen = (from: string, to: string): string | undefined =>
        matrix.pairs.find((pair) => pair.from === from && pair.to === to)?.seen;
      t.equal(seen('aws-1', 'aws-2'), 'native');
      t.equal(seen('aws-1', 'aws-3'), 'native');
      t.equal(seen('gce-1', 'gce-2'), 'native', 'by routes, as a rule asks for it');
      t.not(seen('gce-1', 'gce-3'), 'native', 'a /32 is in nobody’s subnet');
      for (const [from, to] of [
        ['aws-1', 'azure-1'],
        ['azure-1', 'gce-1'],
        ['azure-1', 'rack-1'],
      ] as const)
        t.equal(seen(from, to), 'vxlan', `${from} to ${to}: Azure never gets protocol 4`);
    });

    await t.test(
      'an API that throttles, hangs or is gone changes nothing that forwards',
      async (t) => {
        const failures = async (): Promise<number> => (await status('aws-1')).cloud?.failures ?? 0;
        aws.troubles.push({ kind: 'throttle' });
        await eventually(
          async () => (await failures()) > 0,
          () => 'no reading failed',
        );
        t.equal(await modeOf('aws-1', 'aws-2'), 'native');
        process.kill(agents.get('aws-1')!.pid, 'SIGKILL');
        await sleep(200);
        await startAll(['aws-1']);
        t.equal(await modeOf('aws-1', 'aws-2'), 'native', 'nor does a restart meanwhile');
        t.equal(await modeOf('aws-2', 'aws-1'), 'native');
        const matrix = await labRun(lab, {
          only: ({ from, to }) => from.name === 'aws-1' && to.name === 'aws-2',
        });
        t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
        aws.troubles.length = 0;
      },
    );

    await t.test(
      'somebody switches the check on, for good: the pair is encapsulated again',
      async (t) => {
        // Agents that failed wait half a minute; new ones ask at once.
        for (const node of ['aws-1', 'aws-2', 'aws-3'])
          process.kill(agents.get(node)!.pid, 'SIGTERM');
        await sleep(500);
        aws.deny(checkCall);
        interfaces.get('aws-2')!.sourceDestCheck = true;
        underlay.add(undefined);
        await underlay.settled();
        await startAll(['aws-1', 'aws-2', 'aws-3']);
        await becomes('aws-1', 'aws-2', 'ipip');
        const matrix = await labRun(lab, {
          only: ({ from, to }) => from.name === 'aws-1' && to.name === 'aws-2',
        });
        t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
        t.equal(matrix.pairs[0]?.seen, 'ipip');
      },
    );

    await t.test('a security group that lacks protocol 4 makes auto use VXLAN', async (t) => {
      group.ingress = group.ingress.filter((entry) => entry !== protocol4);
      underlay.add(undefined);
      await underlay.settled();
      await becomes('aws-1', 'aws-2', 'vxlan');
      t.match(await explain('aws-1', '10.64.2.9'), /its firewall blocks ipip \(EC2/);
      const matrix = await labRun(lab, {
        only: ({ from, to }) => from.name === 'aws-1' && to.name === 'aws-2',
      });
      t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
      t.equal(matrix.pairs[0]?.seen, 'vxlan');
    });

    await t.test('preflight names the rule that the group lacks, with the command', async (t) => {
      const missing = new RegExp(
        `aws ec2 authorize-security-group-ingress --group-id ${group.id} [^$]*IpProtocol=4,`,
      );
      const [said, code] = await inNode('aws-1', [
        'preflight',
        '--config',
        file,
        '--node',
        'aws-1',
      ]);
      // Nothing is lost for it, as auto takes another way: so it warns, and does not fail.
      t.equal(code, 0);
      t.match(said, /! protocol 4 .*no rule admits/);
      t.match(said, missing);
      group.ingress.push(protocol4);
      underlay.add(undefined);
      await underlay.settled();
      const [again] = await inNode('aws-1', ['preflight', '--config', file, '--node', 'aws-1']);
      t.notMatch(again, missing);
    });

    await t.test(
      'a node that leaves takes its routes with it, and nothing of others',
      async (t) => {
        t.match(
          await outputOf([...selvageProgram(), 'cloud', 'status', '--socket', socketOf('aws-3')]),
          /aws-3: aws, i-0/,
        );
        process.kill(agents.get('aws-3')!.pid, 'SIGTERM');
        aws.allow(checkCall);
        const release = ['cloud', 'release', '--config', file, '--node', 'aws-3'];
        const [dry] = await inNode('aws-3', [...release, '--dry-run']);
        t.match(dry, /DeleteRoute/);
        const routesTo = (prefix: string): number =>
          [...world.tables.values()].filter((table) =>
            table.routes.some((route) => route.destination === prefix),
          ).length;
        t.equal(routesTo('10.64.3.0/24'), 2, 'a dry run removes nothing');
        const [, code] = await inNode('aws-3', release);
        t.equal(code, 0);
        t.equal(routesTo('10.64.3.0/24'), 0);
        t.equal(routesTo('10.64.1.0/24'), 2);
        t.equal(interfaces.get('aws-3')!.sourceDestCheck, true, 'what it switched off is on again');
        t.match((await inNode('aws-3', release))[0], /nothing is left of it/);
      },
    );

    await t.test('no secret is in a log, a report, a file or a snapshot', async (t) => {
      const bundle = `${stateRoot}/aws-1.snapshot`;
      await outputOf([
        ...selvageProgram(),
        'snapshot',
        '--socket',
        socketOf('aws-1'),
        '-o',
        bundle,
      ]);
      const places = new Map<string, string>();
      for (const node of all.filter((entry) => entry !== 'aws-3')) {
        places.set(`log of ${node}`, readFileSync(lab.files.get(node)!.agentLog, 'utf8'));
        places.set(`status of ${node}`, JSON.stringify(await status(node)));
      }
      places.set('snapshot', await outputOf(['sh', '-c', `cat ${bundle}; zcat ${bundle}`]));
      places.set(
        'files of the nodes',
        await outputOf(['grep', '-ra', '', ...all.map((node) => lab.files.get(node)!.runtimeDir)]),
      );
      t.ok(places.get('snapshot')!.length > 1_000, 'there is a bundle');
      t.match(places.get('files of the nodes'), /cloud-reading/, 'there is something to look at');
      for (const [place, content] of places)
        for (const secret of secrets)
          t.notOk(content.includes(secret), `${place}: no ${secret.slice(0, 4)}…`);
    });
  },
);

function admitsProtocol4(group: FakeGroup): boolean {
  return group.ingress.some(
    ({ protocol, cidrs = [] }) =>
      protocol === '4' || (protocol === '-1' && cidrs.includes('0.0.0.0/0')),
  );
}

/** Whatever its exit status is. */
async function outputOf(argv: readonly string[]): Promise<string> {
  return (await tryCommand(argv, {})).stdout;
}

function addressOf(lab: Lab, node: string): string {
  return lab.plan.nodes.find((entry) => entry.name === node)!.addresses[0]!.address.text;
}

function settingsOf({ firewall, ...rest }: Switches): readonly SwitchSetting[] {
  return [
    ...Object.entries(rest),
    ...Object.entries(firewall ?? {}).map(([traffic, verdict]) => [`firewall.${traffic}`, verdict]),
  ].map(([name, value]) => ({ name, value }) as SwitchSetting);
}
