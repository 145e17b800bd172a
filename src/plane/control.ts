/**
 * The plane's side of the control socket: greets, takes requests one after the other, answers.
 */
import { type Server, type Socket, createServer } from 'node:net';
import type { Logger } from 'pino';
import {
  type Answer,
  type Request,
  type WireStatus,
  onLines,
  protocolVersion,
  sendLine,
} from '../../tunnel/userspace/protocol.js';

export interface ControlActions {
  configure(spec: unknown): Promise<void>;
  status(): WireStatus;
  /** The answer is sent before the process ends. */
  stop(device: 'keep' | 'remove'): void;
}

export function controlServer(actions: ControlActions, log: Logger): Server {
  // One queue for all connections: a configuration is applied whole before the next is looked at.
  let queue = Promise.resolve();
  return createServer((socket) => {
    socket.on('error', (error) => log.debug({ error: error.message }, 'control connection broke'));
    sendLine(socket, { type: 'hello', protocol: protocolVersion, pid: process.pid });
    onLines(socket, {
      message: (message) => {
        queue = queue.then(() => handle(message, { socket, actions, log }));
      },
      invalid: (problem) => {
        log.warn({ problem }, 'control connection closed: invalid request');
        socket.destroy();
      },
    });
  });
}

interface Context {
  readonly socket: Socket;
  readonly actions: ControlActions;
  readonly log: Logger;
}

async function handle(message: unknown, { socket, actions, log }: Context): Promise<void> {
  const request = message as Partial<Request> | null;
  const id = typeof request?.id === 'number' ? request.id : 0;
  let answer: Answer;
  try {
    await run(request, actions);
    answer = { id, ok: true, status: actions.status() };
  } catch (error) {
    log.error({ op: request?.op, error: (error as Error).message }, 'request refused');
    answer = { id, ok: false, error: (error as Error).message };
  }
  if (!socket.destroyed) sendLine(socket, answer);
}

async function run(request: Partial<Request> | null, actions: ControlActions): Promise<void> {
  switch (request?.op) {
    case 'configure':
      return actions.configure(request.spec);
    case 'status':
      return;
    case 'stop':
      return actions.stop(request.device === 'remove' ? 'remove' : 'keep');
    default:
      throw new Error(
        `unknown request ${JSON.stringify(request)?.slice(0, 80)}: use configure, status or stop`,
      );
  }
}
