/** What the Describe actions of the fake answer, and which filters they know. */
import {
  type FakeAcl,
  type FakeGroup,
  type FakeInstance,
  type FakeInterface,
  type FakePermission,
  type FakeRoute,
  type FakeTable,
  type World,
  routeState,
} from './ec2-world.js';
import { Ec2Fault, type Filter, type Form, type XmlValue, matchesValue } from './ec2-wire.js';

export const account = '012345678901';

/** A kind of object: how it is listed, which filters it has, how it looks. */
interface Listing<T> {
  readonly set: string;
  /** Parameter that names objects, and what EC2 calls one that is not there. */
  readonly ids?: { readonly parameter: string; readonly get: (world: World, id: string) => T };
  readonly all: (world: World) => readonly T[];
  /** Values of a filter; undefined: there is no such filter. */
  readonly filter: (world: World, entry: T, name: string) => readonly string[] | undefined;
  readonly render: (world: World, entry: T) => XmlValue;
  /** Largest MaxResults. */
  readonly most: number;
}

function tagXml(tags: ReadonlyMap<string, string>): XmlValue {
  return [...tags].map(([key, value]) => ({ key, value }));
}

function tagFilter(tags: ReadonlyMap<string, string>, name: string): readonly string[] | undefined {
  if (name === 'tag-key') return [...tags.keys()];
  if (!name.startsWith('tag:')) return undefined;
  const value = tags.get(name.slice(4));
  return value === undefined ? [] : [value];
}

/** Looks an id up; EC2 has a code for one of a wrong form, and one for what is not there. */
export function byId<T>(
  map: ReadonlyMap<string, T>,
  id: string,
  words: {
    readonly prefix: string;
    readonly malformed: string;
    readonly absent: string;
    readonly noun: string;
  },
): T {
  if (!new RegExp(`^${words.prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`).test(id))
    throw new Ec2Fault(words.malformed, `Invalid id: "${id}"`);
  const found = map.get(id);
  if (found === undefined)
    throw new Ec2Fault(words.absent, `The ${words.noun} '${id}' does not exist`);
  return found;
}

export function interfaceById(world: World, id: string): FakeInterface {
  return byId(world.interfaces, id, {
    prefix: 'eni',
    malformed: 'InvalidNetworkInterfaceId.Malformed',
    absent: 'InvalidNetworkInterfaceID.NotFound',
    noun: 'networkInterface ID',
  });
}

export function tableById(world: World, id: string): FakeTable {
  return byId(world.tables, id, {
    prefix: 'rtb',
    malformed: 'InvalidRouteTableId.Malformed',
    absent: 'InvalidRouteTableID.NotFound',
    noun: 'routeTable ID',
  });
}

export function instanceById(world: World, id: string): FakeInstance {
  return byId(world.instances, id, {
    prefix: 'i',
    malformed: 'InvalidInstanceID.Malformed',
    absent: 'InvalidInstanceID.NotFound',
    noun: 'instance ID',
  });
}

export function groupById(world: World, id: string): FakeGroup {
  return byId(world.groups, id, {
    prefix: 'sg',
    malformed: 'InvalidGroupId.Malformed',
    absent: 'InvalidGroup.NotFound',
    noun: 'security group',
  });
}

const interfaces: Listing<FakeInterface> = {
  set: 'networkInterfaceSet',
  ids: { parameter: 'NetworkInterfaceId', get: interfaceById },
  all: (world) => [...world.interfaces.values()],
  most: 1000,
  filter: (world, entry, name) => {
    const subnet = world.subnets.get(entry.subnetId);
    switch (name) {
      case 'network-interface-id':
        return [entry.id];
      case 'vpc-id':
        return subnet === undefined ? [] : [subnet.vpcId];
      case 'subnet-id':
        return [entry.subnetId];
      case 'availability-zone':
        return subnet === undefined ? [] : [subnet.zone];
      case 'private-ip-address':
        return entry.addresses.slice(0, 1);
      case 'addresses.private-ip-address':
        return entry.addresses;
      case 'ipv6-addresses.ipv6-address':
        return entry.ipv6Addresses;
      case 'attachment.instance-id':
        return entry.instanceId === undefined ? [] : [entry.instanceId];
      case 'attachment.device-index':
        return [String(entry.deviceIndex)];
      case 'attachment.status':
        return entry.instanceId === undefined ? [] : ['attached'];
      case 'group-id':
        return entry.groups;
      case 'source-dest-check':
        return [String(entry.sourceDestCheck)];
      case 'status':
        return [entry.instanceId === undefined ? 'available' : 'in-use'];
      default:
        return tagFilter(entry.tags, name);
    }
  },
  render: interfaceXml,
};

