/** What the actions of the fake change. Each checks what it is given as EC2 does, then changes it. */
import { parsePrefix, prefixCovers, prefixOf } from '../../../encap/prefix.js';
import { tryParseInterfaceAddress } from '../../../encap/prefix.js';
import { groupById, instanceById, interfaceById, interfacesOf, tableById } from './ec2-describe.js';
import type { FakeInterface, FakeRoute, FakeTable, RouteTarget, World } from './ec2-world.js';
import { Ec2Fault, type Form, type XmlValue } from './ec2-wire.js';

/** What has become different, for whoever ties other things to it. */
export type Ec2Change =
  | { readonly kind: 'check'; readonly interfaceId: string; readonly enabled: boolean }
  | { readonly kind: 'groups'; readonly interfaceId: string }
  | { readonly kind: 'route'; readonly table: string; readonly destination: string }
  | { readonly kind: 'tags'; readonly resource: string };

interface WriteAction {
  /** Throws what EC2 says before it looks at permissions: what a request lacks. */
  readonly check: (form: Form) => void;
  readonly run: (world: World, form: Form) => readonly Ec2Change[];
}

const invalid = (message: string): Ec2Fault => new Ec2Fault('InvalidParameterValue', message);

/** Attributes of ModifyNetworkInterfaceAttribute; a call sets exactly one. */
const interfaceAttributes = [
  'SourceDestCheck.Value',
  'Description.Value',
  'SecurityGroupId.1',
  'Attachment.AttachmentId',
] as const;

const modifyInterface: WriteAction = {
  check: (form) => {
    form.need('NetworkInterfaceId');
    const given = interfaceAttributes.filter((name) => form.text(name) !== undefined);
    if (given.length === 0)
      throw new Ec2Fault('InvalidParameterCombination', 'No attributes specified.');
    if (given.length > 1)
      throw new Ec2Fault(
        'InvalidParameterCombination',
        `Fields for multiple attribute types specified: ${given.join(', ')}`,
      );
  },
  run: (world, form) => {
    const entry = interfaceById(world, form.need('NetworkInterfaceId'));
    const groups = form.list('SecurityGroupId');
    if (groups.length > 0) {
      entry.groups = groups.map((id) => groupById(world, id).id);
      return [{ kind: 'groups', interfaceId: entry.id }];
    }
    const enabled = form.flag('SourceDestCheck.Value');
    return enabled === undefined ? [] : setCheck(entry, enabled);
  },
};

function setCheck(entry: FakeInterface, enabled: boolean): readonly Ec2Change[] {
  entry.sourceDestCheck = enabled;
  return [{ kind: 'check', interfaceId: entry.id, enabled }];
}

const modifyInstance: WriteAction = {
  check: (form) => void form.need('InstanceId'),
  run: (world, form) => {
    const instance = instanceById(world, form.need('InstanceId'));
    const enabled = form.flag('SourceDestCheck.Value');
    if (enabled === undefined)
      throw new Ec2Fault('InvalidParameterCombination', 'No attributes specified.');
    const [entry, second] = interfacesOf(world, instance);
    if (entry === undefined || second !== undefined)
      throw new Ec2Fault(
        'InvalidInstanceID',
        `There are multiple interfaces attached to instance '${instance.id}'. Please specify an interface ID for the operation instead.`,
      );
    return setCheck(entry, enabled);
  },
};

/** EC2 clears host bits by itself. */
function destinationOf(form: Form): string {
  const v6 = form.text('DestinationIpv6CidrBlock');
  const text = v6 ?? form.text('DestinationCidrBlock');
  if (text === undefined)
    throw new Ec2Fault(
      'MissingParameter',
      'The request must contain the parameter destinationCidrBlock',
    );
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string' || parsed.address.family !== (v6 === undefined ? 4 : 6))
    throw invalid(
      `Value (${text}) for parameter ${v6 === undefined ? 'destinationCidrBlock' : 'destinationIpv6CidrBlock'} is invalid. This is not a valid CIDR block.`,
    );
  return prefixOf(parsed.address, parsed.length).text;
}

const targetParameters = {
  GatewayId: 'gatewayId',
  NatGatewayId: 'natGatewayId',
  TransitGatewayId: 'transitGatewayId',
  VpcPeeringConnectionId: 'vpcPeeringConnectionId',
} as const;

function needTarget(form: Form): void {
  const names = ['NetworkInterfaceId', 'InstanceId', ...Object.keys(targetParameters)];
  const given = names.filter((name) => form.text(name) !== undefined);
  if (given.length !== 1)
    throw new Ec2Fault(
      given.length === 0 ? 'MissingParameter' : 'InvalidParameterCombination',
      `The request must contain exactly one of ${names.join(', ')}`,
    );
}

function targetOf(world: World, form: Form, table: FakeTable): RouteTarget {
  const instanceId = form.text('InstanceId');
  const named = form.text('NetworkInterfaceId');
  if (named === undefined && instanceId === undefined) {
    for (const [parameter, kind] of Object.entries(targetParameters)) {
      const id = form.text(parameter);
      if (id !== undefined) return { kind, id };
    }
  }
  const own = instanceId === undefined ? [] : interfacesOf(world, instanceById(world, instanceId));
  if (own.length > 1)
    throw new Ec2Fault(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${instanceId ?? ''}'. Please specify an interface ID for the operation instead.`,
    );
  const entry = own[0] ?? interfaceById(world, named ?? '');
  if (world.subnets.get(entry.subnetId)?.vpcId !== table.vpcId)
    throw invalid(
      `route table ${table.id} and network interface ${entry.id} belong to different networks`,
    );
  return { kind: 'networkInterfaceId', id: entry.id };
}

