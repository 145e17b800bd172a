/**
 * Asks one metadata service: a path in, text out, and one sentence for whatever else happens. An
 * answer's body never becomes part of an error, as tokens and keys travel in it.
 */
import { setMaxListeners } from 'node:events';
import { MetadataError } from './metadata-error.js';
import type { MetadataAnswer, MetadataTransport } from './metadata-transport.js';
import { openTransport } from './metadata-transport.js';

/** Bytes of an answer; the largest honest one holds 64 KiB of user data that nobody reads here. */
export const maxAnswerBytes = 256 * 1024;

/** How one call is made; every exported question of a provider takes this. */
export interface MetadataAccess {
  /** Environment with the conventional endpoint variables. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** Default: one of its own, over the network. */
  readonly transport?: MetadataTransport | undefined;
  /** The whole of it, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** For a token or keys, where somebody is known to answer. */
const defaultTimeoutMs = 5_000;

/** Runs a question with a transport and a deadline, and clears both away. */
export async function withAccess<T>(
  access: MetadataAccess,
  ask: (transport: MetadataTransport, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const transport = access.transport ?? openTransport();
  const deadline = startDeadline(access.timeoutMs ?? defaultTimeoutMs, access.signal);
  try {
    return await ask(transport, deadline.signal);
  } finally {
    deadline.clear();
    if (access.transport === undefined) transport.close();
  }
}

export interface Deadline {
  readonly signal: AbortSignal;
  clear(): void;
}

/** Fires after a time, or with the outer signal. */
export function startDeadline(timeoutMs: number, outer?: AbortSignal): Deadline {
  const controller = new AbortController();
  // Each request of a detection listens to it, and there are more than the ten that Node warns of.
  setMaxListeners(0, controller.signal);
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, timeoutMs);
  if (outer?.aborted === true) abort();
  outer?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', abort);
    },
  };
}

export interface ClientOptions {
  readonly endpoint: URL;
  readonly transport: MetadataTransport;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** Looks at an answer of success before its body is used; throws a MetadataError. */
  readonly check?: (answer: MetadataAnswer) => void;
}

export interface AskOptions {
  readonly method?: 'GET' | 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For this request alone, in milliseconds. */
  readonly timeoutMs?: number;
}

export class MetadataClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get endpoint(): URL {
    return this.#options.endpoint;
  }

  /** The same service with more headers. */
  with(headers: Readonly<Record<string, string>>): MetadataClient {
    return new MetadataClient({
      ...this.#options,
      headers: { ...this.#options.headers, ...headers },
    });
  }

  /** `path` begins with a slash and may have a query. */
  async text(path: string, options: AskOptions = {}): Promise<string> {
    const { transport, signal: outer, endpoint, check } = this.#options;
    const url = new URL(joined(endpoint, path));
    const deadline =
      options.timeoutMs === undefined ? undefined : startDeadline(options.timeoutMs, outer);
    try {
      const answer = await transport.send({
        method: options.method ?? 'GET',
        url,
        headers: { accept: '*/*', ...this.#options.headers, ...options.headers },
        body: options.body,
        maxBytes: maxAnswerBytes,
        signal: deadline?.signal ?? outer,
      });
      if (answer.status < 200 || answer.status > 299) throw statusError(answer, url);
      check?.(answer);
      return answer.body;
    } finally {
      deadline?.clear();
    }
  }

  async json(path: string, options: AskOptions = {}): Promise<unknown> {
    const text = await this.text(path, options);
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw malformed(`${this.endpoint.host}${pathOnly(path)}`, 'JSON');
    }
  }
}

/** Undefined where the service has no such thing. */
export async function orAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MetadataError && error.failure === 'absent') return undefined;
    throw error;
  }
}

export function malformed(where: string, wanted: string): MetadataError {
  return new MetadataError(`what ${where} answers is not ${wanted}`, {
    failure: 'malformed',
    remedy: 'check that nothing else answers there, such as a proxy or a captive portal',
  });
}

function statusError(answer: MetadataAnswer, url: URL): MetadataError {
  const { status } = answer;
  const where = `${url.host}${url.pathname}`;
  if (status >= 300 && status < 400)
    return new MetadataError(
      `${where} answers with a redirect (${status}), which is not followed`,
      {
        failure: 'redirect',
        status,
        remedy: 'check that nothing else answers there, such as a proxy or a captive portal',
      },
    );
  const failure =
    status === 404 ? 'absent' : status === 401 || status === 403 ? 'refused' : 'status';
  return new MetadataError(`${where} answers with status ${status}`, { failure, status });
}

function joined(endpoint: URL, path: string): string {
  return `${endpoint.origin}${endpoint.pathname.replace(/\/+$/, '')}${path}`;
}

function pathOnly(path: string): string {
  return path.split('?', 1)[0]!;
}
