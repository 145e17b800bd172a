/** Calls of Neutron: pages, and what its errors mean. */
import type { CloudFailure } from '../control.js';
import { CloudError } from '../control.js';
import { type Explained, type JsonAnswer, JsonClient, type JsonRequest } from '../json-client.js';
import { field, listField, textField } from '../json-values.js';
import { type KeystoneOptions, type Session, authenticate } from './keystone.js';
import type { NeutronPolicy } from './permissions.js';

const pageLimit = 200;
const pageSize = '500';

export interface NeutronRequest extends Omit<JsonRequest, 'permission'> {
  /** The rule of the policy that it needs names the call as well. */
  readonly call: NeutronPolicy;
}

export class NeutronClient {
  readonly #env: NodeJS.ProcessEnv;
  readonly #options: KeystoneOptions;
  #json: JsonClient | undefined;

  constructor(env: NodeJS.ProcessEnv, options: KeystoneOptions = {}) {
    this.#env = env;
    this.#options = options;
  }

  /** `path` begins behind `/v2.0/`. What policies speak of is the call's own name. */
  async send(request: NeutronRequest): Promise<JsonAnswer> {
    const json = await this.#opened(request.signal);
    return json.send({ ...request, path: `v2.0/${request.path}`, permission: request.call });
  }

  async get(request: NeutronRequest): Promise<unknown> {
    return (await this.send(request)).body;
  }

  /** All items of `ports`; the next page begins behind the last item's id. */
  async list(request: NeutronRequest, collection: string): Promise<readonly unknown[]> {
    const found: unknown[] = [];
    let marker: string | undefined;
    for (let page = 0; page < pageLimit; page++) {
      const answer = await this.get({
        ...request,
        query: { limit: pageSize, ...request.query, ...(marker === undefined ? {} : { marker }) },
      });
      found.push(...listField(answer, collection.replaceAll('-', '_')));
      // Behind a proxy the link may name a host that cannot be reached: only its marker is used.
      const next = listField(answer, `${collection.replaceAll('-', '_')}_links`).find(
        (link) => textField(link, 'rel') === 'next',
      );
      const href = textField(next, 'href');
      if (href === undefined) return found;
      const url = URL.canParse(href, 'http://neutron')
        ? new URL(href, 'http://neutron')
        : undefined;
      marker = url?.searchParams.get('marker') ?? undefined;
      if (marker === undefined) return found;
    }
    throw new CloudError(`Neutron's answer to ${request.call} has more than ${pageLimit} pages`, {
      failure: 'other',
      code: 'Endless',
      call: request.call,
    });
  }

  /** The first token also tells where Neutron is. */
  async #opened(signal: AbortSignal | undefined): Promise<JsonClient> {
    if (this.#json !== undefined) return this.#json;
    const options = { ...this.#options, signal };
    let first: Session | undefined = await authenticate(this.#env, options);
    this.#json = new JsonClient({
      provider: 'Neutron',
      endpoint: first.neutron,
      token: async (later) => {
        const session = first ?? (await authenticate(this.#env, { ...options, signal: later }));
        first = undefined;
        return session;
      },
      tokenHeaders: (token) => ({ 'x-auth-token': token }),
      explain: explainNeutron,
      remedy: remedyOf,
      timeoutMs: this.#options.timeoutMs,
    });
    return this.#json;
  }
}

/** `{"NeutronError": {"type": "OverQuota", "message": …, "detail": ""}}`; a 401 is Keystone's. */
function explainNeutron({ status, body }: JsonAnswer): Explained {
  const code =
    textField(body, 'NeutronError', 'type') ??
    textField(body, 'error', 'title') ??
    `HTTP ${status}`;
  const told = field(body, 'NeutronError', 'message') ?? field(body, 'error', 'message');
  return {
    code,
    message: typeof told === 'string' ? told : '',
    failure: neutronFailure(status, code),
  };
}

function neutronFailure(status: number, code: string): CloudFailure {
  if (status === 412 || status === 429 || status === 413 || status >= 500) return 'retry';
  if (/OverQuota|Exhausted|LimitExceeded/.test(code)) return 'limit';
  if (status === 401) return 'credentials';
  if (status === 403) return 'denied';
  return status === 404 ? 'absent' : 'other';
}

function remedyOf(failure: CloudFailure, { permission }: JsonRequest): string | undefined {
  switch (failure) {
    case 'denied':
      return `Neutron's policy has to allow ${permission} to the project of the application credential`;
    case 'credentials':
      return 'check the application credential';
    case 'limit':
      return 'have the quota raised';
    case 'retry':
      return 'it is tried again later';
    case 'absent':
    case 'other':
      return undefined;
  }
}
