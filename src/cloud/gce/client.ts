/** Calls of `compute v1`: pages, operations, and what its errors mean. */
import type { CloudFailure } from '../control.js';
import { CloudError } from '../control.js';
import {
  type Explained,
  type JsonAnswer,
  JsonClient,
  type JsonRequest,
  apiEndpoint,
} from '../json-client.js';
import { type Patience, untilDone } from '../long-running.js';
import { field, listField, textField } from '../json-values.js';
import { serviceAccountToken } from './metadata.js';
import type { ComputePermission } from './permissions.js';

/** The variable that gcloud itself reads. */
export const computeEndpointVariable = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE';
const usualEndpoint = 'https://compute.googleapis.com/compute/v1/';

/** Pages of one listing; more is an answer that never ends. */
const pageLimit = 200;
const pageSize = '500';

export interface ComputeClientOptions {
  /** Per call, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Between two looks at an operation, in milliseconds. */
  readonly pollMs?: number | undefined;
}

export interface ComputeRequest extends Omit<JsonRequest, 'permission'> {
  readonly permission: ComputePermission;
}

export class ComputeClient {
  readonly #json: JsonClient;
  readonly #pollMs: number | undefined;

  constructor(env: NodeJS.ProcessEnv, options: ComputeClientOptions = {}) {
    this.#pollMs = options.pollMs;
    this.#json = new JsonClient({
      provider: 'GCE',
      endpoint: apiEndpoint(env, { variables: [computeEndpointVariable], usual: usualEndpoint }),
      token: (signal) => serviceAccountToken({ env, signal }),
      tokenHeaders: (token) => ({ authorization: `Bearer ${token}` }),
      explain: explainCompute,
      remedy: remedyOf,
      timeoutMs: options.timeoutMs,
    });
  }

  async send(request: ComputeRequest): Promise<unknown> {
    return (await this.#json.send(request)).body;
  }

  /** All items of a listing. */
  async list(
    request: ComputeRequest,
    items: (page: unknown) => readonly unknown[],
  ): Promise<readonly unknown[]> {
    const found: unknown[] = [];
    let token: string | undefined;
    for (let page = 0; page < pageLimit; page++) {
      const answer = await this.send({
        ...request,
        query: {
          maxResults: pageSize,
          ...request.query,
          ...(token === undefined ? {} : { pageToken: token }),
        },
      });
      found.push(...items(answer));
      token = textField(answer, 'nextPageToken');
      if (token === undefined) return found;
    }
    throw new CloudError(`GCE's answer to ${request.call} has more than ${pageLimit} pages`, {
      failure: 'other',
      code: 'Endless',
      call: request.call,
    });
  }

  /** Begins a change and waits for its operation; `scope` is where operations of its kind are. */
  async change(
    request: ComputeRequest,
    scope: { readonly project: string; readonly zone?: string },
  ): Promise<void> {
    const begun = await this.send(request);
    const place = scope.zone === undefined ? 'global' : `zones/${scope.zone}`;
    const patience: Patience = {
      signal: request.signal,
      call: request.call,
      everyMs: this.#pollMs,
    };
    let operation = begun;
    let first = true;
    await untilDone(patience, async () => {
      if (!first) {
        const name = textField(begun, 'name');
        if (name === undefined) throw failed(request.call, 'NoOperation', 'no operation is named');
        const look =
          `compute.${scope.zone === undefined ? 'global' : 'zone'}Operations.get` as const;
        operation = await this.send({
          path: `projects/${scope.project}/${place}/operations/${encodeURIComponent(name)}`,
          call: look,
          permission: look,
          signal: request.signal,
        });
      }
      first = false;
      return textField(operation, 'status') === 'DONE' ? { done: true } : { againMs: undefined };
    });
    const error = listField(operation, 'error', 'errors')[0];
    if (error !== undefined) {
      const code = textField(error, 'code') ?? 'OperationFailed';
      throw failed(request.call, code, textField(error, 'message') ?? '');
    }
  }
}

/** An operation's own error: `QUOTA_EXCEEDED`, `RESOURCE_NOT_FOUND`. */
function failed(call: string, code: string, message: string): CloudError {
  const failure = operationFailure(code);
  return new CloudError(`GCE's operation of ${call} failed: ${code}, ${message.slice(0, 300)}`, {
    failure,
    code,
    call,
  });
}

function operationFailure(code: string): CloudFailure {
  if (/QUOTA|LIMIT_EXCEEDED/.test(code)) return 'limit';
  if (code.endsWith('NOT_FOUND')) return 'absent';
  if (/PERMISSION|FORBIDDEN/.test(code)) return 'denied';
  return /INTERNAL|UNAVAILABLE|RESOURCE_NOT_READY|RATE/.test(code) ? 'retry' : 'other';
}

/**
 * `{"error": {"code": 403, "message": …, "errors": [{"reason": "rateLimitExceeded", …}]}}`. Reasons:
 * "Standard error responses" of Google's APIs and Compute Engine's "Handling API errors".
 */
function explainCompute({ status, body }: JsonAnswer): Explained {
  const first = listField(body, 'error', 'errors')[0];
  const code = textField(first, 'reason') ?? textField(body, 'error', 'status') ?? `HTTP ${status}`;
  const told = field(body, 'error', 'message');
  return {
    code,
    message: typeof told === 'string' ? told : '',
    failure: computeFailure(status, code),
  };
}

const busyReasons: ReadonlySet<string> = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'RESOURCE_EXHAUSTED',
  'backendError',
  'internalError',
  'resourceNotReady',
]);

function computeFailure(status: number, reason: string): CloudFailure {
  if (busyReasons.has(reason) || status === 429 || status >= 500) return 'retry';
  if (reason === 'quotaExceeded' || reason === 'limitExceeded') return 'limit';
  if (status === 401) return 'credentials';
  if (status === 403) return 'denied';
  return status === 404 ? 'absent' : 'other';
}

function remedyOf(failure: CloudFailure, { permission }: JsonRequest): string | undefined {
  switch (failure) {
    case 'denied':
      return `give the instance's service account a role with ${permission}, and the instance a scope that includes it (deploy/gce has both)`;
    case 'credentials':
      return "check the instance's service account and its access scopes";
    case 'limit':
      return 'have the quota raised, or let fewer nodes need it';
    case 'retry':
      return 'it is tried again later';
    case 'absent':
    case 'other':
      return undefined;
  }
}
