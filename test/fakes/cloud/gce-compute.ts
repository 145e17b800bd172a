/**
 * Google's `compute v1` as far as a node's networking goes: instances, routes, firewall rules, and
 * the operations that changes become. Shapes: Google's API reference of `instances`, `routes`,
 * `firewalls`, `globalOperations` and `zoneOperations`; errors: "Handling API errors".
 */
import {
  type FakeAnswer,
  FakeJsonApi,
  FakeRefusal,
  type FakeRequest,
  type Json,
} from './json-api.js';
import { selectFields } from './gce-fields.js';

export interface FakeInstance {
  readonly name: string;
  readonly zone: string;
  readonly address: string;
  readonly network?: string;
  readonly canIpForward?: boolean;
  readonly tags?: readonly string[];
  readonly serviceAccount?: string;
  readonly aliases?: readonly string[];
  readonly ipv6?: string;
}

export interface FakeComputeOptions {
  readonly project: string;
  readonly accepts: (token: string) => boolean;
}

/** What has really changed, for whoever lets packets through accordingly. */
export type ComputeChange =
  | { readonly kind: 'route'; readonly name: string; readonly present: boolean }
  | { readonly kind: 'forwarding'; readonly instance: string; readonly on: boolean };

interface Operation {
  readonly name: string;
  readonly scope: string;
  looksLeft: number;
  finished: boolean;
  readonly finish: () => Json | undefined;
  error: Json | undefined;
}

/** The rules that GCE itself puts at the end of a policy. */
const policyDefaults: readonly Json[] = [
  ['EGRESS', 2_147_483_646],
  ['INGRESS', 2_147_483_647],
].map(([direction, priority]) => ({
  kind: 'compute#firewallPolicyRule',
  priority,
  direction,
  action: 'goto_next',
  match: {
    [direction === 'EGRESS' ? 'destIpRanges' : 'srcIpRanges']: ['0.0.0.0/0'],
    layer4Configs: [{ ipProtocol: 'all' }],
  },
  enableLogging: false,
}));

const host = 'https://www.googleapis.com/compute/v1/';

export class FakeCompute extends FakeJsonApi {
  readonly instances = new Map<string, Json>();
  readonly routes = new Map<string, Json>();
  readonly firewalls = new Map<string, Json>();
  /** `firewallPolicys` of getEffectiveFirewalls; each gets the rules that every policy ends with. */
  readonly policies: Json[] = [];
  /** Permissions that the service account lacks: `compute.routes.create`. */
  readonly denied = new Set<string>();
  onChange: (change: ComputeChange) => void = () => undefined;
  /** Largest page, whatever is asked for. */
  pageSize = 500;
  /** How often an operation is looked at before it is done. */
  looks = 1;
  /** Routes that the project may have. */
  routeQuota = 250;
  /** So many listings of routes still show what was before the last change. */
  staleLists = 0;
  /** The update of canIpForward wants more than a refresh. */
  forwardingNeedsRestart = false;
  readonly #options: FakeComputeOptions;
  readonly #operations = new Map<string, Operation>();
  #stale: readonly Json[] | undefined;
  #number = 0;

  constructor(options: FakeComputeOptions) {
    super();
    this.#options = options;
  }

