/**
 * The agent's handle on the userspace data plane: finds the process by its socket, starts it where
 * that is allowed, and writes a configuration only when the plane has another one.
 *
 * Each call is a connection of its own. Nothing of the plane hangs on this process: it is started
 * in a session of its own, with its output in a file, and goes on when the agent dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PlaneSpec, PlaneStatus, UserspacePlane } from './plane.js';
import {
  type Answer,
  type Hello,
  type Request,
  type WireStatus,
  onLines,
  protocolVersion,
  sendLine,
} from './protocol.js';
import { specHash, specToJson } from './spec-json.js';

export interface PlaneClientOptions {
  readonly socketPath: string;
  /** How to start a plane; without it one must be running, e.g. under a service manager. */
  readonly start?: PlaneStart;
  /** For a plane that was started to answer, 15 s by default. */
  readonly startTimeoutMs?: number;
  /** For one request to be answered, 10 s by default. */
  readonly answerTimeoutMs?: number;
}

export interface PlaneStart {
  /** Program and arguments, e.g. node and the plane's entry script; `--socket PATH` is added. */
  readonly command: readonly [string, ...string[]];
  /** Where its log is appended; without it the log is dropped. */
  readonly logFile?: string;
}

const defaultStartTimeoutMs = 15_000;
const defaultAnswerTimeoutMs = 10_000;
const pollIntervalMs = 50;
const logTailBytes = 2000;

type RequestBody = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

export function userspacePlane(options: PlaneClientOptions): UserspacePlane {
  return new PlaneClient(options);
}

class PlaneClient implements UserspacePlane {
  readonly #options: PlaneClientOptions;

  constructor(options: PlaneClientOptions) {
    this.#options = options;
  }

  async ensure(spec: PlaneSpec): Promise<PlaneStatus> {
    try {
      return await this.#ensureOnce(spec);
    } catch (error) {
      if (!(error instanceof PlaneDied)) throw error;
      // It was found dying: now it is gone, or it would not die twice.
      return this.#ensureOnce(spec);
    }
  }

  async #ensureOnce(spec: PlaneSpec): Promise<PlaneStatus> {
    const connection = (await this.#connect()) ?? (await this.#start());
    try {
      const before = await connection.ask({ op: 'status' });
      if (before.hash === specHash(spec) && before.problem === undefined) return toStatus(before);
      return toStatus(await connection.ask({ op: 'configure', spec: specToJson(spec) }));
    } finally {
      connection.close();
    }
  }

  async status(): Promise<PlaneStatus | undefined> {
    let connection: Connection | undefined;
    try {
      connection = await this.#connect();
      const status = await connection?.ask({ op: 'status' });
      return status === undefined || status.device === null ? undefined : toStatus(status);
    } catch (error) {
      if (error instanceof PlaneDied) return undefined;
      throw error;
    } finally {
      connection?.close();
    }
  }

  async stop(): Promise<void> {
    await this.#stop('remove');
  }