function interfaceXml(world: World, entry: FakeInterface): XmlValue {
  const subnet = world.subnets.get(entry.subnetId);
  return {
    networkInterfaceId: entry.id,
    subnetId: entry.subnetId,
    vpcId: subnet?.vpcId,
    availabilityZone: subnet?.zone,
    description: '',
    ownerId: account,
    requesterManaged: false,
    status: entry.instanceId === undefined ? 'available' : 'in-use',
    macAddress: entry.mac,
    privateIpAddress: entry.addresses[0],
    sourceDestCheck: entry.sourceDestCheck,
    groupSet: groupRefs(world, entry.groups),
    attachment:
      entry.instanceId === undefined
        ? undefined
        : {
            attachmentId: entry.id.replace('eni', 'eni-attach'),
            instanceId: entry.instanceId,
            instanceOwnerId: account,
            deviceIndex: entry.deviceIndex,
            networkCardIndex: 0,
            status: 'attached',
            attachTime: '2026-11-01T08:00:00.000Z',
            deleteOnTermination: true,
          },
    tagSet: tagXml(entry.tags),
    privateIpAddressesSet: entry.addresses.map((address, i) => ({
      privateIpAddress: address,
      primary: i === 0,
    })),
    ipv6AddressesSet: entry.ipv6Addresses.map((ipv6Address) => ({ ipv6Address })),
    interfaceType: 'interface',
  };
}

function groupRefs(world: World, ids: readonly string[]): XmlValue {
  return ids.map((groupId) => ({ groupId, groupName: world.groups.get(groupId)?.name ?? '' }));
}

const tables: Listing<FakeTable> = {
  set: 'routeTableSet',
  ids: { parameter: 'RouteTableId', get: tableById },
  all: (world) => [...world.tables.values()],
  most: 100,
  filter: (world, table, name) => {
    switch (name) {
      case 'route-table-id':
      case 'association.route-table-id':
        return [table.id];
      case 'vpc-id':
        return [table.vpcId];
      case 'association.main':
        return [String(table.main)];
      case 'association.subnet-id':
        return table.subnets;
      case 'route.destination-cidr-block':
        return table.routes.map((route) => route.destination);
      case 'route.state':
        return table.routes.map((route) => routeState(world, route));
      case 'route.gateway-id':
        return table.routes.flatMap(({ target }) => (target.kind === 'gatewayId' ? target.id : []));
      case 'route.instance-id':
        return table.routes.flatMap((route) => instanceOf(world, route) ?? []);
      default:
        return tagFilter(table.tags, name);
    }
  },
  render: (world, table) => ({
    routeTableId: table.id,
    vpcId: table.vpcId,
    ownerId: account,
    routeSet: table.routes.map((route) => routeXml(world, route)),
    associationSet: [
      ...(table.main ? [association(table, { main: true })] : []),
      ...table.subnets.map((subnetId) => association(table, { main: false, subnetId })),
    ],
    propagatingVgwSet: [],
    tagSet: tagXml(table.tags),
  }),
};

function association(
  table: FakeTable,
  about: { readonly main: boolean; readonly subnetId?: string },
): XmlValue {
  return {
    routeTableAssociationId: `rtbassoc-${(about.subnetId ?? table.id).replace(/^\w+-/, '')}`,
    routeTableId: table.id,
    subnetId: about.subnetId,
    main: about.main,
    associationState: { state: 'associated' },
  };
}

function instanceOf(world: World, route: FakeRoute): string | undefined {
  return route.target.kind === 'networkInterfaceId'
    ? world.interfaces.get(route.target.id)?.instanceId
    : undefined;
}

function routeXml(world: World, route: FakeRoute): XmlValue {
  const instanceId = instanceOf(world, route);
  const v6 = route.destination.includes(':');
  return {
    destinationCidrBlock: v6 ? undefined : route.destination,
    destinationIpv6CidrBlock: v6 ? route.destination : undefined,
    [route.target.kind]: route.target.id,
    instanceId,
    instanceOwnerId: instanceId === undefined ? undefined : account,
    state: routeState(world, route),
    origin: route.origin,
  };
}

