/**
 * The soak's hands: the lab with its agents, the cluster file they read, and what events do to
 * both. Agents learn of a new file by themselves; being asked only tells when it is in force.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentUnavailable, agentRequest } from '../../src/agent/client.js';
import type { PlanReport } from '../../src/agent/plan-report.js';
import type { StatusReport } from '../../src/agent/status.js';
import { realAgent, startAgent, untilReady } from '../../src/lab/agents.js';
import type { Lab } from '../../src/lab/commands.js';
import { type ProcessRecord, isRunning, startTicksOf } from '../../src/lab/processes.js';
import { selvageProgram } from '../../src/lab/program.js';
import { type CommandResult, command, tryCommand } from '../../src/lab/shell.js';
import type { Sketch, SoakNode } from './soak-cluster.js';
import { clusterText, guest, nodesOf } from './soak-cluster.js';

const inForceMs = 20_000;
/** More than the watch waits for a writer to finish, so that agents see the change by themselves. */
const noticeMs = 250;

export interface GuardPicture {
  readonly whole: string;
  /** Without the elements of sets. */
  readonly frame: string;
}

export class World {
  readonly lab: Lab;
  readonly file: string;
  readonly sketch: Sketch;
  readonly #agents = new Map<string, ProcessRecord>();

  constructor(lab: Lab, file: string, sketch: Sketch) {
    this.lab = lab;
    this.file = file;
    this.sketch = sketch;
    // `labUp` started them in the order of the plan, the guest's excepted.
    const nodes = lab.plan.nodes.filter((node) => node.name !== guest.name);
    for (const [i, node] of nodes.entries())
      this.#agents.set(node.name, lab.manifest.processes[i]!);
  }

  /** Replaces the file in one step, as a careful editor does. */
  write(text: string): void {
    writeFileSync(`${this.file}.new`, text);
    renameSync(`${this.file}.new`, this.file);
  }

  /** Takes the file away, as an update that removes before it writes does. */
  remove(): void {
    rmSync(this.file);
  }

  /** Writes the sketch as it is now, and waits until every running agent has it in force. */
  async apply(): Promise<void> {
    this.write(clusterText(this.sketch));
    await sleep(noticeMs);
    await this.inForce();
  }

  /** Every agent that runs has the file in force. */
  async inForce(): Promise<void> {
    await Promise.all(
      nodesOf(this.sketch).map(async (node) => {
        const answer = await this.ask(node, { method: 'POST', path: '/v1/reload' }).catch(
          (error: unknown) => {
            if (error instanceof AgentUnavailable) return undefined;
            throw error;
          },
        );
        const { problems = [] } = (answer ?? {}) as { readonly problems?: readonly string[] };
        const errors = problems.filter((line) => line.includes('error:'));
        if (errors.length > 0) throw new Error(`${node.name} refuses the file: ${errors[0]}`);
      }),
    );
  }

