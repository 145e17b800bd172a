/** `selvage agent`: starts the agent of this node and stays until a signal ends it. */
import pino from 'pino';
import { openFileStore } from '../store/file.js';
import { withLastGood } from '../store/last-good.js';
import { Agent } from './agent.js';
import { downOnce } from './one-shot.js';
import { openRuntime } from './open.js';
import type { AgentPaths } from './paths.js';
import { lastGoodFile } from './paths.js';
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
    socket: options.socket,
    log,
  });
  await agent.start();
  process.on('SIGHUP', () => void agent.reload());
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
  });
  log.info({ signal }, 'stopping');
  await agent.stop();
  if (!options.flushOnExit) return;
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
