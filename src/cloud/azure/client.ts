/** Calls of Azure Resource Manager: pages, long-running operations, and what its errors mean. */
import type { CloudFailure } from '../control.js';
import { CloudError } from '../control.js';
import {
  type Explained,
  type JsonAnswer,
  JsonClient,
  type JsonRequest,
  apiEndpoint,
  retryAfterMs,
} from '../json-client.js';
import { untilDone } from '../long-running.js';
import { field, listField, textField } from '../json-values.js';
import { managedIdentityToken } from './metadata.js';
import type { AzureAction } from './permissions.js';
import { networkApiVersion } from './wire.js';

/** Ours; the second one is what Terraform reads for other Azure clouds. */
export const resourceManagerVariables = ['SELVAGE_AZURE_ENDPOINT', 'ARM_ENDPOINT'] as const;
const usualEndpoint = 'https://management.azure.com';

const pageLimit = 200;

export interface ResourceManagerOptions {
  /** Per call, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Between two looks at an operation where Azure names no time, in milliseconds. */
  readonly pollMs?: number | undefined;
}

export interface AzureRequest extends JsonRequest {
  readonly permission: AzureAction;
}

export class ResourceManager {
  readonly #json: JsonClient;
  readonly #pollMs: number | undefined;

  constructor(env: NodeJS.ProcessEnv, options: ResourceManagerOptions = {}) {
    this.#pollMs = options.pollMs;
    const resource = apiEndpoint(env, { variables: ['ARM_ENDPOINT'], usual: usualEndpoint });
    this.#json = new JsonClient({
      provider: 'Azure',
      endpoint: apiEndpoint(env, { variables: resourceManagerVariables, usual: usualEndpoint }),
      token: (signal) =>
        managedIdentityToken(`${resource.origin}/`, {
          env,
          signal,
          clientId: env.AZURE_CLIENT_ID,
        }),
      tokenHeaders: (token) => ({ authorization: `Bearer ${token}` }),
      explain: explainAzure,
      remedy: remedyOf,
      timeoutMs: options.timeoutMs,
    });
  }

  /** `path` is a resource id, or a link from an answer. */
  async send(request: AzureRequest): Promise<JsonAnswer> {
    const whole = request.path.includes('api-version=');
    const query = whole ? request.query : { 'api-version': networkApiVersion, ...request.query };
    return this.#json.send({ ...request, query });
  }

  async get(request: AzureRequest): Promise<unknown> {
    return (await this.send(request)).body;
  }

  /** All items of a listing; `nextLink` leads from page to page. */
  async list(request: AzureRequest): Promise<readonly unknown[]> {
    const found: unknown[] = [];
    let path: string | undefined = request.path;
    for (let page = 0; page < pageLimit; page++) {
      const answer: unknown = await this.get({ ...request, path });
      found.push(...listField(answer, 'value'));
      path = linkOf(answer);
      if (path === undefined) return found;
    }
    throw new CloudError(`Azure's answer to ${request.call} has more than ${pageLimit} pages`, {
      failure: 'other',
      code: 'Endless',
      call: request.call,
    });
  }

  /**
   * Begins a change and follows it to its end: `Azure-AsyncOperation` tells a status, `Location`
   * alone answers 202 until it is done (Azure Resource Manager, "Track asynchronous operations").
   */
  async change(request: AzureRequest): Promise<void> {
    const begun = await this.send(request);
    const status = begun.headers.get('azure-asyncoperation');
    const location = begun.headers.get('location');
    const path = status ?? (begun.status === 202 ? location : null);
    if (path === null || begun.status === 204) return;
    const { call, signal } = request;
    const look: AzureRequest = {
      path,
      call,
      permission: 'Microsoft.Network/locations/operations/read',
      signal,
    };
    const patience = { signal, call, everyMs: this.#pollMs };
    let againMs = this.#pollMs ?? retryAfterMs(begun.headers);
    let first = true;
    const state = await untilDone(patience, async () => {
      if (first) {
        first = false;
        return { againMs };
      }
      const answer = await this.#look(look);
      if (answer === undefined) return { done: undefined };
      againMs = this.#pollMs ?? retryAfterMs(answer.headers);
      const told = textField(answer.body, 'status');
      const open = status === null ? answer.status === 202 : told === 'InProgress';
      return open ? { againMs } : { done: answer.body };
    });
    const word = textField(state, 'status') ?? 'Succeeded';
    if (word === 'Succeeded' || status === null) return;
    const code = textField(state, 'error', 'code') ?? word;
    throw new CloudError(
      `Azure's operation of ${call} ended as ${word}: ${code}, ${(textField(state, 'error', 'message') ?? '').slice(0, 300)}`,
      { failure: azureFailure(200, code), code, call },
    );
  }

  /** An operation that is not known any more has ended; the next reading says how. */
  async #look(request: AzureRequest): Promise<JsonAnswer | undefined> {
    try {
      return await this.send(request);
    } catch (error) {
      if (error instanceof CloudError && error.failure === 'absent') return undefined;
      throw error;
    }
  }
}

function linkOf(answer: unknown): string | undefined {
  const link = field(answer, 'nextLink');
  return typeof link === 'string' && link !== '' ? link : undefined;
}

/** `{"error": {"code": "AuthorizationFailed", "message": …, "details": [{code, message}]}}` */
function explainAzure({ status, body }: JsonAnswer): Explained {
  const code = textField(body, 'error', 'code') ?? `HTTP ${status}`;
  const told = field(body, 'error', 'message');
  return {
    code,
    message: typeof told === 'string' ? told : '',
    failure: azureFailure(status, code),
  };
}

const busyCodes: ReadonlySet<string> = new Set([
  'TooManyRequests',
  'SubscriptionRequestsThrottled',
  'OperationPreempted',
  'AnotherOperationInProgress',
  'RetryableError',
  'ReferencedResourceNotProvisioned',
  'PreconditionFailed',
  'InternalServerError',
  'ServerTimeout',
  'Canceled',
]);

function azureFailure(status: number, code: string): CloudFailure {
  if (busyCodes.has(code) || status === 412 || status === 429 || status >= 500) return 'retry';
  if (/Quota|LimitExceeded|LimitReached|CannotHaveMoreThan/.test(code)) return 'limit';
  if (status === 401 || /AuthenticationFailed|InvalidAuthenticationToken|ExpiredAuth/.test(code))
    return 'credentials';
  if (status === 403) return 'denied';
  return status === 404 ? 'absent' : 'other';
}

function remedyOf(failure: CloudFailure, { permission }: JsonRequest): string | undefined {
  switch (failure) {
    case 'denied':
      return `give the machine's identity a role with ${permission} (deploy/azure has the whole one)`;
    case 'credentials':
      return "check the machine's managed identity; AZURE_CLIENT_ID chooses one of several";
    case 'limit':
      return 'have the limit raised, or let fewer nodes need it';
    case 'retry':
      return 'it is tried again later';
    case 'absent':
    case 'other':
      return undefined;
  }
}
