/**
 * The streams of the soak, seen from outside: starts the workloads' processes, sets the rates, and
 * gathers which numbers of which pair were lost, and when these were sent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../src/lab/commands.js';
import { command, inNamespace } from '../../src/lab/shell.js';
import type { SoakNode } from './soak-cluster.js';
import type { Family, Gap, Peer, SoakReport, SoakRequest } from './soak-traffic.js';

export interface Flow {
  readonly from: SoakNode;
  readonly to: SoakNode;
  readonly family: Family;
}

export interface Loss extends Gap {
  readonly flow: Flow;
  readonly count: number;
}

export interface Totals {
  readonly flows: number;
  readonly sent: number;
  readonly received: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly late: number;
  /** What the senders' system calls refused, by error. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface Machine {
  /** Packets that this machine itself had no room for, since it started; nobody's fault here. */
  readonly backlogDrops: number;
  readonly socketDrops: number;
}

/** For looking at events on a machine that is too busy for the real rates. */
export const rateScale = Number(process.env['SELVAGE_SOAK_RATE'] ?? 1);
/** Packets a second; a little more than what is asked for, as timers come late. */
const baseRate: Readonly<Record<Family, number>> = { 4: 55 * rateScale, 6: 10 * rateScale };
const fastRate = 1_100 * rateScale;
/** A number missing for so long is lost, not late. */
export const patienceMs = 2_000;
const askTimeoutMs = 30_000;

export function flowName(flow: Flow): string {
  return `${flow.from.name} → ${flow.to.name} IPv${flow.family}`;
}

