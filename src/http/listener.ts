/**
 * A small HTTP server for whoever watches the machine: GET and HEAD of a few paths. It is no part of
 * forwarding, so nothing that happens to it may be felt there: it takes few connections and gives
 * each little time, and a port that is taken is tried again later.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Logger } from 'pino';
import type { Clock } from '../../routes/reconciler.js';
import type { ListenAddress } from './listen-address.js';
import { formatListenAddress } from './listen-address.js';

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface ListenerOptions {
  readonly at: ListenAddress;
  readonly pages: ReadonlyMap<string, () => Promise<Page> | Page>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly clock: Clock;
}

const retryMs = 10_000;
/** Two Prometheus servers and a person. */
const connectionsMax = 16;
const headBytesMax = 8 * 1024;
const requestTimeoutMs = 5_000;
const checkMs = 1_000;
/** A connection on which nothing moves, also while an answer is sent. */
const silenceMs = 15_000;

export class Listener {
  readonly #options: ListenerOptions;
  #server: Server | undefined;
  #retry: { cancel(): void } | undefined;
  #told = '';
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#listen();
  }

  /** Undefined while the port cannot be had. */
  get port(): number | undefined {
    const address = this.#server?.listening === true ? this.#server.address() : null;
    return address === null || typeof address === 'string' ? undefined : address?.port;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    const server = this.#server;
    if (server?.listening !== true) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #listen(): void {
    const { at, log, clock } = this.#options;
    const server = createServer(
      {
        maxHeaderSize: headBytesMax,
        headersTimeout: requestTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: requestTimeoutMs,
        connectionsCheckingInterval: checkMs,
      },
      (request, response) => void this.#answer(request, response),
    );
    server.maxConnections = connectionsMax;
    server.setTimeout(silenceMs, (socket) => socket.destroy());
    this.#server = server;
    server.on('error', (error) => {
      // Once, and not at every try.
      if (error.message !== this.#told)
        log.warn(
          `cannot listen on ${formatListenAddress(at)}: ${error.message}; tried again every ${retryMs / 1000} s, and forwarding does not need it: choose another with --metrics-listen`,
        );
      this.#told = error.message;
      if (!this.#closed) this.#retry = clock.setTimer(() => this.#listen(), retryMs);
    });
    server.listen({ host: at.host, port: at.port, exclusive: true }, () => {
      this.#told = '';
      const text = formatListenAddress({ host: at.host, port: this.port ?? at.port });
      if (at.loopback) log.info(`metrics on http://${text}/metrics`);
      else
        log.warn(
          `metrics on http://${text}/metrics, for everybody who reaches this address: let a packet filter admit the monitoring only`,
        );
    });
    // Alone it keeps no process running.
    server.unref();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const page = await this.#page(request);
    if (page.status === 405) response.setHeader('allow', 'GET, HEAD');
    response.writeHead(page.status, {
      'content-type': page.type,
      'content-length': Buffer.byteLength(page.body),
      'cache-control': 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : page.body);
  }

  async #page({ method = '', url = '/' }: IncomingMessage): Promise<Page> {
    const [path = '/'] = url.split('?');
    const page = this.#options.pages.get(path);
    if (page === undefined)
      return text(404, `no such path; there are ${[...this.#options.pages.keys()].join(', ')}`);
    if (method !== 'GET' && method !== 'HEAD') return text(405, `${path} takes GET and HEAD`);
    try {
      return await page();
    } catch (error) {
      return text(500, error instanceof Error ? error.message : String(error));
    }
  }
}

export function text(status: number, line: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}
