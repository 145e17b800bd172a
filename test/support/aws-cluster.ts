/**
 * A cluster on AWS for tests: two subnets of one VPC, the first with the main route table and the
 * second with one of its own, and a rack beside them.
 *
 *     subnet a 10.0.1.0/24, main table     a-1 .11  a-2 .12
 *     subnet b 10.0.2.0/24, own table      b-1 .11
 *     rack     192.168.7.0/24              r-1 .11
 */
import type { Test } from 'tap';
import type { CloudSettings, Cluster, ClusterNode } from '../../encap/cluster.js';
import { parseAddress } from '../../encap/address.js';
import { openEc2, type Ec2Options } from '../../src/cloud/aws/control.js';
import {
  type CloudControl,
  CloudError,
  type CloudQuestion,
  type CloudReading,
} from '../../src/cloud/control.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { FakeEc2 } from '../fakes/cloud/ec2.js';
import {
  type FakeGroup,
  type FakeInstance,
  type FakeInterface,
  type FakeSubnet,
  type FakeTable,
  type FakeVpc,
  WorldBuilder,
} from '../fakes/cloud/ec2-world.js';
import { type NodeSketch, sketchCluster } from './cluster-builder.js';

export const pool = '10.64.0.0/12';
export const secret = 'wJalrXUtnFEMI/fakeSecretForTests';
export const accessKeyId = 'AKIAFAKEFORTESTS0000';

export interface AwsScene {
  readonly builder: WorldBuilder;
  readonly fake: FakeEc2;
  readonly url: string;
  readonly vpc: FakeVpc;
  readonly subnets: { readonly a: FakeSubnet; readonly b: FakeSubnet };
  readonly tables: { readonly main: FakeTable; readonly b: FakeTable };
  readonly group: FakeGroup;
  readonly instances: Map<string, FakeInstance>;
  /** The first interface of each node. */
  readonly interfaces: Map<string, FakeInterface>;
}

/** Ingress as deploy/aws asks for it: tunnels from the group, everything from the overlay. */
export const tunnelRules = (group: string) => [
  { protocol: '4', groups: [group] },
  { protocol: '41', groups: [group] },
  { protocol: 'udp', from: 4789, to: 4789, groups: [group] },
  { protocol: '-1', cidrs: [pool] },
];

const homes = { 'a-1': 'a', 'a-2': 'a', 'b-1': 'b' } as const;

/** Closed with the test that it is for. */
export async function scene(test: Pick<Test, 'teardown'>): Promise<AwsScene> {
  const made = await awsScene();
  test.teardown(() => made.fake.close());
  return made;
}

async function awsScene(): Promise<AwsScene> {
  const builder = new WorldBuilder();
  const vpc = builder.vpc('10.0.0.0/16');
  const subnets = {
    a: builder.subnet(vpc, { cidr: '10.0.1.0/24', zone: 'eu-west-1a' }),
    b: builder.subnet(vpc, { cidr: '10.0.2.0/24', zone: 'eu-west-1b' }),
  };
  const main = [...builder.world.tables.values()][0]!;
  const tables = { main, b: builder.table(vpc, { subnets: [subnets.b] }) };
  const group = builder.group(vpc, { name: 'nodes' });
  group.ingress.push(...tunnelRules(group.id));
  const instances = new Map<string, FakeInstance>();
  const interfaces = new Map<string, FakeInterface>();
  for (const [name, home] of Object.entries(homes)) {
    const instance = builder.instance(name);
    const address = name === 'a-2' ? '10.0.1.12' : home === 'a' ? '10.0.1.11' : '10.0.2.11';
    instances.set(name, instance);
    interfaces.set(
      name,
      builder.attach(instance, { subnet: subnets[home], addresses: [address], groups: [group] }),
    );
  }
  const principals = [{ name: 'node-role', accessKeyId, secretAccessKey: secret }];
  const fake = new FakeEc2({ world: builder.world, principals });
  const { url } = await fake.start();
  return { builder, fake, url, vpc, subnets, tables, group, instances, interfaces };
}

