/**
 * Keystone (identity v3, application credentials) and Neutron (v2.0: ports, tags, routers, security
 * groups) in one server. Shapes: OpenStack's "Identity API v3" and "Networking Service APIs"
 * references; conditional updates: its `revision-if-match` extension.
 */
import {
  type FakeAnswer,
  FakeJsonApi,
  FakeRefusal,
  type FakeRequest,
  type Json,
} from './json-api.js';

export interface FakePort {
  readonly name: string;
  readonly address: string;
  readonly network?: string;
  readonly groups?: readonly string[];
  readonly pairs?: readonly Json[];
  /** Undefined leaves the field out, as a cloud without the extension does. */
  readonly portSecurity?: boolean | undefined;
  readonly owner?: string;
  readonly device?: string;
}

/** What has really changed, for whoever lets packets through accordingly. */
export interface PortChange {
  readonly port: string;
  readonly pairs: readonly string[];
}

export const fakeCredential = { id: 'app-cred-id', secret: 'app-cred-SECRET-word' } as const;

export class FakeOpenStack extends FakeJsonApi {
  readonly ports = new Map<string, Json>();
  readonly routers = new Map<string, Json>();
  readonly groups = new Map<string, Json>();
  /** Rules of the policy that fail: `update_port:allowed_address_pairs`. */
  readonly denied = new Set<string>();
  onChange: (change: PortChange) => void = () => undefined;
  pageSize = 100;
  /** Pairs that a port may have (`max_allowed_address_pair`). */
  pairQuota = 10;
  /** Somebody else writes a port between a reading and a writing, so many times. */
  disturb = 0;
  lifetimeSeconds = 3600;
  issued = 0;
  /** The credential was deleted. */
  revoked = false;
  /** Regions of the catalogue. */
  regions: readonly string[] = ['RegionOne'];
  #number = 0;

  addPort(port: FakePort): Json {
    const { name } = port;
    const made: Json = {
      id: `port-${name}`,
      name,
      network_id: port.network ?? 'net-1',
      mac_address: `fa:16:3e:00:00:${(++this.#number).toString(16).padStart(2, '0')}`,
      admin_state_up: true,
      status: 'ACTIVE',
      device_id: port.device ?? `server-${name}`,
      device_owner: port.owner ?? 'compute:nova',
      fixed_ips: [{ subnet_id: 'sub-1', ip_address: port.address }],
      allowed_address_pairs: [...(port.pairs ?? [])],
      port_security_enabled: true,
      ...('portSecurity' in port ? { port_security_enabled: port.portSecurity } : {}),
      security_groups: [...(port.groups ?? ['sg-default'])],
      'binding:vnic_type': 'normal',
      extra_dhcp_opts: [],
      tags: ['theirs'],
      revision_number: 3,
    };
    this.ports.set(String(made.id), made);
    return made;
  }

  addGroup(id: string, rules: readonly Json[]): void {
    this.groups.set(id, {
      id,
      name: id,
      stateful: true,
      security_group_rules: rules.map((rule, index) => ({
        id: `${id}-${index + 1}`,
        security_group_id: id,
        direction: 'ingress',
        ethertype: 'IPv4',
        protocol: null,
        port_range_min: null,
        port_range_max: null,
        remote_ip_prefix: null,
        remote_group_id: null,
        remote_address_group_id: null,
        ...rule,
      })),
    });
  }

  addRouter(name: string, routes: readonly Json[] = [], network = 'net-1'): Json {
    const made: Json = { id: `router-${name}`, name, routes, admin_state_up: true, ha: false };
    this.routers.set(String(made.id), made);
    this.addPort({
      name: `${name}-if`,
      address: '10.10.0.1',
      network,
      owner: 'network:router_interface',
      device: String(made.id),
    });
    return made;
  }

  protected answer(request: FakeRequest): FakeAnswer {
    if (request.path === '/identity/v3/auth/tokens') return this.#authenticate(request);
    const token = String(request.headers['x-auth-token'] ?? '');
    if (this.revoked || token !== this.#token())
      return {
        status: 401,
        body: {
          // The real one is silent; this one repeats what it was shown.
          error: { code: 401, title: 'Unauthorized', message: `Not authenticated: ${token}` },
        },
      };
    const path = /^\/network\/v2\.0\/(.+)$/.exec(request.path)?.[1];
    if (path === undefined) throw refusal(404, 'HTTPNotFound', 'The resource could not be found.');
    return this.#neutron(request, path.split('/'));
  }

  #token(): string {
    return `gAAAAA-secret-${this.issued}`;
  }

  #authenticate(request: FakeRequest): FakeAnswer {
    const identity = (request.body as { auth?: { identity?: Json } } | undefined)?.auth?.identity;
    const credential = identity?.application_credential as Json | undefined;
    if (
      this.revoked ||
      credential?.id !== fakeCredential.id ||
      credential.secret !== fakeCredential.secret
    )
      return {
        status: 401,
        body: {
          error: {
            code: 401,
            title: 'Unauthorized',
            message: `The request you have made requires authentication. ${String(credential?.secret)}`,
          },
        },
      };
    this.issued++;
    const expires = new Date(Date.now() + this.lifetimeSeconds * 1000).toISOString();
    return {
      status: 201,
      headers: { 'x-subject-token': this.#token() },
      body: {
        token: {
          methods: ['application_credential'],
          expires_at: expires,
          catalog: [
            { type: 'compute', name: 'nova', endpoints: [] },
            {
              type: 'network',
              name: 'neutron',
              endpoints: this.regions.flatMap((region) =>
                ['public', 'internal'].map((kind) => ({
                  id: `${region}-${kind}`,
                  interface: kind,
                  region,
                  region_id: region,
                  url:
                    kind === 'public'
                      ? `${this.linkTo(request)}/network/`
                      : 'http://10.255.255.1:9696',
                })),
              ),
            },
          ],
        },
      },
    };
  }