const groups: Listing<FakeGroup> = {
  set: 'securityGroupInfo',
  ids: { parameter: 'GroupId', get: groupById },
  all: (world) => [...world.groups.values()],
  most: 1000,
  filter: (_, group, name) => {
    switch (name) {
      case 'group-id':
        return [group.id];
      case 'group-name':
        return [group.name];
      case 'vpc-id':
        return [group.vpcId];
      case 'ip-permission.protocol':
        return group.ingress.map((permission) => permission.protocol);
      default:
        return tagFilter(group.tags, name);
    }
  },
  render: (_, group) => ({
    ownerId: account,
    groupId: group.id,
    groupName: group.name,
    groupDescription: group.name,
    vpcId: group.vpcId,
    ipPermissions: group.ingress.map(permissionXml),
    ipPermissionsEgress: group.egress.map(permissionXml),
    tagSet: tagXml(group.tags),
  }),
};

function permissionXml(permission: FakePermission): XmlValue {
  const { cidrs = [], groups: refs = [], lists = [] } = permission;
  return {
    ipProtocol: permission.protocol,
    fromPort: permission.from,
    toPort: permission.to,
    groups: refs.map((groupId) => ({ userId: account, groupId })),
    ipRanges: cidrs.filter((cidr) => !cidr.includes(':')).map((cidrIp) => ({ cidrIp })),
    ipv6Ranges: cidrs.filter((cidr) => cidr.includes(':')).map((cidrIpv6) => ({ cidrIpv6 })),
    prefixListIds: lists.map((prefixListId) => ({ prefixListId })),
  };
}

const acls: Listing<FakeAcl> = {
  set: 'networkAclSet',
  all: (world) => [...world.acls.values()],
  most: 1000,
  filter: (_, acl, name) => {
    switch (name) {
      case 'network-acl-id':
        return [acl.id];
      case 'vpc-id':
        return [acl.vpcId];
      case 'association.subnet-id':
        return acl.subnets;
      case 'default':
        return [String(acl.isDefault)];
      default:
        return tagFilter(acl.tags, name);
    }
  },
  render: (_, acl) => ({
    networkAclId: acl.id,
    vpcId: acl.vpcId,
    ownerId: account,
    default: acl.isDefault,
    entrySet: acl.entries.map((entry) => ({
      ruleNumber: entry.number,
      protocol: entry.protocol,
      ruleAction: entry.allow ? 'allow' : 'deny',
      egress: entry.egress,
      cidrBlock: entry.cidr.includes(':') ? undefined : entry.cidr,
      ipv6CidrBlock: entry.cidr.includes(':') ? entry.cidr : undefined,
      icmpTypeCode: entry.icmp && { code: entry.icmp[1], type: entry.icmp[0] },
      portRange: entry.ports && { from: entry.ports[0], to: entry.ports[1] },
    })),
    associationSet: acl.subnets.map((subnetId) => ({
      networkAclAssociationId: subnetId.replace('subnet', 'aclassoc'),
      networkAclId: acl.id,
      subnetId,
    })),
    tagSet: tagXml(acl.tags),
  }),
};

const stateCodes = { running: 16, stopped: 80, terminated: 48 } as const;

const instances: Listing<FakeInstance> = {
  set: 'reservationSet',
  ids: { parameter: 'InstanceId', get: instanceById },
  all: (world) => [...world.instances.values()],
  most: 1000,
  filter: (world, instance, name) => {
    const own = interfacesOf(world, instance);
    switch (name) {
      case 'instance-id':
        return [instance.id];
      case 'instance-state-name':
        return [instance.state];
      case 'private-ip-address':
        return own.flatMap((entry) => entry.addresses.slice(0, 1));
      case 'subnet-id':
        return own.slice(0, 1).map((entry) => entry.subnetId);
      case 'vpc-id':
        return own.slice(0, 1).flatMap((entry) => world.subnets.get(entry.subnetId)?.vpcId ?? []);
      case 'network-interface.network-interface-id':
        return own.map((entry) => entry.id);
      default:
        return tagFilter(instance.tags, name);
    }
  },
  render: (world, instance) => {
    const own = interfacesOf(world, instance);
    const [first] = own;
    return {
      reservationId: instance.id.replace('i-', 'r-'),
      ownerId: account,
      groupSet: [],
      instancesSet: [
        {
          instanceId: instance.id,
          imageId: 'ami-0123456789abcdef0',
          instanceState: { code: stateCodes[instance.state], name: instance.state },
          instanceType: 't3.medium',
          launchTime: '2026-11-01T08:00:00.000Z',
          placement: {
            availabilityZone: world.subnets.get(first?.subnetId ?? '')?.zone,
            tenancy: 'default',
          },
          subnetId: first?.subnetId,
          vpcId: world.subnets.get(first?.subnetId ?? '')?.vpcId,
          privateIpAddress: first?.addresses[0],
          sourceDestCheck: own.length === 1 ? first?.sourceDestCheck : undefined,
          groupSet: groupRefs(world, first?.groups ?? []),
          networkInterfaceSet: own.map((entry) => interfaceXml(world, entry)),
          tagSet: tagXml(instance.tags),
        },
      ],
    };
  },
};

