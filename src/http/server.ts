/**
 * The control socket: HTTP over a unix socket that only root can open (0600 in a 0700 directory).
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Largest body that is read; without it a body is not read at all. */
  readonly maxBodyBytes?: number;
  readonly handle: (query: URLSearchParams, body: Uint8Array) => Promise<unknown>;
}

/** An answer that is not 200: a message for the caller. */
export class HttpProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Another process answers on the socket. */
export class SocketTakenError extends Error {}

export interface ControlServer {
  close(): Promise<void>;
}

/** Refuses to start when another process answers on the socket; removes a dead one's. */
export async function serveControl(
  socket: string,
  routes: readonly Route[],
): Promise<ControlServer> {
  if (await answers(socket))
    throw new SocketTakenError(
      `another agent answers on ${socket}: stop it first, or give this one its own --runtime-dir`,
    );
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  rmSync(socket, { force: true });
  const server = createServer((request, response) => void respond(routes, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    server.listen(socket, resolve);
    process.umask(mask);
  });
  chmodSync(socket, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function respond(
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://selvage');
  const send = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const there = routes.filter((entry) => entry.path === url.pathname);
  const route = there.find((entry) => entry.method === request.method);
  if (there.length === 0) return send(404, { error: `no such path: ${url.pathname}` });
  if (route === undefined) {
    const methods = there.map((entry) => entry.method).join(' or ');
    return send(405, { error: `${url.pathname} takes ${methods}, not ${request.method}` });
  }
  try {
    const body = await readBody(request, route.maxBodyBytes);
    send(200, await route.handle(url.searchParams, body));
  } catch (error) {
    const status = error instanceof HttpProblem ? error.status : 500;
    send(status, { error: error instanceof Error ? error.message : String(error) });
  }
}

/** A body that is too large is refused while it comes in, not after it has filled the memory. */
async function readBody(
  request: IncomingMessage,
  maxBytes: number | undefined,
): Promise<Uint8Array> {
  if (maxBytes === undefined) {
    request.resume();
    return new Uint8Array();
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
  }
  if (size > maxBytes)
    throw new HttpProblem(413, `the body has ${size} bytes, more than the ${maxBytes} allowed`);
  return Buffer.concat(chunks);
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
