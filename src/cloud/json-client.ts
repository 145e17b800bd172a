/**
 * Speaks one provider's JSON API with a token of the machine's own identity.
 *
 * A call has a time limit, its answer a largest size, and it stays on the host that it was meant
 * for: redirects are not followed, and a link in an answer that leads elsewhere is an error, as the
 * token would go with it. A reading call that met a busy or broken server is tried a second time;
 * all other waiting is the caller's. No error ever quotes a token.
 */
import { CloudError, type CloudFailure } from './control.js';
import { MetadataError } from './metadata-error.js';

export interface ApiToken {
  readonly accessToken: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

export interface JsonClientOptions {
  /** `GCE`, `Azure`: the subject of error texts. */
  readonly provider: string;
  /** Paths of requests begin behind its path. */
  readonly endpoint: URL;
  /** Rejects with a MetadataError or a CloudError. */
  readonly token: (signal?: AbortSignal) => Promise<ApiToken>;
  readonly tokenHeaders: (token: string) => Readonly<Record<string, string>>;
  /** What an answer that is no success means. */
  readonly explain: (answer: JsonAnswer) => Explained;
  /** What an operator can do about a refusal. */
  readonly remedy: (failure: CloudFailure, request: JsonRequest) => string | undefined;
  /** Of one call, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly maxBytes?: number | undefined;
}

export interface JsonRequest {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `projects/p/global/routes`, or a link from an answer (an absolute URL). */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  /** The API's name of it: `compute.routes.insert`. */
  readonly call: string;
  readonly permission: string;
  readonly signal?: AbortSignal | undefined;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined: empty, or not JSON. */
  readonly body: unknown;
}

export interface Explained {
  readonly failure: CloudFailure;
  readonly code: string;
  readonly message: string;
}

const defaultTimeoutMs = 10_000;
const defaultMaxBytes = 32 * 1024 * 1024;
const quickRetryMs = 300;
/** A server that asks for more patience than this is left to the caller's back-off. */
const longestQuickRetryMs = 2_000;
/** A token that ends within this time is not begun with. */
const tokenMarginMs = 60_000;

export class JsonClient {
  readonly #options: JsonClientOptions;
  #token: ApiToken | undefined;

  constructor(options: JsonClientOptions) {
    this.#options = options;
  }

  /** Rejects with a CloudError. */
  async send(request: JsonRequest): Promise<JsonAnswer> {
    const url = this.#url(request);
    let renewed = false;
    let retried = false;
    for (;;) {
      const token = await this.#currentToken(request);
      try {
        return await this.#once(request, { url, token });
      } catch (error) {
        if (!(error instanceof Refusal) || request.signal?.aborted === true) throw error;
        if (error.status === 401 && !renewed) {
          renewed = true;
          this.#token = undefined;
          continue;
        }
        if (error.failure !== 'retry' || retried || (request.method ?? 'GET') !== 'GET')
          throw error;
        if (error.waitMs > longestQuickRetryMs) throw error;
        retried = true;
        await pause(error.waitMs, request.signal);
      }
    }
  }

