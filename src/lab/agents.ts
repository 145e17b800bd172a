/** The agents of a lab: the real program, one process a node, in that node's namespace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { agentRequest } from '../agent/client.js';
import type { Lab } from './lab.js';
import { LabError, type NodePaths } from './names.js';
import type { NodePlan } from './plan.js';
import { type ProcessRecord, isRunning, startDetached, tail } from './processes.js';
import { selvageProgram } from './program.js';

export interface AgentLaunch {
  readonly node: NodePlan;
  readonly files: NodePaths;
  readonly configFile: string;
  readonly clusterKeyFile: string;
}

/** The command line of a node's agent; undefined: this node has none. */
export type AgentCommand = (launch: AgentLaunch) => readonly string[] | undefined;

export const realAgent: AgentCommand = (launch) => [
  ...agentOf(launch),
  '--config',
  launch.configFile,
];

/** One that has joined the lab's store. */
export const fleetAgent: AgentCommand = (launch) => [
  ...agentOf(launch),
  '--store-file',
  launch.files.storeAccess,
];

const agentOf = ({ node, files, clusterKeyFile }: AgentLaunch): readonly string[] => [
  ...selvageProgram(),
  'agent',
  '--node',
  node.name,
  '--runtime-dir',
  files.runtimeDir,
  '--state-dir',
  files.stateDir,
  '--cluster-key',
  clusterKeyFile,
  // Nobody scrapes a laboratory, and its nodes share one machine.
  '--metrics-listen',
  'off',
];

export async function startAgent(
  lab: Lab,
  node: NodePlan,
  agentCommand: AgentCommand,
): Promise<ProcessRecord | undefined> {
  const files = lab.files.get(node.name)!;
  const argv = agentCommand({
    node,
    files,
    configFile: lab.manifest.configFile,
    clusterKeyFile: lab.paths.clusterKey,
  });
  if (argv === undefined) return undefined;
  return startDetached(argv, {
    namespace: node.namespace,
    logFile: files.agentLog,
    what: `the agent of ${node.name}`,
  });
}

export interface ReadyOptions {
  readonly timeoutMs: number;
  readonly onReady: (node: string) => void;
}

/** Waits until every agent says that its kernel is as desired. */
export async function untilReady(
  lab: Lab,
  agents: ReadonlyMap<string, ProcessRecord>,
  options: ReadyOptions,
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  await Promise.all(
    [...agents].map(async ([node, record]) => {
      const { agentSocket, agentLog } = lab.files.get(node)!;
      for (let last = 'no answer yet'; ; await sleep(100)) {
        const answer = await readiness(agentSocket);
        if (answer === undefined) return options.onReady(node);
        last = answer;
        if (!isRunning(record))
          throw new LabError(
            `the agent of ${node} ended before it was ready; the end of ${agentLog}:\n${tail(agentLog)}`,
          );
        if (Date.now() > deadline)
          throw new LabError(
            `the agent of ${node} is not ready after ${options.timeoutMs} ms (${last}); ` +
              `the end of ${agentLog}:\n${tail(agentLog)}`,
          );
      }
    }),
  );
}

/** Undefined when ready, else why not. */
async function readiness(socket: string): Promise<string | undefined> {
  try {
    await agentRequest({ socket, method: 'GET', path: '/readyz', timeoutMs: 5000 });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