const sketches: readonly NodeSketch[] = [
  { name: 'a-1', zone: 'aws-a', at: '10.0.1.11/24', overlay: '10.64.1.0/24' },
  { name: 'a-2', zone: 'aws-a', at: '10.0.1.12/24', overlay: '10.64.2.0/24' },
  { name: 'b-1', zone: 'aws-b', at: '10.0.2.11/24', overlay: '10.64.3.0/24' },
  { name: 'r-1', zone: 'rack', at: '192.168.7.11/24', overlay: '10.64.9.0/24' },
];

export interface ClusterChanges {
  /** Replaces or adds by name. */
  readonly nodes?: readonly NodeSketch[];
  readonly without?: readonly string[];
  readonly cloud?: Partial<CloudSettings>;
}

export function awsCluster(changes: ClusterChanges = {}): Cluster {
  const nodes = new Map(sketches.map((sketch) => [sketch.name, sketch]));
  for (const sketch of changes.nodes ?? []) nodes.set(sketch.name, sketch);
  for (const name of changes.without ?? []) nodes.delete(name);
  return {
    ...sketchCluster({
      name: 'prod',
      pools: [pool, 'fd64::/48'],
      zones: {
        'aws-a': { provider: 'aws', region: 'eu-west-1' },
        'aws-b': { provider: 'aws', region: 'eu-west-1' },
        rack: { provider: 'onprem' },
      },
      nodes: [...nodes.values()],
    }),
    cloud: { manage: true, refreshMs: 60_000, routeLimit: 45, ...changes.cloud },
  };
}

export function machineOf(scene: AwsScene, node: string): MachineFacts {
  return {
    provider: 'aws',
    instanceId: scene.instances.get(node)?.id,
    instanceName: undefined,
    zone: 'eu-west-1a',
    region: 'eu-west-1',
    account: '012345678901',
    nics: [],
    publicAddresses: [parseAddress('203.0.113.7')],
  };
}

export interface Seat {
  readonly control: CloudControl;
  readonly node: string;
  question(changes?: Partial<CloudQuestion>): CloudQuestion;
  read(changes?: Partial<CloudQuestion>): Promise<CloudReading>;
}

/** One node's view of the API. */
export async function seat(
  scene: AwsScene,
  node: string,
  options: Ec2Options & { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Seat> {
  const { env = keysEnv(scene), ...rest } = options;
  const machine = machineOf(scene, node);
  const control = await openEc2(machine, env, rest);
  const question = (changes: Partial<CloudQuestion> = {}): CloudQuestion => {
    const cluster = changes.cluster ?? awsCluster();
    return {
      cluster,
      self: nodeOf(cluster, node),
      machine,
      routed: true,
      routeLimit: cluster.cloud?.routeLimit ?? 45,
      ...changes,
    };
  };
  return { control, node, question, read: (changes) => control.read(question(changes)) };
}

export function nodeOf(cluster: Cluster, name: string): ClusterNode {
  const node = cluster.nodes.get(name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

export function keysEnv(scene: AwsScene): NodeJS.ProcessEnv {
  return {
    AWS_ENDPOINT_URL_EC2: scene.url,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secret,
  };
}

/** Carries out what a reading proposes, in order. */
export async function carryOut(reading: Pick<CloudReading, 'changes'>): Promise<void> {
  for (const change of reading.changes) await change.carryOut();
}

/** Routes of a table besides the local one: `10.64.1.0/24 eni-1`. */
export function routesOf(table: FakeTable): readonly string[] {
  return table.routes
    .filter((route) => route.origin === 'CreateRoute')
    .map((route) => `${route.destination} ${route.target.id}`)
    .sort();
}

/** What it rejects with. */
export async function thrown(promise: Promise<unknown>): Promise<CloudError> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CloudError)) throw error;
  return error;
}

/** What a node makes of its attachment when nothing is in the way. */
export async function settle(made: AwsScene, ...nodes: readonly string[]): Promise<void> {
  for (const node of nodes) await carryOut(await (await seat(made, node)).read());
}