  #neutron(request: FakeRequest, parts: readonly string[]): FakeAnswer {
    const [collection, id, tags, tag] = parts;
    const { method } = request;
    if (id === undefined && method === 'GET') {
      const lists = {
        ports: ['get_port', this.ports],
        routers: ['get_router', this.routers],
        'security-groups': ['get_security_group', this.groups],
      } as const;
      const list = lists[collection as keyof typeof lists];
      // Policies leave out what may not be seen; some clouds refuse instead, as this one.
      this.#permit(list[0]);
      return this.#page(request, collection!, [...list[1].values()]);
    }
    const port = collection === 'ports' ? this.ports.get(id ?? '') : undefined;
    if (port === undefined) throw refusal(404, 'PortNotFound', `Port ${id} could not be found.`);
    if (tags === 'tags') return this.#tags(request, port, tag);
    if (method === 'PUT') return this.#update(request, port);
    this.#permit('get_port');
    return { status: 200, body: { port } };
  }

  #tags({ method }: FakeRequest, port: Json, tag: string | undefined): FakeAnswer {
    const known = port.tags as string[];
    if (tag === undefined) return { status: 200, body: { tags: known } };
    this.#permit('update_ports_tags');
    if (method === 'DELETE' && !known.includes(tag))
      throw refusal(404, 'TagNotFound', `Tag ${tag} could not be found.`);
    port.tags = [...known.filter((one) => one !== tag), ...(method === 'PUT' ? [tag] : [])];
    port.revision_number = Number(port.revision_number) + 1;
    return { status: method === 'PUT' ? 201 : 204 };
  }

  #update(request: FakeRequest, port: Json): FakeAnswer {
    this.#permit('update_port');
    this.#permit('update_port:allowed_address_pairs');
    if (this.disturb > 0) {
      this.disturb--;
      port.description = `changed ${++this.#number}`;
      (port.allowed_address_pairs as Json[]).push({
        ip_address: `10.99.0.${this.#number}`,
        mac_address: port.mac_address,
      });
      port.revision_number = Number(port.revision_number) + 1;
    }
    const condition = request.headers['if-match'];
    if (condition !== undefined && condition !== `revision_number=${String(port.revision_number)}`)
      throw refusal(
        412,
        'RevisionNumberConstraintFailed',
        `Constrained to ${condition}, but current revision is ${String(port.revision_number)}`,
      );
    const body = (request.body as { port: Json }).port;
    const pairs = body.allowed_address_pairs as Json[];
    if (pairs.length > this.pairQuota)
      throw refusal(
        400,
        'AllowedAddressPairExhausted',
        `The number of allowed address pair exceeds the maximum ${this.pairQuota}.`,
      );
    if (port.port_security_enabled === false && pairs.length > 0)
      throw refusal(409, 'AddressPairAndPortSecurityRequired', 'Port Security must be enabled.');
    port.allowed_address_pairs = pairs.map((pair) => ({ mac_address: port.mac_address, ...pair }));
    port.revision_number = Number(port.revision_number) + 1;
    this.onChange({ port: String(port.id), pairs: pairs.map((pair) => String(pair.ip_address)) });
    return { status: 200, body: { port } };
  }

  #page(request: FakeRequest, collection: string, all: readonly Json[]): FakeAnswer {
    const sorted = [...all].sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
    const marker = request.query.get('marker');
    const start = marker === null ? 0 : sorted.findIndex(({ id }) => id === marker) + 1;
    const size = Math.min(Number(request.query.get('limit') ?? 100), this.pageSize);
    const page = sorted.slice(start, start + size);
    const name = collection.replaceAll('-', '_');
    const last = page.at(-1);
    const more = start + size < sorted.length && last !== undefined;
    return {
      status: 200,
      body: {
        [name]: page,
        ...(more
          ? {
              [`${name}_links`]: [
                {
                  rel: 'next',
                  href: `http://neutron.internal:9696/v2.0/${collection}?limit=${size}&marker=${String(last.id)}`,
                },
              ],
            }
          : {}),
      },
    };
  }

  #permit(rule: string): void {
    if (this.denied.has(rule))
      throw refusal(403, 'PolicyNotAuthorized', `rule:${rule} is disallowed by policy`);
  }

  protected tooMany(): FakeAnswer {
    return {
      status: 429,
      headers: { 'retry-after': '30' },
      body: { error: { code: 429, title: 'Too Many Requests', message: 'Rate limited' } },
    };
  }

  protected serverError(): FakeAnswer {
    return {
      status: 503,
      body: { message: 'The server is unavailable.', code: '503 Unavailable' },
    };
  }
}

function refusal(status: number, type: string, message: string): FakeRefusal {
  return new FakeRefusal({ status, body: { NeutronError: { type, message, detail: '' } } });
}