  async #once(
    request: JsonRequest,
    sent: { readonly url: URL; readonly token: string },
  ): Promise<JsonAnswer> {
    const { timeoutMs = defaultTimeoutMs, tokenHeaders } = this.#options;
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = request.signal === undefined ? limit : AbortSignal.any([request.signal, limit]);
    let answer: JsonAnswer;
    try {
      const response = await fetch(sent.url, {
        method: request.method ?? 'GET',
        headers: {
          accept: 'application/json',
          ...tokenHeaders(sent.token),
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        redirect: 'manual',
        signal,
      });
      answer = {
        status: response.status,
        headers: response.headers,
        body: await this.#read(response, request),
      };
    } catch (error) {
      if (error instanceof CloudError) throw error;
      throw this.#unanswered(request, { error, limit, host: sent.url.host });
    }
    if (answer.status >= 200 && answer.status <= 299) return answer;
    throw this.#refused(request, { answer, token: sent.token });
  }

  /** A link of an answer is followed on the API's own host only. */
  #url({ path, query, call }: JsonRequest): URL {
    const { endpoint, provider } = this.#options;
    const base = new URL(endpoint);
    base.pathname = base.pathname.replace(/\/*$/, '/');
    const url = new URL(path, base);
    if (url.origin !== endpoint.origin)
      throw new CloudError(`${provider}'s answer to ${call} leads to another host, ${url.host}`, {
        failure: 'other',
        code: 'ForeignHost',
        call,
      });
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    return url;
  }

  async #currentToken(request: JsonRequest): Promise<string> {
    if (this.#token !== undefined && this.#token.expiresAtMs - tokenMarginMs > Date.now())
      return this.#token.accessToken;
    try {
      this.#token = await this.#options.token(request.signal);
      return this.#token.accessToken;
    } catch (error) {
      if (!(error instanceof MetadataError)) throw error;
      const passing = error.failure === 'unreachable' || error.failure === 'timeout';
      throw new CloudError(`${request.call} needs a token: ${error.text}`, {
        failure: passing ? 'retry' : 'credentials',
        code: error.failure,
        call: request.call,
      });
    }
  }

  async #read(response: Response, { call }: JsonRequest): Promise<unknown> {
    const { provider, maxBytes = defaultMaxBytes } = this.#options;
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    // Fetch's own types do not say that a body can be iterated over, which Node's can.
    for await (const chunk of (response.body as AsyncIterable<Uint8Array> | null) ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes)
        throw new CloudError(`${provider}'s answer to ${call} is larger than ${maxBytes} bytes`, {
          failure: 'other',
          code: 'AnswerTooLarge',
          call,
        });
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
    if (text.trim() === '') return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      if (!response.ok) return undefined;
      throw new CloudError(`what answers ${call} is not ${provider}'s JSON`, {
        failure: 'retry',
        code: 'NotJson',
        call,
      });
    }
  }

  #refused(
    request: JsonRequest,
    met: { readonly answer: JsonAnswer; readonly token: string },
  ): CloudError {
    const { provider, explain, remedy } = this.#options;
    const { call } = request;
    const { status, headers } = met.answer;
    if (status >= 300 && status < 400)
      return new Refusal(`${provider} answers ${call} with a redirect, which is not followed`, {
        failure: 'other',
        code: 'Redirect',
        call,
        status,
        waitMs: 0,
      });
    const { failure, code, message } = explain(met.answer);
    const advice = remedy(failure, request);
    const words = plain(message, met.token);
    const text = `${provider} refuses ${call}: ${[code, words].filter(Boolean).join(', ')}`;
    return new Refusal(advice === undefined ? text : `${text}; ${advice}`, {
      failure,
      code,
      call,
      status,
      waitMs: retryAfterMs(headers) ?? quickRetryMs,
    });
  }

  #unanswered(
    { call, signal }: JsonRequest,
    met: { readonly error: unknown; readonly limit: AbortSignal; readonly host: string },
  ): CloudError {
    // fetch hides the reason one level down: "fetch failed", cause ECONNREFUSED.
    const cause = met.error instanceof Error ? (met.error.cause ?? met.error) : undefined;
    const code = (cause as NodeJS.ErrnoException | undefined)?.code;
    const why = met.limit.aborted
      ? 'took too long'
      : signal?.aborted === true
        ? 'was not waited for any longer'
        : `cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`;
    const text = `${this.#options.provider} does not answer ${call}: ${met.host} ${why}`;
    const details = { failure: 'retry', code: 'NoAnswer', call } as const;
    // What took its whole time is not tried again at once.
    return met.limit.aborted
      ? new CloudError(text, details)
      : new Refusal(text, { ...details, status: 0, waitMs: quickRetryMs });
  }
}

/** An error that `send` may try once more. */
class Refusal extends CloudError {
  /** 0: there was no answer. */
  readonly status: number;
  readonly waitMs: number;

  constructor(
    message: string,
    details: {
      readonly failure: CloudFailure;
      readonly code: string;
      readonly call: string;
      readonly status: number;
      readonly waitMs: number;
    },
  ) {
    super(message, details);
    this.status = details.status;
    this.waitMs = details.waitMs;
  }
}

/** RFC 9110, section 10.2.3: seconds (a date is left to the caller's own patience). */
export function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? '';
  return /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

export function pause(timeMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, timeMs);
    if (signal?.aborted === true) done();
    else signal?.addEventListener('abort', done, { once: true });
  });
}

/** One line of the server's words, without anything that it may have repeated to us. */
function plain(message: string, token: string): string {
  const text = message
    .replaceAll(token, '(token)')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .replace(/\.$/, '');
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}

/** Where an environment variable points, or the usual endpoint. */
export function apiEndpoint(
  env: NodeJS.ProcessEnv,
  options: { readonly variables: readonly string[]; readonly usual: string },
): URL {
  for (const name of options.variables) {
    const text = env[name]?.trim() ?? '';
    if (text === '') continue;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.password === '')
      return url;
    throw new CloudError(`${name} is no URL of an API: set it as in ${options.usual}`, {
      failure: 'other',
      code: 'Endpoint',
      call: 'endpoint',
    });
  }
  return new URL(options.usual);
}