  addInstance(instance: FakeInstance): Json {
    const { name, zone } = instance;
    const { project } = this.#options;
    const made: Json = {
      kind: 'compute#instance',
      id: String(4_000_000_000_000_000_000n + BigInt(++this.#number)),
      name,
      zone: `${host}projects/${project}/zones/${zone}`,
      selfLink: `${host}projects/${project}/zones/${zone}/instances/${name}`,
      machineType: `${host}projects/${project}/zones/${zone}/machineTypes/e2-medium`,
      status: 'RUNNING',
      canIpForward: instance.canIpForward ?? false,
      tags: { items: [...(instance.tags ?? [])], fingerprint: '42WmSpB8rSM=' },
      metadata: { kind: 'compute#metadata', items: [{ key: 'startup-script', value: 'PRIVATE' }] },
      labels: { team: 'net' },
      serviceAccounts: [
        {
          email: instance.serviceAccount ?? '123-compute@developer.gserviceaccount.com',
          scopes: ['https://www.googleapis.com/auth/compute'],
        },
      ],
      networkInterfaces: [
        {
          kind: 'compute#networkInterface',
          name: 'nic0',
          network: this.networkUrl(instance.network),
          networkIP: instance.address,
          ...(instance.ipv6 === undefined ? {} : { ipv6Address: instance.ipv6 }),
          ...(instance.aliases === undefined
            ? {}
            : { aliasIpRanges: instance.aliases.map((ipCidrRange) => ({ ipCidrRange })) }),
          fingerprint: 'nQ8Xy2==',
        },
      ],
      fingerprint: `f${this.#number}`,
    };
    this.instances.set(name, made);
    return made;
  }

  networkUrl(network = 'default'): string {
    return `${host}projects/${this.#options.project}/global/networks/${network}`;
  }

  addRoute(route: Json): void {
    this.routes.set(String(route.name), {
      kind: 'compute#route',
      priority: 1000,
      description: '',
      network: this.networkUrl(),
      ...route,
    });
  }

  addFirewall(rule: Json): void {
    this.firewalls.set(String(rule.name), {
      kind: 'compute#firewall',
      network: this.networkUrl(),
      priority: 1000,
      direction: 'INGRESS',
      disabled: false,
      ...rule,
    });
  }

  protected answer(request: FakeRequest): FakeAnswer {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined || !this.#options.accepts(token))
      // As the real one: what was sent is not repeated, except that this fake is spiteful.
      throw refusal(401, 'authError', `Invalid Credentials ${token ?? ''}`);
    const path = request.path.replace(/^\/(compute\/v1\/)?/, '');
    const match = /^projects\/([^/]+)\/(.*)$/.exec(path);
    if (match === null) throw refusal(404, 'notFound', 'Not Found');
    if (match[1] !== this.#options.project)
      throw refusal(404, 'notFound', `The resource 'projects/${match[1]}' was not found`);
    const body = this.#routeCall(request, match[2]!.split('/'));
    const fields = request.query.get('fields');
    return { status: 200, body: fields === null ? body : selectFields(body, fields) };
  }

  #routeCall(request: FakeRequest, parts: readonly string[]): unknown {
    const what = `${request.method} ${parts.map((part, i) => (i % 2 === 1 || i === 0 ? part : '*')).join('/')}`;
    const [scope, second, third, fourth, fifth] = parts;
    if (request.method === 'GET' && scope === 'aggregated' && second === 'instances')
      return this.#aggregated(request);
    if (scope === 'zones' && third === 'instances') {
      const instance = this.#instance(second!, fourth!);
      if (fifth === 'testIamPermissions') return this.#testPermissions(request);
      if (request.method === 'GET') return this.#permitted('compute.instances.get', instance);
      if (request.method === 'PUT') return this.#update(request, instance);
    }
    if (scope === 'global' && second === 'routes') {
      if (request.method === 'POST') return this.#insertRoute(request);
      if (request.method === 'DELETE') return this.#deleteRoute(third ?? '');
      if (third === undefined) return this.#routeList(request);
    }
    if (scope === 'global' && second === 'firewalls' && third === undefined) {
      this.#permit('compute.firewalls.list');
      return this.#page(request, [...this.firewalls.values()], 'compute#firewallList');
    }
    if (scope === 'global' && second === 'networks' && fourth === 'getEffectiveFirewalls') {
      this.#permit('compute.networks.getEffectiveFirewalls');
      return {
        firewalls: [...this.firewalls.values()],
        firewallPolicys: this.policies.map((policy) => ({
          ...policy,
          rules: [...(policy.rules as Json[]), ...policyDefaults],
        })),
      };
    }
    if (scope === 'global' && second === 'operations')
      return this.#look('compute.globalOperations.get', 'global', third ?? '');
    if (scope === 'zones' && third === 'operations')
      return this.#look('compute.zoneOperations.get', `zones/${second}`, fourth ?? '');
    throw refusal(404, 'notFound', `The fake has no ${what}`);
  }

  #aggregated(request: FakeRequest): unknown {
    this.#permit('compute.instances.list');
    const { items, ...page } = this.#page(
      request,
      [...this.instances.values()],
      'compute#instanceAggregatedList',
    );
    const scopes: Json = {
      'zones/us-central1-a': {
        warning: { code: 'NO_RESULTS_ON_PAGE', message: 'There are no results for scope.' },
      },
    };
    for (const instance of items) {
      const scope = `zones/${lastPart(String(instance.zone))}`;
      const known = scopes[scope] as { instances: Json[] } | undefined;
      scopes[scope] = { instances: [...(known?.instances ?? []), instance] };
    }
    return { ...page, items: scopes };
  }