export function interfacesOf(world: World, instance: FakeInstance): readonly FakeInterface[] {
  return [...world.interfaces.values()]
    .filter((entry) => entry.instanceId === instance.id)
    .sort((a, b) => a.deviceIndex - b.deviceIndex);
}

interface TagEntry {
  readonly resourceId: string;
  readonly resourceType: string;
  readonly key: string;
  readonly value: string;
}

const taggedTypes = {
  instances: 'instance',
  interfaces: 'network-interface',
  tables: 'route-table',
  groups: 'security-group',
  acls: 'network-acl',
} as const;

const tags: Listing<TagEntry> = {
  set: 'tagSet',
  all: (world) =>
    (Object.keys(taggedTypes) as (keyof typeof taggedTypes)[]).flatMap((kind) =>
      [...world[kind]].flatMap(([resourceId, entry]) =>
        [...entry.tags].map(([key, value]) => ({
          resourceId,
          resourceType: taggedTypes[kind],
          key,
          value,
        })),
      ),
    ),
  most: 1000,
  filter: (_, tag, name) => {
    switch (name) {
      case 'resource-id':
        return [tag.resourceId];
      case 'resource-type':
        return [tag.resourceType];
      case 'key':
        return [tag.key];
      case 'value':
        return [tag.value];
      default:
        return undefined;
    }
  },
  render: (_, tag) => ({ ...tag }),
};

/** Bound to the type of its entries, so that a table of them has one type. */
function describing<T>(
  listing: Listing<T>,
): (world: World, form: Form) => Record<string, XmlValue> {
  return (world, form) => {
    const ids = listing.ids === undefined ? [] : form.list(listing.ids.parameter);
    const size = pageSize(form, { most: listing.most, ids });
    const named =
      ids.length === 0 ? listing.all(world) : ids.map((id) => listing.ids!.get(world, id));
    const filters = form.filters();
    const wanted = named.filter((entry) =>
      filters.every((filter) => fits(listing, { world, entry, filter })),
    );
    const offset = pageOffset(form.text('NextToken'));
    const end = size === undefined ? wanted.length : offset + size;
    return {
      [listing.set]: wanted.slice(offset, end).map((entry) => listing.render(world, entry)),
      nextToken: end < wanted.length ? Buffer.from(`offset ${end}`).toString('base64') : undefined,
    };
  };
}

function fits<T>(
  listing: Listing<T>,
  about: { readonly world: World; readonly entry: T; readonly filter: Filter },
): boolean {
  const { world, entry, filter } = about;
  const values = listing.filter(world, entry, filter.name);
  if (values === undefined)
    throw new Ec2Fault('InvalidParameterValue', `The filter '${filter.name}' is invalid`);
  return filter.values.some((pattern) => values.some((value) => matchesValue(pattern, value)));
}

function pageSize(
  form: Form,
  about: { readonly most: number; readonly ids: readonly string[] },
): number | undefined {
  const text = form.text('MaxResults');
  if (text === undefined) return undefined;
  if (about.ids.length > 0)
    throw new Ec2Fault(
      'InvalidParameterCombination',
      'The parameter maxResults cannot be used with a list of ids in one request',
    );
  const size = Number(text);
  if (!Number.isInteger(size) || size < 5 || size > about.most)
    throw new Ec2Fault(
      'InvalidParameterValue',
      `Value ( ${text} ) for parameter maxResults is invalid. Expecting a value ${size < 5 ? 'greater than 5' : `less than ${about.most}`}.`,
    );
  return size;
}

function pageOffset(token: string | undefined): number {
  if (token === undefined || token === '') return 0;
  const match = /^offset (\d+)$/.exec(Buffer.from(token, 'base64').toString());
  if (match === null)
    throw new Ec2Fault('InvalidNextToken', 'The provided token is malformed or expired');
  return Number(match[1]);
}

export const describeActions: Readonly<
  Record<string, (world: World, form: Form) => Record<string, XmlValue>>
> = {
  DescribeNetworkInterfaces: describing(interfaces),
  DescribeRouteTables: describing(tables),
  DescribeSecurityGroups: describing(groups),
  DescribeNetworkAcls: describing(acls),
  DescribeInstances: describing(instances),
  DescribeTags: describing(tags),
};
