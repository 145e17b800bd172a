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
  readonly handle: (query: URLSearchParams) => Promise<unknown>;
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
  const route = routes.find((entry) => entry.path === url.pathname);
  if (route === undefined) return send(404, { error: `no such path: ${url.pathname}` });
  if (route.method !== request.method)
    return send(405, { error: `${url.pathname} takes ${route.method}, not ${request.method}` });
  request.resume();
  try {
    send(200, await route.handle(url.searchParams));
  } catch (error) {
    const status = error instanceof HttpProblem ? error.status : 500;
    send(status, { error: error instanceof Error ? error.message : String(error) });
  }
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
