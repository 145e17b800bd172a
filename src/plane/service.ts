/**
 * The plane as a service: the engine, its control socket and its state file, from start to stop.
 */
import type { Server } from 'node:net';
import type { Logger } from 'pino';
import { Engine, type EngineEvent } from '../../tunnel/userspace/engine.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';
import type { WireStatus } from '../../tunnel/userspace/protocol.js';
import { specFromJson, specHash } from '../../tunnel/userspace/spec-json.js';
import { controlServer } from './control.js';
import { claimSocket, inode } from './socket-claim.js';
import { loadState, removeState, saveState, stateFileOf } from './state-file.js';

/** How often to look whether the socket file is still there, and to retry a failed resumption. */
const checkIntervalMs = 1000;

export interface ServiceOptions {
  readonly socketPath: string;
  readonly log: Logger;
  /** Called once, after a stop by request. */
  readonly ended: () => void;
}

export class PlaneService {
  readonly #options: ServiceOptions;
  readonly #stateFile: string;
  readonly #engine: Engine;
  readonly #server: Server;
  /** The configuration of the state file, until it or a newer one is in force. */
  #resumed: PlaneSpec | undefined;
  #resumeProblem: string | undefined;
  #checks: NodeJS.Timeout | undefined;
  /** Configurations are applied one after the other, whoever brings them. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#stateFile = stateFileOf(options.socketPath);
    this.#engine = new Engine((event) => logEvent(options.log, event));
    this.#server = controlServer(
      {
        configure: async (json) => {
          const spec = specFromJson(json);
          await this.#configure(spec);
          saveState(this.#stateFile, spec);
        },
        status: () => this.#status(),
        stop: (device) => {
          this.stop(device);
          options.ended();
        },
      },
      options.log,
    );
  }

  /** Takes the socket, or throws when another plane has it; then resumes, if there is what. */
  async start(): Promise<void> {
    const { socketPath, log } = this.#options;
    await claimSocket(this.#server, socketPath);
    log.info({ socket: socketPath }, 'started');
    this.#resumed = this.#lastSpec();
    await this.#resume();
    let checking = false;
    this.#checks = setInterval(() => {
      if (checking) return;
      checking = true;
      Promise.all([this.#resume(), this.#reclaimSocket()])
        .catch((error: unknown) => log.error({ reason: (error as Error).message }, 'check failed'))
        .finally(() => (checking = false));
    }, checkIntervalMs);
  }

  stop(device: 'keep' | 'remove'): void {
    clearInterval(this.#checks);
    this.#server.close();
    if (device === 'remove') removeState(this.#stateFile);
    this.#engine.close(device);
    this.#options.log.info({ device }, 'stopped');
  }

  #configure(spec: PlaneSpec): Promise<void> {
    return this.#enqueue(async () => {
      const { active, problem } = this.#engine;
      if (active?.hash !== specHash(spec) || problem !== undefined) await this.#apply(spec);
    });
  }

  async #resume(): Promise<void> {
    const spec = this.#resumed;
    if (spec === undefined) return;
    try {
      await this.#enqueue(async () => {
        // An agent that was faster has brought the newer configuration.
        if (this.#engine.active === undefined) await this.#apply(spec);
      });
      this.#resumed = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.#resumeProblem)
        this.#options.log.error({ reason }, 'cannot resume; trying again every second');
      this.#resumeProblem = reason;
    }
  }

  async #apply(spec: PlaneSpec): Promise<void> {
    await this.#engine.configure(spec);
    const { device, mtu, peers } = spec;
    this.#options.log.info({ device, mtu, peers: peers.length }, 'configured');
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #reclaimSocket(): Promise<void> {
    const { socketPath, log } = this.#options;
    if (inode(socketPath) !== undefined) return;
    log.warn({ socket: socketPath }, 'the control socket was deleted; making it anew');
    this.#server.close();
    await claimSocket(this.#server, socketPath);
  }

  #lastSpec(): PlaneSpec | undefined {
    try {
      return loadState(this.#stateFile);
    } catch (error) {
      const fields = { stateFile: this.#stateFile, reason: (error as Error).message };
      this.#options.log.error(fields, 'cannot use the last configuration; waiting for the agent');
      return undefined;
    }
  }

  #status(): WireStatus {
    const { active, problem, counters, learnedMtus } = this.#engine;
    return {
      pid: process.pid,
      device: active?.spec.device ?? null,
      hash: active?.hash ?? null,
      peers: active?.spec.peers.length ?? 0,
      counters,
      learnedMtus,
      ...(problem === undefined ? {} : { problem }),
    };
  }
}

function logEvent(log: Logger, { kind, ...fields }: EngineEvent): void {
  switch (kind) {
    case 'device-lost':
      return log.error(fields, 'TUN device lost; making it anew');
    case 'device-restored':
      return log.warn(fields, 'TUN device made anew; the agent must set it up');
    case 'sockets-lost':
      return log.error(fields, 'raw sockets lost; opening new ones');
    case 'sockets-restored':
      return log.warn(fields, 'raw sockets opened anew');
    case 'repair-failed':
      return log.error(fields, 'repair failed; trying again every second');
  }
}
