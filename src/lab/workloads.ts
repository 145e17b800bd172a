/** The traffic processes of a run, one a node, and what arrived at them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LabError } from './names.js';
import type { NodePlan } from './plan.js';
import { trafficProgram } from './program.js';
import { inNamespace } from './shell.js';
import type {
  Arrival,
  ProbeReply,
  TrafficReply,
  TrafficRequest,
  TransferReply,
} from './traffic-protocol.js';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

interface Waiting {
  readonly resolve: (reply: TrafficReply) => void;
  readonly reject: (error: Error) => void;
}

/** The workload behind one node. */
export class Workload {
  readonly #child: ChildProcess;
  readonly #node: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #stderr = '';
  #ended = false;

  constructor(node: NodePlan, onArrival: (arrival: Arrival) => void) {
    const [program, ...args] = inNamespace(node.workloadNamespace, trafficProgram());
    this.#node = node.name;
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin!.on('error', () => undefined);
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.on('error', (error) => this.#fail(error.message));
    this.#child.on('close', (code) => this.#fail(`ended with ${code}: ${this.#stderr.trim()}`));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const message = JSON.parse(line) as TrafficReply | Arrival;
      if ('arrived' in message) onArrival(message);
      else this.#settle(message);
    });
  }

  async listen(addresses: readonly string[]): Promise<void> {
    await this.#ask({ verb: 'listen', addresses });
  }

  async probe(
    request: Omit<Extract<TrafficRequest, { verb: 'probe' }>, 'id' | 'verb'>,
  ): Promise<ProbeReply> {
    return (await this.#ask({ verb: 'probe', ...request })) as ProbeReply;
  }

  async transfer(
    request: Omit<Extract<TrafficRequest, { verb: 'transfer' }>, 'id' | 'verb'>,
  ): Promise<TransferReply> {
    return (await this.#ask({ verb: 'transfer', ...request })) as TransferReply;
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.#child.stdin!.end();
    await closed;
  }

  #ask(request: WithoutId<TrafficRequest>): Promise<TrafficReply> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#error('has ended'));
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin!.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #settle(reply: TrafficReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply);
    else waiting?.reject(this.#error(reply.error));
  }

  #fail(reason: string): void {
    this.#ended = true;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#error(reason));
    this.#waiting.clear();
  }

  #error(reason: string): LabError {
    return new LabError(`the workload behind ${this.#node} cannot send or receive: ${reason}`);
  }
}