  #instance(zone: string, name: string): Json {
    const instance = this.instances.get(name);
    if (instance === undefined || lastPart(String(instance.zone)) !== zone)
      throw refusal(404, 'notFound', `The resource 'instances/${name}' was not found`);
    return instance;
  }

  /** instances.update: what the request leaves out is taken away. */
  #update(request: FakeRequest, instance: Json): unknown {
    this.#permit('compute.instances.update');
    const body = request.body as Json;
    if (body.fingerprint !== instance.fingerprint)
      throw refusal(412, 'conditionNotMet', 'Supplied fingerprint does not match current one.');
    const most = request.query.get('mostDisruptiveAllowedAction');
    if (
      this.forwardingNeedsRestart &&
      body.canIpForward !== instance.canIpForward &&
      most !== 'RESTART'
    )
      throw refusal(
        400,
        'invalid',
        'The update requires the action RESTART, which is not allowed.',
      );
    const name = String(instance.name);
    return this.#begin(`zones/${lastPart(String(instance.zone))}`, 'update', () => {
      this.instances.set(name, { ...body, fingerprint: `${String(body.fingerprint)}x` });
      if (body.canIpForward !== instance.canIpForward)
        this.onChange({ kind: 'forwarding', instance: name, on: body.canIpForward === true });
      return undefined;
    });
  }

  #testPermissions(request: FakeRequest): unknown {
    const { permissions } = request.body as { permissions: string[] };
    return { permissions: permissions.filter((permission) => !this.denied.has(permission)) };
  }

  #insertRoute(request: FakeRequest): unknown {
    for (const permission of [
      'compute.routes.create',
      'compute.networks.updatePolicy',
      'compute.instances.use',
    ])
      this.#permit(permission);
    const body = request.body as Json;
    const name = String(body.name);
    if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
      throw refusal(400, 'invalid', `Invalid value for field 'resource.name': '${name}'.`);
    if (typeof body.network !== 'string' || typeof body.destRange !== 'string')
      throw refusal(400, 'required', 'Required field is missing.');
    if (this.routes.has(name))
      throw refusal(409, 'alreadyExists', `The resource 'routes/${name}' already exists`);
    return this.#begin('global', 'insert', () => {
      if (this.routes.size >= this.routeQuota)
        return {
          code: 'QUOTA_EXCEEDED',
          message: `Quota 'ROUTES' exceeded. Limit: ${this.routeQuota}`,
        };
      const hop = lastPart(String(body.nextHopInstance));
      if (!this.instances.has(hop))
        return {
          code: 'RESOURCE_NOT_FOUND',
          message: `The resource 'instances/${hop}' was not found`,
        };
      this.#remember();
      this.routes.set(name, {
        kind: 'compute#route',
        ...body,
        network: absolute(body.network),
        nextHopInstance: absolute(body.nextHopInstance),
      });
      this.onChange({ kind: 'route', name, present: true });
      return undefined;
    });
  }

  #deleteRoute(name: string): unknown {
    this.#permit('compute.routes.delete');
    this.#permit('compute.networks.updatePolicy');
    if (!this.routes.has(name))
      throw refusal(404, 'notFound', `The resource 'routes/${name}' was not found`);
    return this.#begin('global', 'delete', () => {
      this.#remember();
      this.routes.delete(name);
      this.onChange({ kind: 'route', name, present: false });
      return undefined;
    });
  }

  #routeList(request: FakeRequest): unknown {
    this.#permit('compute.routes.list');
    const shown = this.#stale ?? [...this.routes.values()];
    if (this.#stale !== undefined && --this.staleLists <= 0) this.#stale = undefined;
    const warned = shown.map((route) => {
      const hop = route.nextHopInstance;
      if (typeof hop !== 'string' || this.instances.has(lastPart(hop))) return route;
      const warning = { code: 'NEXT_HOP_INSTANCE_NOT_FOUND', message: `${hop} not found` };
      return { ...route, warnings: [warning] };
    });
    return this.#page(request, warned, 'compute#routeList');
  }

  #remember(): void {
    if (this.staleLists > 0) this.#stale ??= [...this.routes.values()];
  }

  #begin(scope: string, type: string, finish: () => Json | undefined): unknown {
    const name = `operation-${++this.#number}`;
    const operation: Operation = {
      name,
      scope,
      looksLeft: this.looks,
      finished: false,
      finish,
      error: undefined,
    };
    this.#operations.set(name, operation);
    return this.#shown(operation, type);
  }

  #look(permission: string, scope: string, name: string): unknown {
    this.#permit(permission);
    const operation = this.#operations.get(name);
    if (operation?.scope !== scope)
      throw refusal(404, 'notFound', `The resource 'operations/${name}' was not found`);
    operation.looksLeft--;
    return this.#shown(operation);
  }

  #shown(operation: Operation, operationType = 'insert'): unknown {
    if (operation.looksLeft <= 0 && !operation.finished) {
      operation.finished = true;
      operation.error = operation.finish();
    }
    const { name, scope, finished, error } = operation;
    return {
      kind: 'compute#operation',
      id: String(this.#number),
      name,
      operationType,
      status: finished ? 'DONE' : 'RUNNING',
      progress: finished ? 100 : 0,
      selfLink: `${host}projects/${this.#options.project}/${scope}/operations/${name}`,
      ...(error === undefined ? {} : { error: { errors: [error] }, httpErrorStatusCode: 400 }),
    };
  }

  #page(request: FakeRequest, all: readonly Json[], kind: string): Json & { items: Json[] } {
    const wanted = Number(request.query.get('maxResults') ?? 500);
    const start = Number(request.query.get('pageToken') ?? 0);
    const size = Math.min(wanted, this.pageSize);
    const end = start + size;
    return {
      kind,
      id: 'list',
      items: all.slice(start, end),
      ...(end < all.length ? { nextPageToken: String(end) } : {}),
    };
  }

  #permitted<T>(permission: string, value: T): T {
    this.#permit(permission);
    return value;
  }

  #permit(permission: string): void {
    if (this.denied.has(permission))
      throw refusal(403, 'forbidden', `Required '${permission}' permission for the resource`);
  }

  protected tooMany(): FakeAnswer {
    return envelope(403, 'rateLimitExceeded', 'Rate Limit Exceeded');
  }

  protected serverError(): FakeAnswer {
    return envelope(503, 'backendError', 'Service Unavailable');
  }
}

function refusal(code: number, reason: string, message: string): FakeRefusal {
  return new FakeRefusal(envelope(code, reason, message));
}

function envelope(code: number, reason: string, message: string): FakeAnswer {
  return {
    status: code,
    body: { error: { code, message, errors: [{ message, domain: 'global', reason }] } },
  };
}

function absolute(url: unknown): string {
  const text = String(url);
  return text.startsWith('projects/') ? `${host}${text}` : text;
}

function lastPart(text: string): string {
  return text.slice(text.lastIndexOf('/') + 1);
}
