/**
 * Azure Resource Manager as far as a node's networking goes: network interfaces, virtual networks,
 * route tables, network security groups, and the long-running operations that changes become.
 * Shapes: the REST reference of `Microsoft.Network` 2023-09-01; "Track asynchronous Azure
 * operations"; "Understand how Azure Resource Manager throttles requests"; refusals as recorded in
 * the public issue threads of azure-powershell and cloud-provider-azure.
 */
import {
  type FakeAnswer,
  FakeJsonApi,
  FakeRefusal,
  type FakeRequest,
  type Json,
} from './json-api.js';

export interface FakeAzureNic {
  readonly name: string;
  readonly address: string;
  readonly subnet?: string;
  readonly group?: string;
  readonly ipForwarding?: boolean;
  readonly securityGroup?: string;
  readonly applicationGroups?: readonly string[];
}

export interface FakeArmOptions {
  readonly subscription: string;
  readonly accepts: (token: string) => boolean;
}

/** What has really changed, for whoever lets packets through accordingly. */
export type AzureChange =
  | { readonly kind: 'route'; readonly table: string; readonly name: string }
  | { readonly kind: 'forwarding'; readonly nic: string; readonly on: boolean };

interface Operation {
  looksLeft: number;
  finished: boolean;
  readonly finish: () => Json | undefined;
  error: Json | undefined;
}

/** NSGs' own rules, as Azure shows them in every group. */
const defaultRules: readonly Json[] = [
  ['AllowVnetInBound', 65_000, 'Inbound', 'Allow', 'VirtualNetwork', 'VirtualNetwork'],
  ['AllowAzureLoadBalancerInBound', 65_001, 'Inbound', 'Allow', 'AzureLoadBalancer', '*'],
  ['DenyAllInBound', 65_500, 'Inbound', 'Deny', '*', '*'],
  ['AllowVnetOutBound', 65_000, 'Outbound', 'Allow', 'VirtualNetwork', 'VirtualNetwork'],
  ['AllowInternetOutBound', 65_001, 'Outbound', 'Allow', '*', 'Internet'],
  ['DenyAllOutBound', 65_500, 'Outbound', 'Deny', '*', '*'],
].map(([name, priority, direction, access, source, destination]) => ({
  name,
  properties: {
    provisioningState: 'Succeeded',
    protocol: '*',
    sourcePortRange: '*',
    destinationPortRange: '*',
    sourceAddressPrefix: source,
    destinationAddressPrefix: destination,
    access,
    priority,
    direction,
  },
}));

export class FakeArm extends FakeJsonApi {
  /** By their ids in lower case. */
  readonly resources = new Map<string, Json>();
  /** Actions that the identity lacks: `Microsoft.Network/networkInterfaces/write`. */
  readonly denied = new Set<string>();
  onChange: (change: AzureChange) => void = () => undefined;
  pageSize = 100;
  looks = 1;
  /** What a refusal for too many requests asks for, in seconds. */
  retryAfterSeconds = 17;
  /** Routes that a table may have. */
  routeLimit = 400;
  /** Somebody else writes a NIC between a reading and a writing, so many times. */
  disturb = 0;
  /** The list of NICs for the whole subscription is not permitted. */
  groupOnly = false;
  readonly #options: FakeArmOptions;
  readonly #operations = new Map<string, Operation>();
  #number = 0;

  constructor(options: FakeArmOptions) {
    super();
    this.#options = options;
  }

  id(kind: string, name: string, group = 'rg'): string {
    const provider = kind.startsWith('Microsoft.') ? kind : `Microsoft.Network/${kind}`;
    return `/subscriptions/${this.#options.subscription}/resourceGroups/${group}/providers/${provider}/${name}`;
  }

  add(id: string, properties: Json, more: Json = {}): Json {
    const made: Json = {
      name: id.slice(id.lastIndexOf('/') + 1),
      id,
      etag: this.#etag(),
      location: 'westeurope',
      ...more,
      properties: { provisioningState: 'Succeeded', ...properties },
    };
    this.resources.set(id.toLowerCase(), made);
    return made;
  }

  get(id: string): Json & { properties: Json } {
    return this.resources.get(id.toLowerCase()) as Json & { properties: Json };
  }

