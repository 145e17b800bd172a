/** `selvage agent`: starts the agent of this node and stays until a signal ends it. */
import pino from 'pino';
import type { Logger } from 'pino';
import type { Cluster } from '../../encap/cluster.js';
import { cannotOpen, readClusterBytes } from '../config/load.js';
import type { ClusterStore } from '../store/store.js';
import type { ListenAddress } from '../http/listen-address.js';
import { readClusterKey } from '../probe/key.js';
import { withLastGood } from '../store/last-good.js';
import { Agent } from './agent.js';
import { readFreeze } from './freeze-file.js';
import { downOnce } from './one-shot.js';
import type { NamespaceLock } from './namespace-lock.js';
import { lockNamespace } from './namespace-lock.js';
import type { ClusterSource, OpenSource } from './open-source.js';
import { openRuntime } from './open.js';
import type { AgentPaths } from './paths.js';
import { agentSocket, freezeFile, lastGoodFile } from './paths.js';
import { UnknownNodeError } from './unknown-node.js';
import { watchAgent } from './watching.js';

export interface RunOptions extends AgentPaths {
  readonly source: ClusterSource;
  /** Being opened already: to read a large fleet takes as long as to load the rest of the program. */
  readonly opening: Promise<OpenSource>;
  readonly node: string;
  /** Need not exist. */
  readonly clusterKeyFile: string;
  readonly socket?: string | undefined;
  readonly logLevel: pino.LevelWithSilent;
  /** Remove everything from the kernel when the agent ends, instead of leaving it forwarding. */
  readonly flushOnExit: boolean;
  /** Where metrics and health are told; undefined: nowhere. */
  readonly metricsListen: ListenAddress | undefined;
  /** Count packets by zone as well. */
  readonly zoneTraffic: boolean;
}

/** Resolves when a signal has ended the agent in an orderly way. */
export async function runAgent(options: RunOptions): Promise<void> {
  const log = pino({ level: options.logLevel, base: { node: options.node } });
  const { socket = agentSocket(options) } = options;
  const { source, node } = options;
  const opened = await options.opening;
  let lock: NamespaceLock | undefined;
  try {
    if (source.kind === 'file') requireNode(opened.store.current, node);
    // Before anything is written, the files of the state directory included.
    lock = await lockNamespace({ command: 'agent', node, socket });
    await runAlone(options, { opened: opened.store, log, socket });
  } finally {
    opened.close();
    await lock?.release();
  }
}

async function runAlone(
  options: RunOptions,
  given: { readonly opened: ClusterStore; readonly log: Logger; readonly socket: string },
): Promise<void> {
  const { opened, log, socket } = given;
  const { source } = options;
  let begun = (): void => undefined;
  const after = new Promise<void>((resolve) => (begun = resolve));
  const store = await withLastGood(opened, { path: lastGoodFile(options), after });
  if (store.current === undefined && source.kind === 'file') {
    const read = await readClusterBytes(source.path);
    const [problem] = read.ok ? [] : read.problems;
    if (problem !== undefined && cannotOpen.includes(problem.code))
      throw new ConfigMissing(
        [
          `cannot read ${source.path}: ${problem.message}; ${problem.remedy}`,
          ...(store.lastGoodProblem === undefined ? [] : [store.lastGoodProblem]),
        ].join('\n'),
      );
    throw new ConfigRefused(store.problems);
  }
  // One of a fleet may be on its way: the agent goes on waiting for its record.
  if (source.kind === 'file') requireNode(store.current, options.node);
  const clusterKey = readClusterKey(options.clusterKeyFile);
  const runtime = await openRuntime({ paths: options, log });
  const agent = new Agent({
    node: options.node,
    store,
    runtime,
    paths: options,
    configFile: source.kind === 'file' ? source.path : store.name,
    clusterKey,
    socket,
    log,
  });
  const watching = await watchAgent(agent, {
    listen: options.metricsListen,
    zoneTraffic: options.zoneTraffic,
    log,
  });
  // Not the report with it, which names every object that the first pass made.
  agent.observe({ passed: () => begun() });
  await agent.start();
  watching.started();
  process.on('SIGHUP', () => void agent.reload());
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
  });
  log.info({ signal }, 'stopping');
  watching.stopping();
  await watching.close();
  await agent.stop();
  begun();
  await store.saved();
  if (!options.flushOnExit) return;
  if (readFreeze(freezeFile(options), () => new Date()) === undefined) await flush(options, log);
  else log.warn('frozen: nothing is removed');
}

function requireNode(cluster: Cluster | undefined, node: string): void {
  if (cluster !== undefined && cluster.nodes.get(node) === undefined)
    throw new UnknownNodeError(node, cluster);
}

async function flush(options: RunOptions, log: Logger): Promise<void> {
  const again = await openRuntime({ paths: options, log });
  const report = await downOnce(again);
  again.kernel.close();
  for (const failure of report.failed) log.error(failure);
  log.info({ removed: report.removed.length }, 'everything removed');
}

/** There is no file to start with. */
export class ConfigMissing extends Error {}

/** The file is not fit to start with; the problems are printed one a line. */
export class ConfigRefused extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the cluster file cannot be used:\n${problems.join('\n')}`);
    this.problems = problems;
  }
}