export function receiverName({ to, family }: Pick<Flow, 'to' | 'family'>): string {
  return `${to.name} IPv${family}`;
}

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Flows {
  readonly #lab: Lab;
  readonly #workers = new Map<string, Worker>();
  readonly #nodes: readonly SoakNode[];
  #fast: readonly Flow[] = [];

  constructor(lab: Lab, nodes: readonly SoakNode[]) {
    this.#lab = lab;
    this.#nodes = nodes;
  }

  async open(): Promise<void> {
    for (const node of this.#nodes) {
      const { workloadNamespace } = this.#planOf(node);
      const worker = new Worker(workloadNamespace);
      this.#workers.set(node.name, worker);
    }
    await Promise.all(
      this.#nodes.map((node) =>
        this.#workers.get(node.name)!.ask({
          verb: 'open',
          self: node.index,
          addresses: this.#planOf(node).workload.map(({ family, address }) => ({
            family,
            address: address.text,
          })),
        }),
      ),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()));
  }

  /** Base streams over every ordered pair, in both families. */
  start(nodes: readonly SoakNode[]): Promise<void> {
    return this.#setRates(pairsAmong(nodes), (flow) => baseRate[flow.family]);
  }

  stop(nodes: readonly SoakNode[]): Promise<void> {
    return this.#setRates(pairsAmong(nodes), () => 0);
  }

  /** Base streams between one node and others, on or off. */
  async attach(node: SoakNode, others: readonly SoakNode[], on: boolean): Promise<void> {
    const flows = pairsAmong([node, ...others]).filter(
      (flow) => flow.from === node || flow.to === node,
    );
    await this.#setRates(flows, (flow) => (on ? baseRate[flow.family] : 0));
  }

  /** The streams that the current event is about; those before go back to the base rate. */
  async focus(flows: readonly Flow[]): Promise<void> {
    const names = new Set(flows.map(flowName));
    const before = this.#fast.filter((flow) => !names.has(flowName(flow)));
    this.#fast = flows;
    await this.#setRates(before, (flow) => baseRate[flow.family]);
    await this.#setRates(flows, () => fastRate);
  }

  async losses(): Promise<readonly Loss[]> {
    const reports = await this.#reports(patienceMs);
    const losses: Loss[] = [];
    for (const [to, report] of reports)
      for (const entry of report.received) {
        const from = this.#nodes.find((node) => node.index === entry.peer)!;
        for (const gap of entry.lost)
          losses.push({
            ...gap,
            flow: { from, to, family: entry.family },
            count: gap.last - gap.first + 1,
          });
      }
    return losses;
  }

  /** Packets sent so far. */
  async sent(): Promise<number> {
    let sum = 0;
    for (const report of (await this.#reports(Infinity)).values())
      for (const stream of report.sent) sum += stream.sent;
    return sum;
  }

  /** Once all senders have stopped: waits for silence, then also counts what lacks at the ends. */
  async settle(): Promise<{ readonly losses: readonly Loss[]; readonly totals: Totals }> {
    let losses = [...(await this.losses())];
    for (let before = -1, now = await this.#received(); now !== before;) {
      await sleep(patienceMs + 100);
      losses = [...losses, ...(await this.losses())];
      before = now;
      now = await this.#received();
    }
    const reports = await this.#reports(0);
    const errors: Record<string, number> = {};
    const totals = { flows: 0, sent: 0, received: 0, reordered: 0, duplicates: 0, late: 0 };
    for (const [from, report] of reports)
      for (const stream of report.sent) {
        for (const [code, count] of Object.entries(stream.errors))
          errors[code] = (errors[code] ?? 0) + count;
        const to = this.#nodes.find((node) => node.index === stream.peer)!;
        const account = reports
          .get(to)
          ?.received.find((entry) => entry.peer === from.index && entry.family === stream.family);
        totals.flows++;
        totals.sent += stream.sent;
        totals.received += account?.received ?? 0;
        totals.reordered += account?.reordered ?? 0;
        totals.duplicates += account?.duplicates ?? 0;
        totals.late += account?.late ?? 0;
        const next = account?.next ?? 0;
        if (next < stream.sent)
          losses.push({
            flow: { from, to, family: stream.family },
            first: next,
            last: stream.sent - 1,
            count: stream.sent - next,
            afterMs: account?.lastSentMs ?? 0,
            beforeMs: nowMs(),
          });
      }
    return { losses, totals: { ...totals, errors } };
  }

  /** Streams that should arrive and have not for so long: an outage that has not ended yet. */
  async silent(flows: readonly Flow[], forMs: number): Promise<readonly Flow[]> {
    const reports = await this.#reports(Infinity);
    const now = nowMs();
    return flows.filter((flow) => {
      const account = reports
        .get(flow.to)
        ?.received.find((entry) => entry.peer === flow.from.index && entry.family === flow.family);
      return account === undefined || now - account.lastArrivedMs > forMs;
    });
  }

  /** What the machine itself dropped: receive queues of the CPUs, and our sockets' buffers. */
  async machine(): Promise<Machine> {
    const softnet = await command(['cat', '/proc/net/softnet_stat']);
    let backlogDrops = 0;
    for (const line of softnet.trim().split('\n'))
      backlogDrops += parseInt(line.split(/\s+/)[1] ?? '0', 16);
    const overflows = (await this.overflows()).values();
    return { backlogDrops, socketDrops: [...overflows].reduce((sum, count) => sum + count, 0) };
  }

  /**
   * What has arrived, but where the receiving process was not let run for so long that its socket
   * had no room left, by `receiverName`, since the start.
   */
  async overflows(): Promise<ReadonlyMap<string, number>> {
    const overflows = new Map<string, number>();
    for (const to of this.#nodes)
      for (const [family, file] of [
        [4, 'udp'],
        [6, 'udp6'],
      ] as const) {
        const text = await command(['cat', `/proc/net/${file}`], {
          namespace: this.#planOf(to).workloadNamespace,
        });
        let drops = 0;
        for (const line of text.split('\n')) {
          const fields = line.trim().split(/\s+/);
          if (/^\d+:$/.test(fields[0] ?? '')) drops += Number(fields.at(-1));
        }
        overflows.set(receiverName({ to, family }), drops);
      }
    return overflows;
  }

  async #received(): Promise<number> {
    let sum = 0;
    for (const report of (await this.#reports(Infinity)).values())
      for (const entry of report.received) sum += entry.received;
    return sum;
  }

  async #reports(patience: number): Promise<ReadonlyMap<SoakNode, SoakReport>> {
    const entries = this.#nodes.map(
      async (node) =>
        [
          node,
          (await this.#workers.get(node.name)!.ask({
            verb: 'report',
            // JSON knows no infinity.
            patienceMs: Math.min(patience, 1e12),
          })) as SoakReport,
        ] as const,
    );
    return new Map(await Promise.all(entries));
  }

  async #setRates(flows: readonly Flow[], rate: (flow: Flow) => number): Promise<void> {
    await Promise.all(
      this.#nodes.map(async (node) => {
        const own = flows.filter((flow) => flow.from === node);
        if (own.length === 0) return;
        const streams = own.map((flow): Peer & { perSecond: number } => ({
          index: flow.to.index,
          family: flow.family,
          address: this.#planOf(flow.to).workload.find((entry) => entry.family === flow.family)!
            .address.text,
          perSecond: rate(flow),
        }));
        await this.#workers.get(node.name)!.ask({ verb: 'send', streams });
      }),
    );
  }

  #planOf(node: SoakNode): Lab['plan']['nodes'][number] {
    return this.#lab.plan.nodes.find((entry) => entry.name === node.name)!;
  }
}

export function pairsAmong(nodes: readonly SoakNode[]): readonly Flow[] {
  return nodes.flatMap((from) =>
    nodes
      .filter((to) => to !== from)
      .flatMap((to) => ([4, 6] as const).map((family) => ({ from, to, family }))),
  );
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

class Worker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: { readonly error?: string }) => void>();
  #nextId = 1;
  #stderr = '';

  constructor(namespace: string) {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const program = fileURLToPath(new URL(`./soak-traffic${extension}`, import.meta.url));
    const argv = inNamespace(namespace, [process.execPath, ...process.execArgv, program]);
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin!.on('error', () => undefined);
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.on('close', () => {
      for (const settle of this.#waiting.values()) settle({ error: `it ended: ${this.#stderr}` });
      this.#waiting.clear();
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const reply = JSON.parse(line) as { readonly id: number; readonly error?: string };
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  ask(request: WithoutId<SoakRequest>): Promise<object> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`a workload did not answer "${request.verb}" in time`)),
        askTimeoutMs,
      );
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        if (reply.error === undefined) resolve(reply);
        else reject(new Error(`a workload cannot "${request.verb}": ${reply.error}`));
      });
      this.#child.stdin!.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin!.end();
    await closed;
  }
}
