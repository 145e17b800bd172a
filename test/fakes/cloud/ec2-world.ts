/**
 * What a fake account of EC2 holds. Plain data: a copy of it is what stale answers are made of.
 * Sources: the EC2 API reference's data types; only the fields that somebody reads are kept.
 */
export interface FakeVpc {
  readonly id: string;
  readonly cidrs: readonly string[];
}

export interface FakeSubnet {
  readonly id: string;
  readonly vpcId: string;
  readonly cidr: string;
  readonly zone: string;
}

export interface FakeInstance {
  readonly id: string;
  state: 'running' | 'stopped' | 'terminated';
  readonly tags: Map<string, string>;
}

export interface FakeInterface {
  readonly id: string;
  readonly subnetId: string;
  /** Undefined: attached to nothing. */
  instanceId: string | undefined;
  readonly deviceIndex: number;
  readonly mac: string;
  /** The primary one first. */
  readonly addresses: string[];
  readonly ipv6Addresses: string[];
  sourceDestCheck: boolean;
  groups: string[];
  readonly tags: Map<string, string>;
}

/** Where a route leads, by the name of the answer's element. */
export type RouteTarget =
  | { readonly kind: 'networkInterfaceId'; readonly id: string }
  | { readonly kind: 'gatewayId'; readonly id: string }
  | { readonly kind: 'natGatewayId'; readonly id: string }
  | { readonly kind: 'transitGatewayId'; readonly id: string }
  | { readonly kind: 'vpcPeeringConnectionId'; readonly id: string };

export interface FakeRoute {
  readonly destination: string;
  target: RouteTarget;
  readonly origin: 'CreateRouteTable' | 'CreateRoute' | 'EnableVgwRoutePropagation';
}

export interface FakeTable {
  readonly id: string;
  readonly vpcId: string;
  main: boolean;
  subnets: string[];
  routes: FakeRoute[];
  readonly tags: Map<string, string>;
  /** Routes that it may hold, besides the local ones. */
  limit: number;
}

/** As `ipPermissions` has it; ports are ICMP's type and code as well. */
export interface FakePermission {
  readonly protocol: string;
  readonly from?: number;
  readonly to?: number;
  readonly cidrs?: readonly string[];
  readonly groups?: readonly string[];
  readonly lists?: readonly string[];
}

export interface FakeGroup {
  readonly id: string;
  readonly name: string;
  readonly vpcId: string;
  ingress: FakePermission[];
  egress: FakePermission[];
  readonly tags: Map<string, string>;
}

export interface FakeAclEntry {
  readonly number: number;
  readonly protocol: string;
  readonly allow: boolean;
  readonly egress: boolean;
  readonly cidr: string;
  readonly ports?: readonly [number, number];
  readonly icmp?: readonly [number, number];
}

export interface FakeAcl {
  readonly id: string;
  readonly vpcId: string;
  readonly isDefault: boolean;
  subnets: string[];
  entries: FakeAclEntry[];
  readonly tags: Map<string, string>;
}

export interface World {
  readonly vpcs: Map<string, FakeVpc>;
  readonly subnets: Map<string, FakeSubnet>;
  readonly instances: Map<string, FakeInstance>;
  readonly interfaces: Map<string, FakeInterface>;
  readonly tables: Map<string, FakeTable>;
  readonly groups: Map<string, FakeGroup>;
  readonly acls: Map<string, FakeAcl>;
}

export const everyone = ['0.0.0.0/0', '::/0'] as const;
/** What a new group lets out. */
export const allOut: FakePermission = { protocol: '-1', cidrs: everyone };

/** The rules of the ACL that a VPC comes with. */
export const openAcl: readonly FakeAclEntry[] = [true, false].flatMap((egress) => [
  { number: 100, protocol: '-1', allow: true, egress, cidr: '0.0.0.0/0' },
  { number: 101, protocol: '-1', allow: true, egress, cidr: '::/0' },
  { number: 32767, protocol: '-1', allow: false, egress, cidr: '0.0.0.0/0' },
  { number: 32768, protocol: '-1', allow: false, egress, cidr: '::/0' },
]);

/** `eni-0000000000000001a`: seventeen hexadecimal digits. */
export function longId(prefix: string, number: number): string {
  return `${prefix}-0${number.toString(16).padStart(16, '0')}`;
}