function findRoute(table: FakeTable, destination: string): FakeRoute | undefined {
  return table.routes.find((route) => route.destination === destination);
}

const createRoute: WriteAction = {
  check: (form) => {
    form.need('RouteTableId');
    destinationOf(form);
    needTarget(form);
  },
  run: (world, form) => {
    const table = tableById(world, form.need('RouteTableId'));
    const destination = destinationOf(form);
    const target = targetOf(world, form, table);
    if (findRoute(table, destination) !== undefined)
      throw new Ec2Fault(
        'RouteAlreadyExists',
        `The route identified by ${destination} already exists.`,
      );
    if (splitsLocal(world, { table, destination }))
      throw invalid(
        `The destination CIDR block ${destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance, and must match a subnet.`,
      );
    const written = table.routes.filter((route) => route.origin === 'CreateRoute').length;
    if (written >= table.limit)
      throw new Ec2Fault('RouteLimitExceeded', 'The maximum number of routes has been reached.');
    table.routes.push({ destination, target, origin: 'CreateRoute' });
    return [{ kind: 'route', table: table.id, destination }];
  },
};

/** Inside the VPC's own addresses only a whole subnet can be routed elsewhere. */
function splitsLocal(
  world: World,
  about: { readonly table: FakeTable; readonly destination: string },
): boolean {
  const { table, destination } = about;
  const prefix = parsePrefix(destination);
  const inside = (world.vpcs.get(table.vpcId)?.cidrs ?? []).some((cidr) =>
    prefixCovers(parsePrefix(cidr), prefix),
  );
  return inside && ![...world.subnets.values()].some((subnet) => subnet.cidr === destination);
}

const replaceRoute: WriteAction = {
  check: createRoute.check,
  run: (world, form) => {
    const table = tableById(world, form.need('RouteTableId'));
    const destination = destinationOf(form);
    const target = targetOf(world, form, table);
    const route = findRoute(table, destination);
    // Not InvalidRoute.NotFound, as one would think.
    if (route === undefined)
      throw invalid(
        `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
      );
    route.target = target;
    return [{ kind: 'route', table: table.id, destination }];
  },
};

const deleteRoute: WriteAction = {
  check: (form) => {
    form.need('RouteTableId');
    destinationOf(form);
  },
  run: (world, form) => {
    const table = tableById(world, form.need('RouteTableId'));
    const destination = destinationOf(form);
    const route = findRoute(table, destination);
    if (route === undefined)
      throw new Ec2Fault(
        'InvalidRoute.NotFound',
        `no route with destination-cidr-block ${destination} in route table ${table.id}`,
      );
    if (route.origin === 'CreateRouteTable')
      throw invalid(`cannot remove local route ${destination} in route table ${table.id}`);
    table.routes = table.routes.filter((other) => other !== route);
    return [{ kind: 'route', table: table.id, destination }];
  },
};

function tagsOf(world: World, resource: string): Map<string, string> {
  for (const kind of ['interfaces', 'tables', 'instances', 'groups', 'acls'] as const) {
    const found = world[kind].get(resource);
    if (found !== undefined) return found.tags;
  }
  // The call that looks an id up knows its form; this one takes ids of all kinds.
  if (/^(eni|rtb|i|sg|acl)-([0-9a-f]{8}|[0-9a-f]{17})$/.test(resource))
    throw new Ec2Fault('InvalidID', `The ID '${resource}' does not exist`);
  throw new Ec2Fault('InvalidID', `The ID '${resource}' is not valid`);
}

function needTags(form: Form): void {
  form.need('ResourceId.1');
  for (const [key, value] of form.pairs('Tag')) {
    if (key === '' || key.length > 128 || (value ?? '').length > 256)
      throw invalid(`Tag key '${key}' or its value has a length that is not allowed`);
    if (/^aws:/i.test(key))
      throw invalid('Tag keys starting with aws: are reserved for internal use');
  }
}

const tagsLimit = 50;

const createTags: WriteAction = {
  check: (form) => {
    needTags(form);
    form.need('Tag.1.Key');
  },
  run: (world, form) => {
    const found = form.list('ResourceId').map((id) => ({ id, tags: tagsOf(world, id) }));
    for (const { tags } of found) {
      const keys = new Set([...tags.keys(), ...form.pairs('Tag').map(([key]) => key)]);
      if (keys.size > tagsLimit)
        throw new Ec2Fault(
          'TagLimitExceeded',
          `The maximum number of Tags for a resource has been reached.`,
        );
    }
    for (const { tags } of found)
      for (const [key, value] of form.pairs('Tag')) tags.set(key, value ?? '');
    return found.map(({ id }) => ({ kind: 'tags', resource: id }));
  },
};

const deleteTags: WriteAction = {
  check: needTags,
  run: (world, form) => {
    const named = form.pairs('Tag');
    return form.list('ResourceId').map((id) => {
      const tags = tagsOf(world, id);
      if (named.length === 0) tags.clear();
      // With a value only that one goes; without, whatever it is.
      for (const [key, value] of named)
        if (value === undefined || tags.get(key) === value) tags.delete(key);
      return { kind: 'tags', resource: id };
    });
  },
};

/** EC2's answer to each of them. */
export const writeAnswer: Readonly<Record<string, XmlValue>> = { return: true };

export const writeActions: Readonly<Record<string, WriteAction>> = {
  ModifyNetworkInterfaceAttribute: modifyInterface,
  ModifyInstanceAttribute: modifyInstance,
  CreateRoute: createRoute,
  ReplaceRoute: replaceRoute,
  DeleteRoute: deleteRoute,
  CreateTags: createTags,
  DeleteTags: deleteTags,
};
