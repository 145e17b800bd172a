/** A real agent process with a large fleet's file, in a namespace whose kernel outlives it. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentRequest } from '../../src/agent/client.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { root } from '../support/root.js';
import { self, selfAddress, vxlanFleet } from './fleet.js';

const program = [process.execPath, join(root, 'dist', 'src', 'cli', 'main.js')];

export interface AgentStage {
  readonly node: Namespace;
  readonly socket: string;
  /** The command line of selvage, as it is installed. */
  readonly program: readonly string[];
  /** Resolves when everything is in the kernel. */
  start(): Promise<RunningAgent>;
  /** With the namespaces and all that is left in them. */
  remove(): void;
}

export interface RunningAgent {
  readonly pid: number;
  /** What is in the kernel stays there. */
  stop(): Promise<void>;
}

export function agentStage(peers: number): AgentStage {
  const cleanups: (() => unknown)[] = [];
  const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
  const node = createNamespace(scope);
  vethPair(
    { namespace: node, device: 'eth0', addresses: [selfAddress] },
    { namespace: createNamespace(scope), device: 'eth0' },
  );
  const scratch = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  const config = join(scratch, 'cluster.yaml');
  writeFileSync(config, fleetFile(peers + 1));
  const socket = socketIn(scratch);
  const source = ['--config', config, '--metrics-listen', 'off'];
  const start = (): Promise<RunningAgent> =>
    startAgent(source, { folder: scratch, spawn: (...args) => node.spawn(...args) });
  const remove = (): void => {
    for (const cleanup of cleanups.reverse()) cleanup();
    rmSync(scratch, { recursive: true, force: true });
  };
  return { node, socket, program, start, remove };
}

export interface AgentPlace {
  /** Of its socket and its state. */
  readonly folder: string;
  readonly spawn: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
}

/** `source`: where the cluster is, as on the command line; resolves when everything is in the kernel. */
export async function startAgent(
  source: readonly string[],
  { folder, spawn }: AgentPlace,
): Promise<RunningAgent> {
  const [command, ...args] = [
    ...[...program, 'agent', ...source, '--node', self],
    ...['--runtime-dir', folder, '--state-dir', folder, '--log-level', 'silent'],
  ];
  const child = spawn(command!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const socket = socketIn(folder);
  await untilReady(socket, child.pid!);
  const path = '/v1/status';
  const { pid } = (await agentRequest({ socket, method: 'GET', path })) as { pid: number };
  const stop = async (): Promise<void> => {
    process.kill(pid, 'SIGTERM');
    await ended;
  };
  return { pid, stop };
}

function socketIn(folder: string): string {
  return join(folder, 'agent.sock');
}

/** The fleet as a file, as an operator would have it. */
function fleetFile(nodeCount: number): string {
  const cluster = vxlanFleet(nodeCount);
  const zones = [...cluster.zones.values()].map(
    (zone) => `  - { name: ${zone.name}, provider: ${zone.provider}, region: ${zone.region} }`,
  );
  const nodes = [...cluster.nodes.values()].map((node) => {
    const [entry] = node.underlay;
    return `  - { name: ${node.name}, zone: ${node.zone}, address: ${entry!.address.text}/${entry!.length}, overlay: ${node.overlay[0]!.text} }`;
  });
  return [
    'cluster: bench',
    'overlay: { pools: [10.0.0.0/8] }',
    'zones:',
    ...zones,
    'rules: [{ name: all, mode: vxlan }]',
    'nodes:',
    ...nodes,
    '',
  ].join('\n');
}

async function untilReady(socket: string, pid: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
    const ready = await agentRequest({ socket, method: 'GET', path: '/readyz' }).then(
      () => true,
      () => false,
    );
    if (ready) return;
  }
  throw new Error(`the agent (pid ${pid}) was not ready within a minute`);
}