/** Builds a world step by step; ids are counted, so that a test can tell them beforehand. */
export class WorldBuilder {
  readonly world: World = {
    vpcs: new Map(),
    subnets: new Map(),
    instances: new Map(),
    interfaces: new Map(),
    tables: new Map(),
    groups: new Map(),
    acls: new Map(),
  };
  #count = 0;

  #id(prefix: string): string {
    return longId(prefix, ++this.#count);
  }

  /** With its main route table, its local routes and its default ACL. */
  vpc(...cidrs: readonly string[]): FakeVpc {
    const vpc: FakeVpc = { id: this.#id('vpc'), cidrs };
    this.world.vpcs.set(vpc.id, vpc);
    this.table(vpc, { main: true });
    const acl: FakeAcl = {
      id: this.#id('acl'),
      vpcId: vpc.id,
      isDefault: true,
      subnets: [],
      entries: [...openAcl],
      tags: new Map(),
    };
    this.world.acls.set(acl.id, acl);
    return vpc;
  }

  table(
    vpc: FakeVpc,
    options: { readonly main?: boolean; readonly subnets?: readonly FakeSubnet[] } = {},
  ): FakeTable {
    const table: FakeTable = {
      id: this.#id('rtb'),
      vpcId: vpc.id,
      main: options.main ?? false,
      subnets: (options.subnets ?? []).map((subnet) => subnet.id),
      routes: vpc.cidrs.map((destination) => ({
        destination,
        target: { kind: 'gatewayId', id: 'local' },
        origin: 'CreateRouteTable',
      })),
      tags: new Map(),
      limit: 500,
    };
    this.world.tables.set(table.id, table);
    return table;
  }

  subnet(vpc: FakeVpc, options: { readonly cidr: string; readonly zone: string }): FakeSubnet {
    const subnet: FakeSubnet = { id: this.#id('subnet'), vpcId: vpc.id, ...options };
    this.world.subnets.set(subnet.id, subnet);
    [...this.world.acls.values()]
      .find((acl) => acl.vpcId === vpc.id && acl.isDefault)
      ?.subnets.push(subnet.id);
    return subnet;
  }

  group(
    vpc: FakeVpc,
    rules: {
      readonly name?: string;
      readonly ingress?: readonly FakePermission[];
      readonly egress?: readonly FakePermission[];
    } = {},
  ): FakeGroup {
    const id = this.#id('sg');
    const group: FakeGroup = {
      id,
      name: rules.name ?? id,
      vpcId: vpc.id,
      ingress: [...(rules.ingress ?? [])],
      egress: [...(rules.egress ?? [allOut])],
      tags: new Map(),
    };
    this.world.groups.set(id, group);
    return group;
  }

  instance(name = ''): FakeInstance {
    const instance: FakeInstance = {
      id: this.#id('i'),
      state: 'running',
      tags: new Map(name === '' ? [] : [['Name', name]]),
    };
    this.world.instances.set(instance.id, instance);
    return instance;
  }

  attach(
    instance: FakeInstance,
    options: {
      readonly subnet: FakeSubnet;
      readonly addresses: readonly string[];
      readonly groups: readonly FakeGroup[];
    },
  ): FakeInterface {
    const { interfaces } = this.world;
    const id = this.#id('eni');
    const entry: FakeInterface = {
      id,
      subnetId: options.subnet.id,
      instanceId: instance.id,
      deviceIndex: [...interfaces.values()].filter((one) => one.instanceId === instance.id).length,
      mac: `0a:00:00:00:${hexByte(this.#count >> 8)}:${hexByte(this.#count)}`,
      addresses: options.addresses.filter((address) => !address.includes(':')),
      ipv6Addresses: options.addresses.filter((address) => address.includes(':')),
      sourceDestCheck: true,
      groups: options.groups.map((group) => group.id),
      tags: new Map(),
    };
    interfaces.set(id, entry);
    return entry;
  }
}

function hexByte(value: number): string {
  return (value & 0xff).toString(16).padStart(2, '0');
}

/** A route to an interface leads nowhere once that is not attached to a running instance. */
export function routeState(world: World, route: FakeRoute): 'active' | 'blackhole' {
  if (route.target.kind !== 'networkInterfaceId') return 'active';
  const holder = world.interfaces.get(route.target.id);
  const instance = world.instances.get(holder?.instanceId ?? '');
  return instance?.state === 'running' ? 'active' : 'blackhole';
}
