/**
 * What agent and plane say to each other over the unix socket: one JSON object a line.
 *
 *     plane → agent   hello, at once and unasked
 *     agent → plane   request (configure | status | stop)
 *     plane → agent   answer with the request's id
 *
 * `configure` gives the whole configuration; the plane has it, all of it, when the answer says ok,
 * and keeps the former one when it does not. The form of `hello` and `stop` is the same in every
 * version, so that a newer agent can always replace an older plane.
 */
import type { Socket } from 'node:net';
import type { PlaneStatus } from './plane.js';
import type { SpecJson } from './spec-json.js';

export const protocolVersion = 1;
/** 50,000 peers take about 15 MB. */
export const lineBytesMax = 64 * 1024 * 1024;

export interface Hello {
  readonly type: 'hello';
  readonly protocol: number;
  readonly pid: number;
}

export type Request =
  | { readonly id: number; readonly op: 'configure'; readonly spec: SpecJson }
  | { readonly id: number; readonly op: 'status' }
  /** `keep` leaves device and state file, for a successor. */
  | { readonly id: number; readonly op: 'stop'; readonly device: 'keep' | 'remove' };

/** Without a device before the first `configure`. */
export interface WireStatus extends Omit<PlaneStatus, 'device'> {
  readonly device: string | null;
  /** Of the configuration in force, see `specHash`. */
  readonly hash: string | null;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly status: WireStatus }
  | { readonly id: number; readonly ok: false; readonly error: string };

export function sendLine(socket: Socket, message: Hello | Request | Answer): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

export interface LineHandlers {
  readonly message: (message: unknown) => void;
  /** Not JSON, or a line without end; nothing more is read. */
  readonly invalid: (problem: string) => void;
}

/** Cuts what arrives into lines and parses them. */
export function onLines(socket: Socket, handlers: LineHandlers): void {
  let pending: string[] = [];
  let pendingBytes = 0;
  let stopped = false;
  const fail = (problem: string): void => {
    stopped = true;
    handlers.invalid(problem);
  };
  const finish = (tail: string): void => {
    const line = [...pending, tail].join('');
    pending = [];
    pendingBytes = 0;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch (error) {
      return fail(`not JSON: ${(error as Error).message}`);
    }
    handlers.message(message);
  };
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    let from = 0;
    for (let end = chunk.indexOf('\n'); end >= 0 && !stopped; end = chunk.indexOf('\n', from)) {
      finish(chunk.slice(from, end));
      from = end + 1;
    }
    if (stopped) return;
    pending.push(chunk.slice(from));
    pendingBytes += chunk.length - from;
    if (pendingBytes > lineBytesMax) fail(`a line of more than ${lineBytesMax} characters`);
  });
}