  /** Every agent says that the file as it is now is wrong. */
  async refused(): Promise<void> {
    await this.#until(
      async () => {
        for (const node of nodesOf(this.sketch)) {
          const status = await this.status(node).catch(() => undefined);
          if (status?.config.problems.every((line) => !line.includes('error:'))) return node.name;
        }
        return undefined;
      },
      (node) => `${node} has not noticed that its file is bad`,
    );
  }

  async kill(node: SoakNode, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const record = this.#agents.get(node.name);
    if (record === undefined) return;
    if (!isRunning(record)) return;
    process.kill(record.pid, signal);
    const deadline = Date.now() + 10_000;
    while (startTicksOf(record.pid) === record.startTicks) {
      if (Date.now() > deadline)
        throw new Error(`the agent of ${node.name} does not end on ${signal}`);
      await sleep(10);
    }
  }

  async start(node: SoakNode): Promise<void> {
    const record = (await startAgent(this.lab, this.planOf(node), realAgent))!;
    this.#agents.set(node.name, record);
    await untilReady(this.lab, new Map([[node.name, record]]), {
      timeoutMs: 30_000,
      onReady: () => undefined,
    });
  }

  /** Takes the node out of service, as its operator does: nothing of ours stays in its kernel. */
  async down(node: SoakNode): Promise<void> {
    await this.kill(node, 'SIGTERM');
    const { runtimeDir, stateDir } = this.lab.files.get(node.name)!;
    const folders = ['--runtime-dir', runtimeDir, '--state-dir', stateDir];
    const result = await this.run(node, ...selvageProgram(), 'down', ...folders);
    if (result.status !== 0)
      throw new Error(`down on ${node.name}: ${result.stdout} ${result.stderr}`);
  }

  /** The command line of the node's agent once more, as somebody starts it who knows of none. */
  startTwice(node: SoakNode): Promise<CommandResult> {
    const files = this.lab.files.get(node.name)!;
    const argv = realAgent({
      node: this.planOf(node),
      files,
      configFile: this.file,
      clusterKeyFile: this.lab.paths.clusterKey,
    })!;
    return this.run(node, 'timeout', '60', ...argv);
  }

  stateDir(node: SoakNode): string {
    return this.lab.files.get(node.name)!.stateDir;
  }

  /** Leaves of the agent's state only what the first release kept there. */
  forgetNewState(node: SoakNode): void {
    const { stateDir } = this.lab.files.get(node.name)!;
    for (const name of existsSync(stateDir) ? readdirSync(stateDir) : [])
      if (name !== 'host-sysctls.json') rmSync(join(stateDir, name), { recursive: true });
  }

  run(node: SoakNode, ...argv: readonly string[]): Promise<CommandResult> {
    return tryCommand(argv, { namespace: this.planOf(node).namespace });
  }

  async read(node: SoakNode, ...argv: readonly string[]): Promise<string> {
    return command(argv, { namespace: this.planOf(node).namespace });
  }

  ask(
    node: SoakNode,
    request: { readonly method?: 'GET' | 'POST'; readonly path: string },
  ): Promise<unknown> {
    const socket = this.lab.files.get(node.name)!.agentSocket;
    return agentRequest({ socket, method: 'GET', ...request, timeoutMs: inForceMs });
  }

  async status(node: SoakNode): Promise<StatusReport> {
    return (await this.ask(node, { path: '/v1/status' })) as StatusReport;
  }

  /** What the agent would still change in its kernel. */
  async plan(node: SoakNode): Promise<PlanReport> {
    return (await this.ask(node, { path: '/v1/plan' })) as PlanReport;
  }

  /** Waits until the kernel is as the agent of the node wants it. */
  async repaired(node: SoakNode): Promise<void> {
    await this.#until(
      async () => {
        const { changes } = await this.plan(node);
        return changes.length === 0 ? undefined : `${changes[0]!.action} ${changes[0]!.object}`;
      },
      (change) => `${node.name} does not repair: ${change}`,
    );
  }

  /** The guard's rules without their counters, as a picture that can be compared with another. */
  async guardRules(node: SoakNode): Promise<GuardPicture> {
    const result = await this.run(node, 'nft', '-s', 'list', 'table', 'inet', 'selvage_guard');
    // Sets that were made anew list their elements in another order, and come later.
    const parts = (text: string): string[] => text.split(/[\n,{}]+/).map((part) => part.trim());
    return {
      whole: parts(result.stdout).sort().join('\n'),
      frame: parts(result.stdout.replace(/elements = \{[^}]*\}/g, ''))
        .sort()
        .join('\n'),
    };
  }

  /**
   * Waits until the guard is as it was. A change that is under way may have other elements in its
   * sets by now; then the frame must be the same, and the agent must have told of its repair.
   */
  async guardRepaired(
    node: SoakNode,
    wanted: { readonly rules: GuardPicture; readonly toldBefore: number },
  ): Promise<void> {
    await this.#until(
      async () => {
        const rules = await this.guardRules(node);
        if (rules.whole === wanted.rules.whole) return undefined;
        const told = this.guardRepairsTold(node) > wanted.toldBefore;
        if (told && rules.frame === wanted.rules.frame) return undefined;
        const [has, wants] = [rules, wanted.rules].map(({ whole }) => new Set(whole.split('\n')));
        return (
          `too much: ${[...has!].filter((line) => !wants!.has(line)).join(' | ')}; ` +
          `lacking: ${[...wants!].filter((line) => !has!.has(line)).join(' | ')}`
        );
      },
      (difference) => `${node.name} does not repair its guard: ${difference}`,
    );
  }

  /** How often the agent has logged so far that it repaired its guard. */
  guardRepairsTold(node: SoakNode): number {
    const log = readFileSync(this.lab.files.get(node.name)!.agentLog, 'utf8');
    return log.split('the guard was changed by somebody else').length - 1;
  }

  async vxlanDevice(node: SoakNode): Promise<string> {
    const text = await this.read(node, 'ip', '-o', 'link', 'show', 'type', 'vxlan');
    return /slv4[ab]/.exec(text)?.[0] ?? 'slv4a';
  }

  planOf(node: SoakNode): Lab['plan']['nodes'][number] {
    return this.lab.plan.nodes.find((entry) => entry.name === node.name)!;
  }

  async #until(
    lacking: () => Promise<string | undefined>,
    complaint: (lack: string) => string,
  ): Promise<void> {
    for (const deadline = Date.now() + inForceMs; ; await sleep(50)) {
      const lack = await lacking();
      if (lack === undefined) return;
      if (Date.now() > deadline) throw new Error(`${complaint(lack)} within ${inForceMs} ms`);
    }
  }
}