  addNic(nic: FakeAzureNic): Json {
    const { name, group = 'rg' } = nic;
    const id = this.id('networkInterfaces', name, group);
    return this.add(
      id,
      {
        resourceGuid: `guid-${++this.#number}`,
        macAddress: `00-0D-3A-00-00-${String(this.#number % 100).padStart(2, '0')}`,
        ipConfigurations: [
          {
            name: 'ipconfig1',
            id: `${id}/ipConfigurations/ipconfig1`,
            etag: this.#etag(),
            properties: {
              privateIPAddress: nic.address,
              privateIPAllocationMethod: 'Dynamic',
              privateIPAddressVersion: 'IPv4',
              primary: true,
              subnet: { id: nic.subnet ?? this.subnetId() },
              publicIPAddress: { id: this.id('publicIPAddresses', `${name}-ip`, group) },
              ...(nic.applicationGroups === undefined
                ? {}
                : { applicationSecurityGroups: nic.applicationGroups.map((asg) => ({ id: asg })) }),
            },
          },
        ],
        dnsSettings: { dnsServers: ['10.9.9.9'], appliedDnsServers: [] },
        primary: true,
        enableAcceleratedNetworking: true,
        enableIPForwarding: nic.ipForwarding ?? false,
        ...(nic.securityGroup === undefined
          ? {}
          : { networkSecurityGroup: { id: nic.securityGroup } }),
        virtualMachine: { id: this.id('Microsoft.Compute/virtualMachines', name, group) },
      },
      { type: 'Microsoft.Network/networkInterfaces', tags: { owner: 'team-net' } },
    );
  }

  subnetId(subnet = 'nodes', network = 'vnet', group = 'rg'): string {
    return `${this.id('virtualNetworks', network, group)}/subnets/${subnet}`;
  }

  addNetwork(
    name: string,
    network: {
      readonly spaces: readonly string[];
      readonly subnets: Readonly<
        Record<string, { routeTable?: string; securityGroup?: string; prefix: string }>
      >;
      readonly peered?: readonly string[];
    },
  ): Json {
    const id = this.id('virtualNetworks', name);
    return this.add(id, {
      addressSpace: { addressPrefixes: network.spaces },
      subnets: Object.entries(network.subnets).map(([subnet, made]) => ({
        name: subnet,
        id: `${id}/subnets/${subnet}`,
        properties: {
          addressPrefix: made.prefix,
          ...(made.routeTable === undefined ? {} : { routeTable: { id: made.routeTable } }),
          ...(made.securityGroup === undefined
            ? {}
            : { networkSecurityGroup: { id: made.securityGroup } }),
        },
      })),
      virtualNetworkPeerings: (network.peered ?? []).map((space) => ({
        name: 'peer',
        properties: { remoteAddressSpace: { addressPrefixes: [space] } },
      })),
    });
  }

  addSecurityGroup(name: string, rules: readonly Json[] = []): string {
    const id = this.id('networkSecurityGroups', name);
    this.add(id, {
      securityRules: rules.map(({ name: ruleName, ...properties }) => ({
        name: ruleName,
        id: `${id}/securityRules/${String(ruleName)}`,
        properties: {
          protocol: '*',
          sourcePortRange: '*',
          destinationPortRange: '*',
          sourceAddressPrefix: '*',
          destinationAddressPrefix: '*',
          access: 'Allow',
          direction: 'Inbound',
          ...properties,
        },
      })),
      defaultSecurityRules: defaultRules,
    });
    return id;
  }

  addRouteTable(name: string, routes: readonly Json[] = []): string {
    const id = this.id('routeTables', name);
    this.add(id, {
      disableBgpRoutePropagation: false,
      routes: routes.map(({ name: routeName, ...properties }) => ({
        name: routeName,
        id: `${id}/routes/${String(routeName)}`,
        etag: this.#etag(),
        properties: { nextHopType: 'VirtualAppliance', ...properties },
      })),
    });
    return id;
  }

  routesOf(table: string): Json[] {
    return this.get(table).properties.routes as Json[];
  }

