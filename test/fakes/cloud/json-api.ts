/**
 * What the fakes of JSON APIs share: a server on one address, a record of what was asked, and the
 * ways in which a real service fails (slow, silent, cut off, too busy).
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Parsed JSON; undefined: none. */
  readonly body: unknown;
}

export interface FakeAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Json = Record<string, unknown>;

/** A refusal on its way to becoming an answer. */
export class FakeRefusal extends Error {
  readonly answer: FakeAnswer;

  constructor(answer: FakeAnswer) {
    super(`status ${answer.status}`);
    this.answer = answer;
  }
}

export abstract class FakeJsonApi {
  /** `GET /path`, in order. */
  readonly asked: string[] = [];
  /** Before each answer. */
  latencyMs = 0;
  /** Requests are taken and never answered. */
  hang = false;
  /** The next so many answers break off in the middle. */
  cutOff = 0;
  /** The next so many requests are too many. */
  throttled = 0;
  /** The next so many requests meet a server error. */
  broken = 0;
  /** What links in answers begin with; undefined: the host that the request was for. */
  linkBase: string | undefined;
  #server: Server | undefined;
  #url = '';

  async start(host = '127.0.0.1', port = 0): Promise<{ url: string }> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: bound } = server.address() as AddressInfo;
    this.#url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
    return { url: this.#url };
  }

  get url(): string {
    return this.#url;
  }

  close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  protected linkTo(request: FakeRequest): string {
    return this.linkBase ?? `http://${request.headers.host ?? new URL(this.url).host}`;
  }

  protected abstract answer(request: FakeRequest): FakeAnswer | Promise<FakeAnswer>;
  /** In the provider's own envelope. */
  protected abstract tooMany(): FakeAnswer;
  protected abstract serverError(): FakeAnswer;

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    if (this.hang) return;
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    const url = new URL(request.url ?? '/', 'http://fake');
    const path = decodeURIComponent(url.pathname);
    this.asked.push(`${request.method ?? 'GET'} ${path}`);
    const { status, body, headers } = await this.#answer({
      method: request.method ?? 'GET',
      path,
      query: url.searchParams,
      headers: request.headers,
      body: parse(text),
    });
    const sent = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, {
      ...(body === undefined ? {} : { 'content-type': 'application/json; charset=UTF-8' }),
      'content-length': String(Buffer.byteLength(sent)),
      ...headers,
    });
    if (this.cutOff > 0) {
      this.cutOff--;
      response.write(sent.slice(0, sent.length >> 1), () => response.destroy());
      return;
    }
    response.end(sent);
  }

  async #answer(request: FakeRequest): Promise<FakeAnswer> {
    if (this.throttled > 0) {
      this.throttled--;
      return this.tooMany();
    }
    if (this.broken > 0) {
      this.broken--;
      return this.serverError();
    }
    try {
      return await this.answer(request);
    } catch (error) {
      if (error instanceof FakeRefusal) return error.answer;
      throw error;
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
