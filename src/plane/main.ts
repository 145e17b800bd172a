/**
 * The userspace data plane's process: `node dist/src/plane/main.js --socket PATH`.
 *
 * It starts with the configuration it had before, if there is a state file, and then listens to the
 * agent. It needs CAP_NET_ADMIN (TUN device, socket buffers) and CAP_NET_RAW, and no more. SIGTERM
 * ends it and leaves the device and its routes for a successor; the agent's `stop` removes them.
 */
import { parseArgs } from 'node:util';
import { type Logger, pino } from 'pino';
import { Engine, type EngineEvent } from '../../tunnel/userspace/engine.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';
import type { WireStatus } from '../../tunnel/userspace/protocol.js';
import { specFromJson, specHash } from '../../tunnel/userspace/spec-json.js';
import { controlServer } from './control.js';
import { claimSocket, inode } from './socket-claim.js';
import { loadState, removeState, saveState, stateFileOf } from './state-file.js';

const usage = `Usage: main.js --socket PATH [--log-level LEVEL]

Carries IP-in-IP packets between a TUN device and the underlay, as the agent configures it
through the unix socket PATH.`;

/** How often to look whether the socket file is still there, and to retry a failed start. */
const checkIntervalMs = 1000;
/** For the last answer to leave the socket. */
const stopDelayMs = 50;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(`${usage}\n`);
  const socketPath = values.socket;
  if (socketPath === undefined) throw new Error(`--socket is missing\n${usage}`);
  const log = pino(
    { name: 'selvage-plane', level: values['log-level'] },
    pino.destination({ sync: true }),
  );
  await serve(socketPath, log);
}

async function serve(socketPath: string, log: Logger): Promise<void> {
  const stateFile = stateFileOf(socketPath);
  const engine = new Engine((event) => logEvent(log, event));

  const configure = async (spec: PlaneSpec): Promise<void> => {
    if (engine.active?.hash === specHash(spec) && engine.problem === undefined) return;
    await engine.configure(spec);
    log.info({ device: spec.device, peers: spec.peers.length, mtu: spec.mtu }, 'configured');
  };
  let checks: NodeJS.Timeout | undefined;
  const end = (device: 'keep' | 'remove', reason: string): void => {
    clearInterval(checks);
    server.close();
    if (device === 'remove') removeState(stateFile);
    engine.close(device);
    log.info({ reason, device }, 'stopped');
    setTimeout(() => process.exit(0), stopDelayMs);
  };
  const server = controlServer(
    {
      configure: async (json) => {
        const spec = specFromJson(json);
        await configure(spec);
        saveState(stateFile, spec);
      },
      status: () => statusOf(engine),
      stop: (device) => end(device, 'request'),
    },
    log,
  );
  await claimSocket(server, socketPath);
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => end('keep', signal));
  log.info({ pid: process.pid, socket: socketPath }, 'started');

  let wanted = lastSpec(stateFile, log);
  let reported: string | undefined;
  const resume = async (): Promise<void> => {
    // An agent that was faster has the newer configuration.
    if (wanted === undefined || engine.active !== undefined) return void (wanted = undefined);
    try {
      await configure(wanted);
      wanted = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== reported) log.error({ reason }, 'cannot resume; trying again every second');
      reported = reason;
    }
  };
  const reclaim = async (): Promise<void> => {
    if (inode(socketPath) !== undefined) return;
    log.warn({ socket: socketPath }, 'the control socket was deleted; making it anew');
    server.close();
    await claimSocket(server, socketPath);
  };
  await resume();
  let checking = false;
  checks = setInterval(() => {
    if (checking) return;
    checking = true;
    Promise.all([resume(), reclaim()])
      .catch((error: unknown) => log.error({ reason: (error as Error).message }, 'check failed'))
      .finally(() => (checking = false));
  }, checkIntervalMs);
}

function lastSpec(stateFile: string, log: Logger): PlaneSpec | undefined {
  try {
    return loadState(stateFile);
  } catch (error) {
    const reason = (error as Error).message;
    log.error({ stateFile, reason }, 'cannot use the last configuration; waiting for the agent');
    return undefined;
  }
}

function statusOf(engine: Engine): WireStatus {
  const { active, problem } = engine;
  return {
    pid: process.pid,
    device: active?.spec.device ?? null,
    hash: active?.hash ?? null,
    peers: active?.spec.peers.length ?? 0,
    counters: engine.counters,
    learnedMtus: engine.learnedMtus,
    ...(problem === undefined ? {} : { problem }),
  };
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

main().catch((error: unknown) => {
  process.stderr.write(`selvage plane: ${(error as Error).message}\n`);
  process.exit(1);
});
