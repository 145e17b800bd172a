/** `selvage agent`: starts the agent of this node and stays until a signal ends it. */
import pino from 'pino';
import type { Logger } from 'pino';
import { openFileStore } from '../store/file.js';
import { withLastGood } from '../store/last-good.js';
import { Agent } from './agent.js';
import { downOnce } from './one-shot.js';
import { lockNamespace } from './namespace-lock.js';
import { openRuntime } from './open.js';
import type { AgentPaths } from './paths.js';
import { agentSocket, lastGoodFile } from './paths.js';
import { UnknownNodeError } from './planner.js';

export interface RunOptions extends AgentPaths {
  readonly configPath: string;
  readonly node: string;
  readonly socket?: string | undefined;
  readonly logLevel: pino.LevelWithSilent;
  /** Remove everything from the kernel when the agent ends, instead of leaving it forwarding. */
  readonly flushOnExit: boolean;
}

/** Resolves when a signal has ended the agent in an orderly way. */
export async function runAgent(options: RunOptions): Promise<void> {
  const log = pino({ level: options.logLevel, base: { node: options.node } });
  const { socket = agentSocket(options) } = options;
  // Before anything is written, the files of the state directory included.
  const lock = await lockNamespace({ command: 'agent', node: options.node, socket });
  try {
    await runAlone(options, { log, socket });
  } finally {
    await lock.release();
  }
}

async function runAlone(
  options: RunOptions,
  { log, socket }: { readonly log: Logger; readonly socket: string },
): Promise<void> {
  const store = await withLastGood(await openFileStore(options.configPath), {
    path: lastGoodFile(options),
  });
  const cluster = store.current;
  if (cluster === undefined) {
    store.close();
    throw new ConfigRefused(store.problems);
  }
  if (cluster.nodes.get(options.node) === undefined) {
    store.close();
    throw new UnknownNodeError(options.node, cluster);
  }
  const runtime = await openRuntime({ paths: options, log });
  const agent = new Agent({
    node: options.node,
    store,
    runtime,
    paths: options,
    configFile: options.configPath,
    socket,
    log,
  });
  await agent.start();
  process.on('SIGHUP', () => void agent.reload());
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
  });
  log.info({ signal }, 'stopping');
  await agent.stop();
  if (options.flushOnExit) await flush(options, log);
}

async function flush(options: RunOptions, log: Logger): Promise<void> {
  const again = await openRuntime({ paths: options, log });
  const report = await downOnce(again);
  again.kernel.close();
  for (const failure of report.failed) log.error(failure);
  log.info({ removed: report.removed.length }, 'everything removed');
}

/** The file is not fit to start with; the problems are printed one a line. */
export class ConfigRefused extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the cluster file cannot be used:\n${problems.join('\n')}`);
    this.problems = problems;
  }
}