  protected answer(request: FakeRequest): FakeAnswer {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined || !this.#options.accepts(token))
      throw refusal(
        401,
        'InvalidAuthenticationToken',
        `The access token is invalid: ${token ?? ''}`,
      );
    if (request.query.get('api-version') === null)
      throw refusal(
        400,
        'MissingApiVersionParameter',
        'The api-version query parameter is required',
      );
    const { method, path } = request;
    const operation = /\/providers\/Microsoft.Network\/locations\/\w+\/operations\/(.+)$/.exec(
      path,
    );
    if (operation !== null) return this.#look(operation[1]!);
    const list =
      /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+))?\/providers\/Microsoft\.Network\/networkInterfaces$/.exec(
        path,
      );
    if (list !== null && method === 'GET') return this.#list(request, list[2]);
    const route = /^(.*\/routeTables\/[^/]+)\/routes\/([^/]+)$/.exec(path);
    if (route !== null) return this.#route(request, route[1]!, route[2]!);
    const kind = /\/providers\/(Microsoft\.Network\/\w+)\/[^/]+$/.exec(path)?.[1];
    if (kind === undefined) throw refusal(404, 'InvalidResourceType', path);
    this.#permit(`${kind}/${method === 'GET' ? 'read' : 'write'}`, path);
    const found = this.resources.get(path.toLowerCase());
    if (found === undefined) throw notFound(path);
    if (method === 'PUT') return this.#putNic(request, found as Json & { properties: Json });
    return { status: 200, body: found, headers: { etag: String(found.etag) } };
  }

  #list(request: FakeRequest, group: string | undefined): FakeAnswer {
    const action = 'Microsoft.Network/networkInterfaces/read';
    this.#permit(action, request.path);
    if (group === undefined && this.groupOnly) throw forbidden(action, request.path);
    const all = [...this.resources.values()].filter(
      ({ id }) =>
        String(id).includes('/networkInterfaces/') &&
        (group === undefined ||
          String(id).toLowerCase().includes(`/resourcegroups/${group.toLowerCase()}/`)),
    );
    const start = Number(request.query.get('$skiptoken') ?? 0);
    const end = start + this.pageSize;
    const version = request.query.get('api-version')!;
    return {
      status: 200,
      body: {
        value: all.slice(start, end),
        ...(end < all.length
          ? {
              nextLink: `${this.linkTo(request)}${request.path}?api-version=${version}&$skiptoken=${end}`,
            }
          : {}),
      },
    };
  }

  #putNic(request: FakeRequest, nic: Json & { properties: Json }): FakeAnswer {
    const join = (what: string): void => this.#permit(what, request.path);
    const body = request.body as Json & { properties: Json };
    if (body.location === undefined) throw refusal(400, 'LocationRequired', 'location is required');
    join('Microsoft.Network/virtualNetworks/subnets/join/action');
    if (body.properties.networkSecurityGroup !== undefined)
      join('Microsoft.Network/networkSecurityGroups/join/action');
    if (JSON.stringify(body).includes('publicIPAddress'))
      join('Microsoft.Network/publicIPAddresses/join/action');
    if (this.disturb > 0) {
      this.disturb--;
      nic.etag = this.#etag();
      nic.tags = { ...(nic.tags as Json), touched: String(this.#number) };
    }
    const condition = request.headers['if-match'];
    if (condition !== undefined && condition !== nic.etag)
      throw refusal(412, 'PreconditionFailed', 'Precondition failed.', [
        {
          code: 'PreconditionFailedEtagMismatch',
          message: `Etag provided in if-match header ${condition} does not match etag ${String(nic.etag)}`,
        },
      ]);
    const before = nic.properties.enableIPForwarding === true;
    return this.#begin(request, { status: 200, body }, () => {
      const id = String(nic.id);
      this.resources.set(id.toLowerCase(), { ...body, etag: this.#etag() });
      const on = body.properties.enableIPForwarding === true;
      if (on !== before) this.onChange({ kind: 'forwarding', nic: String(nic.name), on });
      return undefined;
    });
  }

  #route(request: FakeRequest, tableId: string, name: string): FakeAnswer {
    const { method } = request;
    const verb = method === 'DELETE' ? 'delete' : method === 'PUT' ? 'write' : 'read';
    this.#permit(`Microsoft.Network/routeTables/routes/${verb}`, request.path);
    const table = this.resources.get(tableId.toLowerCase()) as
      (Json & { properties: Json }) | undefined;
    if (table === undefined) throw notFound(tableId);
    const routes = table.properties.routes as Json[];
    const others = routes.filter((route) => route.name !== name);
    const done = (kept: readonly Json[]): undefined => {
      table.properties.routes = kept;
      table.etag = this.#etag();
      this.onChange({ kind: 'route', table: String(table.name), name });
    };
    if (method === 'DELETE') {
      if (others.length === routes.length) return { status: 204 };
      return this.#begin(request, { status: 202 }, () => done(others));
    }
    const body = request.body as { properties: Json };
    const twin = others.find(
      ({ properties }) => (properties as Json).addressPrefix === body.properties.addressPrefix,
    );
    if (twin !== undefined)
      throw refusal(
        409,
        'RouteConflict',
        `The address prefix is that of route ${String(twin.name)}`,
      );
    if (others.length >= this.routeLimit)
      throw refusal(400, 'RouteTableCannotHaveMoreThanMaximumRoutes', `Limit ${this.routeLimit}`);
    const made = {
      name,
      id: `${tableId}/routes/${name}`,
      etag: this.#etag(),
      properties: body.properties,
    };
    return this.#begin(request, { status: 201, body: made }, () => done([...others, made]));
  }

  #begin(
    request: FakeRequest,
    { status, body }: FakeAnswer,
    finish: () => Json | undefined,
  ): FakeAnswer {
    const name = `op-${++this.#number}`;
    this.#operations.set(name, {
      looksLeft: this.looks,
      finished: false,
      finish,
      error: undefined,
    });
    const { subscription } = this.#options;
    const place = `${this.linkTo(request)}/subscriptions/${subscription}/providers/Microsoft.Network/locations/westeurope`;
    return {
      status,
      body,
      headers: {
        'retry-after': '10',
        'azure-asyncoperation': `${place}/operations/${name}?api-version=2023-09-01`,
        ...(status === 202
          ? { location: `${place}/operationResults/${name}?api-version=2023-09-01` }
          : {}),
      },
    };
  }

  #look(name: string): FakeAnswer {
    this.#permit('Microsoft.Network/locations/operations/read', name);
    const operation = this.#operations.get(name);
    if (operation === undefined) throw notFound(name);
    if (--operation.looksLeft <= 0 && !operation.finished) {
      operation.finished = true;
      operation.error = operation.finish();
    }
    if (!operation.finished)
      return { status: 200, body: { status: 'InProgress' }, headers: { 'retry-after': '10' } };
    return {
      status: 200,
      body:
        operation.error === undefined
          ? { status: 'Succeeded' }
          : { status: 'Failed', error: operation.error },
    };
  }

  #etag(): string {
    return `W/"${String(++this.#number).padStart(8, '0')}-aaaa-bbbb-cccc"`;
  }

  #permit(action: string, scope: string): void {
    if (this.denied.has(action)) throw forbidden(action, scope);
  }

  protected tooMany(): FakeAnswer {
    return {
      ...envelope(429, 'TooManyRequests', 'The request is being throttled.'),
      headers: { 'retry-after': String(this.retryAfterSeconds) },
    };
  }

  protected serverError(): FakeAnswer {
    return envelope(503, 'ServiceUnavailable', 'The service is unavailable.');
  }
}

function forbidden(action: string, scope: string): FakeRefusal {
  return refusal(
    403,
    'AuthorizationFailed',
    `The client does not have authorization to perform action '${action}' over scope '${scope}'.`,
  );
}

function notFound(id: string): FakeRefusal {
  return refusal(404, 'ResourceNotFound', `The Resource '${id}' was not found.`);
}

function refusal(
  status: number,
  code: string,
  message: string,
  details: readonly Json[] = [],
): FakeRefusal {
  return new FakeRefusal(envelope(status, code, message, details));
}

function envelope(
  status: number,
  code: string,
  message: string,
  details: readonly Json[] = [],
): FakeAnswer {
  return { status, body: { error: { code, message, details } } };
}
