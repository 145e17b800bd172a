/** Real agents for tests: one process a node, each in a namespace, with files of their own. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentRequest } from '../../src/agent/client.js';
import type { StatusReport } from '../../src/agent/status.js';
import { selvageProgram } from '../../src/lab/program.js';
import type { Namespace, Teardown } from './netns.js';

export interface TestAgent {
  readonly node: string;
  readonly socket: string;
  readonly process: ChildProcess;
  /** Its log so far, a line an entry. */
  log(): readonly string[];
  status(): Promise<StatusReport>;
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export class AgentFolder {
  readonly path: string;
  readonly config: string;
  readonly #children: ChildProcess[] = [];

  constructor(t: Teardown, yaml: string) {
    this.path = mkdtempSync(join(tmpdir(), 'selvage-agents-'));
    this.config = join(this.path, 'cluster.yaml');
    writeFileSync(this.config, yaml);
    // Agents first: one that still writes would fill the folder while it is being emptied.
    t.teardown(async () => {
      await Promise.all(this.#children.map((child) => ended(child, 'SIGKILL')));
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  /** Replaces the cluster file as an editor does. */
  write(yaml: string): void {
    writeFileSync(`${this.config}.new`, yaml);
    renameSync(`${this.config}.new`, this.config);
  }

  options(node: string): readonly string[] {
    const folder = join(this.path, node);
    return [
      '--config',
      this.config,
      '--node',
      node,
      '--runtime-dir',
      folder,
      '--state-dir',
      folder,
    ];
  }

  /** The command line of a node's agent. */
  command(node: string): readonly string[] {
    return [...selvageProgram(), 'agent', ...this.options(node), '--metrics-listen', 'off'];
  }

  start(namespace: Namespace, node: string, ...more: readonly string[]): TestAgent {
    const folder = join(this.path, node);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const [program, ...args] = this.command(node);
    const child = namespace.spawn(program!, [...args, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    let text = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const socket = join(folder, 'agent.sock');
    const get = (path: string): Promise<unknown> => agentRequest({ socket, method: 'GET', path });
    return {
      node,
      socket,
      process: child,
      log: () => text.trim().split('\n'),
      status: async () => (await get('/v1/status')) as StatusReport,
      ready: async () => {
        await eventually(
          () => get('/readyz').then(() => true),
          () => `the agent of ${node} is not ready:\n${text}`,
        );
      },
      kill: (signal) => ended(child, signal),
    };
  }

  /** Workload settings that the agent wrote. */
  env(node: string): string {
    return readFileSync(join(this.path, node, 'env'), 'utf8');
  }
}

/** `ip netns exec` becomes the program it starts, so the child is the agent itself. */
async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

/** Waits until the condition holds; a rejected promise means not yet. Returns the time taken. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  complaint: () => string,
  timeoutMs = 20_000,
): Promise<number> {
  const start = performance.now();
  for (;;) {
    const holds = await Promise.resolve()
      .then(condition)
      .catch(() => false);
    if (holds) return performance.now() - start;
    if (performance.now() - start > timeoutMs) throw new Error(complaint());
    await sleep(20);
  }
}
