/**
 * What all fakes of metadata services share: a small HTTP server that remembers what it was asked,
 * and the ways in which such services misbehave. No test runner is needed, so that one can also
 * run as a process of its own inside another network namespace.
 */
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetadataKnobs {
  /** Requests whose path matches are never answered. */
  hang?: RegExp | undefined;
  delayMs?: number | undefined;
  /** Paths that match answer with this status. */
  fail?: { readonly path: RegExp; readonly status: number } | undefined;
  /** Every request is sent there. */
  redirect?: string | undefined;
  /** Every answer has a megabyte. */
  huge?: boolean | undefined;
  /** Every answer of success is this instead. */
  garbage?: string | undefined;
  /** The connection breaks in the middle of every answer. */
  cut?: boolean | undefined;
}

export interface MetadataAsked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface MetadataAnswered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export const notFound: MetadataAnswered = { status: 404, body: '<h1>404 Not Found</h1>' };

export function text(body: string): MetadataAnswered {
  return { status: 200, headers: { 'content-type': 'text/plain' }, body };
}

export function json(value: unknown): MetadataAnswered {
  const body = JSON.stringify(value);
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

export abstract class MetadataServer {
  readonly asked: MetadataAsked[] = [];
  knobs: MetadataKnobs = {};
  /** Requests that are being served at this moment, and the most of all time. */
  #busy = 0;
  busiest = 0;
  #server: Server | undefined;

  /** `never`: no answer. */
  protected abstract answer(asked: MetadataAsked): MetadataAnswered | 'never';

  async start(host = '127.0.0.1', port = 0): Promise<{ readonly url: string }> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: chosen } = server.address() as AddressInfo;
    return { url: `http://${host.includes(':') ? `[${host}]` : host}:${chosen}` };
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked: MetadataAsked = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    this.asked.push(asked);
    this.#busy += 1;
    this.busiest = Math.max(this.busiest, this.#busy);
    response.once('close', () => (this.#busy -= 1));
    const { delayMs } = this.knobs;
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const answered = this.#misbehaved(asked) ?? this.answer(asked);
    if (answered === 'never') return;
    const body = this.#bodyOf(answered);
    response.writeHead(answered.status, {
      ...answered.headers,
      'content-length': String(Buffer.byteLength(body)),
    });
    if (this.knobs.cut !== true) return void response.end(body);
    response.write(body.slice(0, Math.ceil(body.length / 2)), () => request.socket.destroy());
  }

  #misbehaved({ path }: MetadataAsked): MetadataAnswered | 'never' | undefined {
    const { hang, fail, redirect } = this.knobs;
    if (hang?.test(path) === true) return 'never';
    if (redirect !== undefined) return { status: 302, headers: { location: redirect }, body: '' };
    if (fail?.path.test(path) === true) return { status: fail.status, body: 'no' };
    return undefined;
  }

  #bodyOf({ status, body }: MetadataAnswered): string {
    if (status > 299) return body;
    if (this.knobs.huge === true) return 'x'.repeat(1024 * 1024);
    return this.knobs.garbage ?? body;
  }
}