  async #stop(device: 'keep' | 'remove'): Promise<void> {
    const connection = await this.#connect({ anyProtocol: true });
    if (connection === undefined) return;
    try {
      await connection.ask({ op: 'stop', device });
    } finally {
      connection.close();
    }
    await this.#gone(connection.hello.pid);
  }

  async #gone(pid: number): Promise<void> {
    const deadlineMs = Date.now() + this.#answerTimeoutMs;
    while (isAlive(pid)) {
      if (Date.now() > deadlineMs)
        throw new Error(`the userspace data plane (pid ${pid}) was told to stop and has not ended`);
      await sleep(pollIntervalMs);
    }
  }

  /** Undefined when nobody listens. A plane of another protocol is replaced, if that is possible. */
  async #connect(options: { anyProtocol?: boolean } = {}): Promise<Connection | undefined> {
    const { socketPath, start } = this.#options;
    const socket = await open(socketPath);
    if (socket === undefined) return undefined;
    const connection = await Connection.greet(socket, this.#answerTimeoutMs);
    const { protocol, pid } = connection.hello;
    if (protocol === protocolVersion || options.anyProtocol === true) return connection;
    connection.close();
    if (start === undefined)
      throw new Error(
        `the userspace data plane on ${socketPath} (pid ${pid}) speaks protocol ${protocol}, ` +
          `this program ${protocolVersion}: restart it in the version of this program`,
      );
    await this.#stop('keep');
    return this.#start();
  }

  async #start(): Promise<Connection> {
    const { socketPath, start } = this.#options;
    if (start === undefined)
      throw new Error(
        `no userspace data plane answers on ${socketPath}: start its service, or see its log`,
      );
    const timeoutMs = this.#options.startTimeoutMs ?? defaultStartTimeoutMs;
    const deadlineMs = Date.now() + timeoutMs;
    const child = launch(start, socketPath);
    let ended: string | undefined;
    child.once('error', (error) => (ended = error.message));
    child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? code}`));
    for (;;) {
      const connection = await this.#connect();
      // Also when this child lost a race against another one: any plane on the socket will do.
      if (connection !== undefined) return connection;
      const late = Date.now() > deadlineMs ? `no answer within ${timeoutMs} ms` : undefined;
      const problem = ended ?? late;
      if (problem !== undefined)
        throw new Error(
          `cannot start the userspace data plane (${start.command.join(' ')}): ${problem}` +
            logTail(start.logFile),
        );
      await sleep(pollIntervalMs);
    }
  }

  get #answerTimeoutMs(): number {
    return this.#options.answerTimeoutMs ?? defaultAnswerTimeoutMs;
  }
}

/** The connection ended before the answer. */
class PlaneDied extends Error {}

/** An open connection whose greeting has been read. */
class Connection {
  readonly hello: Hello;
  readonly #socket: Socket;
  readonly #inbox: Inbox;
  readonly #timeoutMs: number;
  #lastId = 0;

  private constructor(socket: Socket, context: { hello: Hello; inbox: Inbox; timeoutMs: number }) {
    this.#socket = socket;
    this.#inbox = context.inbox;
    this.#timeoutMs = context.timeoutMs;
    this.hello = context.hello;
  }

  static async greet(socket: Socket, timeoutMs: number): Promise<Connection> {
    const inbox = new Inbox(socket);
    try {
      const hello = (await inbox.next(timeoutMs)) as Hello;
      if (hello.type !== 'hello') throw new Error('what answers is no userspace data plane');
      return new Connection(socket, { hello, inbox, timeoutMs });
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async ask(body: RequestBody): Promise<WireStatus> {
    const id = ++this.#lastId;
    sendLine(this.#socket, { id, ...body });
    const answer = (await this.#inbox.next(this.#timeoutMs)) as Answer;
    if (answer.id !== id) throw new Error(`the userspace data plane answered out of turn`);
    if (!answer.ok) throw new Error(`the userspace data plane refused: ${answer.error}`);
    return answer.status;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Messages as they arrive, taken one at a time. */
class Inbox {
  readonly #arrived: unknown[] = [];
  #problem: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    const fail = (problem: Error): void => {
      this.#problem ??= problem;
      this.#wake?.();
    };
    const died = (how: string): void =>
      fail(new PlaneDied(`the userspace data plane has ended during a request (${how})`));
    onLines(socket, {
      message: (message) => {
        this.#arrived.push(message);
        this.#wake?.();
      },
      invalid: (problem) => fail(new Error(`the userspace data plane's answer: ${problem}`)),
    });
    socket.on('error', (error) => died(error.message));
    socket.on('close', () => died('closed without an answer'));
  }

  async next(timeoutMs: number): Promise<unknown> {
    if (this.#arrived.length === 0 && this.#problem === undefined) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`the userspace data plane has not answered in ${timeoutMs} ms`)),
          timeoutMs,
        );
        this.#wake = () => {
          clearTimeout(timer);
          this.#wake = undefined;
          resolve();
        };
      });
    }
    if (this.#arrived.length > 0) return this.#arrived.shift();
    throw this.#problem!;
  }
}

function open(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else
        reject(
          new Error(`cannot reach the userspace data plane on ${path}: ${error.message}`, {
            cause: error,
          }),
        );
    });
  });
}

function launch({ command, logFile }: PlaneStart, socketPath: string): ChildProcess {
  const [program, ...rest] = command;
  if (logFile !== undefined) mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const output = logFile === undefined ? undefined : openSync(logFile, 'a', 0o600);
  try {
    const child = spawn(program, [...rest, '--socket', socketPath], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', output ?? 'ignore', output ?? 'ignore'],
    });
    child.unref();
    return child;
  } finally {
    if (output !== undefined) closeSync(output);
  }
}

function logTail(logFile: string | undefined): string {
  if (logFile === undefined) return '; give it a log file to see why';
  return `; the end of ${logFile}:\n${readFileSync(logFile, 'utf8').slice(-logTailBytes)}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function toStatus({ device, ...status }: WireStatus): PlaneStatus {
  if (device === null) throw new Error('the userspace data plane has lost its configuration');
  const { hash: _, ...rest } = status;
  return { ...rest, device };
}
