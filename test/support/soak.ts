/**
 * The soak: numbered streams over every ordered pair of a 12-node lab with real agents, while one
 * random event after the other happens to it. Packets may be lost only by those events that cannot
 * but cost some, only by the pairs that they touch, and only while they last.
 *
 * Before the events the same streams run without any: a machine that loses packets then proves
 * nothing about the product, and the result says that instead.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadClusterFile } from '../../src/config/index.js';
import { realAgent } from '../../src/lab/agents.js';
import { type Lab, labDown, labRun, labUp, matrixText } from '../../src/lab/commands.js';
import { dropsSince, readDrops } from '../../src/lab/drops.js';
import { selvageProgram } from '../../src/lab/program.js';
import { allNodes, clusterText, guest, newSketch, nodesOf, residents } from './soak-cluster.js';
import type { SoakNode } from './soak-cluster.js';
import { type EventKind, type SoakEvent, drawKinds, makeEvent } from './soak-events.js';
import {
  type Flow,
  Flows,
  type Loss,
  type Machine,
  type Totals,
  flowName,
  nowMs,
  patienceMs,
  receiverName,
  rateScale,
} from './soak-flows.js';
import { seededRandom } from './soak-random.js';
import { World } from './soak-world.js';

export interface SoakOptions {
  readonly seed: number;
  readonly events: number;
  readonly kinds: readonly EventKind[];
  readonly controlMs: number;
  /** Nodes whose kernel is held against a fresh start's plan at the end. */
  readonly freshPlans: number;
  /** Folder for the lab and its file. */
  readonly stateRoot: string;
  readonly labName: string;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  /** The machine lost packets without any change: nothing is known of the product. */
  readonly inconclusive: string | undefined;
  readonly failures: readonly string[];
  readonly totals: Totals;
  /** Outages of the pairs that hand-made damage touched, by kind of damage, in ms. */
  readonly outages: ReadonlyMap<string, readonly number[]>;
}

/** A time in which some flows may lose packets. */
interface Excuse {
  readonly what: string;
  readonly fromMs: number;
  toMs: number;
  matches(flow: Flow): boolean;
}

interface Past {
  readonly number: number;
  readonly event: SoakEvent;
  readonly fromMs: number;
  toMs: number;
}

/** Packets under way when an event begins, and queued when it is over. */
const graceMs = 500;
const failuresMax = 5;
const controlsMax = 4;
const shownPast = 4;

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { stateRoot, labName } = options;
  mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
  const file = `${stateRoot}/cluster.yaml`;
  const sketch = newSketch();
  writeFileSync(file, clusterText(sketch, true));
  const everything = await loadClusterFile(file);
  if (!everything.ok) throw new Error(everything.problems[0]!.message);
  writeFileSync(file, clusterText(sketch));
  // The underlay is built for the guest, too; its agent starts when it joins.
  const lab = await labUp({
    lab: labName,
    cluster: everything.cluster,
    configFile: file,
    stateRoot,
    readyTimeoutMs: 120_000,
    agentCommand: (launch) => (launch.node.name === guest.name ? undefined : realAgent(launch)),
  });
  const soak = new Soak(lab, new World(lab, file, sketch), options);
  try {
    return await soak.run();
  } finally {
    await soak.close();
    await labDown(labName, { stateRoot });
  }
}

class Soak {
  readonly #lab: Lab;
  readonly #world: World;
  readonly #options: SoakOptions;
  readonly #flows: Flows;
  readonly #failures: string[] = [];
  readonly #excuses: Excuse[] = [];
  readonly #past: Past[] = [];
  readonly #outages = new Map<string, number[]>();
  #denied: Excuse | undefined;
  /** Drops of receivers' sockets that account for losses so far. */
  readonly #accounted = new Map<string, number>();
  #startedMs = 0;
  #machine: Machine | undefined;

  constructor(lab: Lab, world: World, options: SoakOptions) {
    this.#lab = lab;
    this.#world = world;
    this.#options = options;
    this.#flows = new Flows(lab, allNodes);
  }

  close(): Promise<void> {
    return this.#flows.close();
  }

  async run(): Promise<SoakResult> {
    const { say, seed, events, kinds } = this.#options;
    this.#startedMs = nowMs();
    await this.#flows.open();
    this.#machine = await this.#flows.machine();
    await this.#flows.start(residents);
    await this.#flows.focus([
      { from: residents[0]!, to: residents[1]!, family: 4 },
      { from: residents[1]!, to: residents[0]!, family: 4 },
    ]);
    let inconclusive = await this.#control();
    // What else kept the machine busy may be over soon.
    for (let again = 1; again < controlsMax && inconclusive !== undefined; again++)
      inconclusive = await this.#control();
    await this.#flows.focus([]);
    if (inconclusive !== undefined) return this.#result(inconclusive, emptyTotals);

    const random = seededRandom(seed);
    const drops = await readDrops(this.#lab);
    for (const [i, kind] of drawKinds(random, kinds, events).entries()) {
      if (this.#failures.length >= failuresMax) break;
      const number = i + 1;
      await this.#happen(number, makeEvent(kind, { random, sketch: this.#world.sketch }));
      if (number % 100 === 0) say(`${number} events, ${this.#failures.length} failures so far`);
    }
    await this.#flows.stop(nodesOf(this.#world.sketch));
    const { losses, totals } = await this.#flows.settle();
    await this.#judge(losses);
    say(totalsText(totals, (nowMs() - this.#startedMs) / 1000));
    for (const drop of dropsSince(drops, await readDrops(this.#lab)))
      say(`the underlay dropped at ${drop.node}: ${drop.packets} × ${drop.because}`);
    await this.#inTheEnd();
    return this.#result(undefined, totals);
  }

  #result(inconclusive: string | undefined, totals: Totals): SoakResult {
    return { inconclusive, failures: this.#failures, totals, outages: this.#outages };
  }

  /** The same streams with nothing happening. */
  async #control(): Promise<string | undefined> {
    const { controlMs, say } = this.#options;
    const fromMs = nowMs();
    const sentBefore = await this.#flows.sent();
    await sleep(controlMs);
    const seconds = (nowMs() - fromMs) / 1000;
    const sent = (await this.#flows.sent()) - sentBefore;
    await sleep(patienceMs);
    const losses = await this.#flows.losses();
    const after = await this.#flows.machine();
    const lost = losses.reduce((sum, loss) => sum + loss.count, 0);
    const perSecond = Math.round(sent / seconds);
    say(
      `without changes: ${sent} packets in ${seconds.toFixed(1)} s (${perSecond}/s), ${lost} lost`,
    );
    // Of each ordered pair 50 IPv4 packets a second, 1000 of two of them, and a few of IPv6.
    const wanted = ((residents.length * (residents.length - 1) - 2) * 50 + 2 * 1000) * rateScale;
    if (lost === 0 && perSecond >= wanted) return undefined;
    return (
      `the control run without any change lost ${lost} of ${sent} packets at ${perSecond}/s ` +
      `(at least ${wanted}/s are wanted); the machine's queues dropped ` +
      `${after.backlogDrops - this.#machine!.backlogDrops}, its sockets ` +
      `${after.socketDrops - this.#machine!.socketDrops}: too loaded to tell anything about the product\n` +
      losses
        .slice(0, 12)
        .map((loss) => this.#lossText(loss))
        .join('\n')
    );
  }

  async #happen(number: number, event: SoakEvent): Promise<void> {
    const past: Past = { number, event, fromMs: nowMs(), toMs: Infinity };
    this.#past.push(past);
    await this.#flows.focus(event.focus);
    await sleep(100);
    const excuse =
      event.mayLose === undefined ? undefined : this.#excuse(event, event.mayLose.bind(event));
    try {
      await event.run({ world: this.#world, flows: this.#flows });
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error), past.fromMs);
    }
    await sleep(100);
    past.toMs = nowMs() + graceMs;
    if (event.kind === 'deny') this.#settleDenial(excuse!);
    else if (excuse !== undefined) excuse.toMs = past.toMs;
    await this.#judge(await this.#flows.losses());
    if (number % 10 === 0) await this.#stillFlowing();
  }

  #excuse(event: SoakEvent, matches: (flow: Flow) => boolean): Excuse {
    const excuse = {
      what: event.kind === 'drift' ? event.text.replace(/^\S+ | \(.*$/g, '') : event.kind,
      fromMs: nowMs() - graceMs,
      toMs: Infinity,
      matches,
    };
    this.#excuses.push(excuse);
    return excuse;
  }

  /** A pair that is denied loses its packets until it is allowed again. */
  #settleDenial(excuse: Excuse): void {
    if (this.#world.sketch.denied) {
      this.#denied = excuse;
      return;
    }
    const now = nowMs() + graceMs;
    excuse.toMs = now;
    if (this.#denied !== undefined) this.#denied.toMs = now;
    this.#denied = undefined;
  }

  /** A stream that stopped for good shows no gap. */
  async #stillFlowing(): Promise<void> {
    const expected = nodesOf(this.#world.sketch).flatMap((from) =>
      nodesOf(this.#world.sketch)
        .filter((to) => to !== from)
        .map((to): Flow => ({ from, to, family: 4 })),
    );
    const silent = (await this.#flows.silent(expected, 3_000)).filter(
      (flow) => this.#denied?.matches(flow) !== true,
    );
    if (silent.length > 0)
      this.#fail(`nothing arrives any more: ${silent.map(flowName).join(', ')}`, nowMs());
  }

  async #judge(losses: readonly Loss[]): Promise<void> {
    const unexcused: Loss[] = [];
    const overflowed = await this.#overflowed(losses);
    for (const loss of losses) {
      if (overflowed.has(receiverName(loss.flow))) continue;
      const excuse = this.#excuses.find(
        (entry) =>
          entry.matches(loss.flow) && loss.afterMs >= entry.fromMs && loss.afterMs <= entry.toMs,
      );
      if (excuse === undefined) unexcused.push(loss);
      else if (excuse !== this.#denied && excuse.what !== 'deny') {
        const outage = loss.beforeMs - loss.afterMs;
        const known = this.#outages.get(excuse.what) ?? [];
        this.#outages.set(excuse.what, [...known, outage]);
      }
    }
    if (unexcused.length === 0) return;
    const lost = unexcused.reduce((sum, loss) => sum + loss.count, 0);
    const lines = unexcused.slice(0, 12).map((loss) => `  ${this.#lossText(loss)}`);
    if (unexcused.length > 12) lines.push(`  and ${unexcused.length - 12} more gaps`);
    const machine = await this.#flows.machine();
    lines.push(
      `  since the start the machine's queues dropped ${machine.backlogDrops - this.#machine!.backlogDrops}, ` +
        `its sockets ${machine.socketDrops - this.#machine!.socketDrops}: without these it is ours`,
    );
    const firstMs = Math.min(...unexcused.map((loss) => loss.afterMs));
    this.#fail(`${lost} packets lost:\n${lines.join('\n')}`, firstMs);
  }

  /**
   * Receivers that lost no more than their own sockets dropped: all of it came as far as the process
   * that counts. What a socket dropped accounts for losses once.
   */
  async #overflowed(losses: readonly Loss[]): Promise<ReadonlySet<string>> {
    const lost = new Map<string, number>();
    for (const { flow, count } of losses) {
      const receiver = receiverName(flow);
      lost.set(receiver, (lost.get(receiver) ?? 0) + count);
    }
    const overflowed = new Set<string>();
    if (lost.size === 0) return overflowed;
    const drops = await this.#flows.overflows();
    for (const [receiver, count] of lost) {
      const known = this.#accounted.get(receiver) ?? 0;
      const unaccounted = (drops.get(receiver) ?? 0) - known;
      this.#accounted.set(receiver, known + Math.min(count, unaccounted));
      if (count > unaccounted) continue;
      overflowed.add(receiver);
      this.#options.say(`${count} packets came to ${receiver} and found its socket full`);
    }
    return overflowed;
  }

  #lossText(loss: Loss): string {
    const at = ((loss.afterMs - this.#startedMs) / 1000).toFixed(3);
    const numbers =
      loss.count === 1 ? `number ${loss.first}` : `numbers ${loss.first}–${loss.last}`;
    return `${flowName(loss.flow)}: ${numbers}, sent from ${at} s on within ${(loss.beforeMs - loss.afterMs).toFixed(1)} ms`;
  }

  #fail(what: string, atMs: number): void {
    const { seed, say } = this.#options;
    const around = this.#past.filter((past) => past.fromMs <= atMs + graceMs).slice(-shownPast);
    const lines = around.map(({ number, event, fromMs, toMs }) => {
      const [from, to] = [fromMs, toMs].map((ms) => ((ms - this.#startedMs) / 1000).toFixed(3));
      return `  event ${number}, ${from}–${to} s, ${event.kind}: ${event.text}`;
    });
    const text = `${what}\nthe last events before it (again with SELVAGE_SOAK_SEED=${seed}):\n${lines.join('\n')}`;
    this.#failures.push(text);
    say(text);
  }

  /** The mesh works as decided, every agent is content, and a fresh one would change nothing. */
  async #inTheEnd(): Promise<void> {
    const nodes = nodesOf(this.#world.sketch);
    const cluster = await loadClusterFile(this.#world.file);
    if (!cluster.ok) throw new Error(cluster.problems[0]!.message);
    const { plan } = this.#lab;
    const present = plan.nodes.filter((node) => nodes.some((entry) => entry.name === node.name));
    const matrix = await labRun({
      ...this.#lab,
      plan: { ...plan, cluster: cluster.cluster, nodes: present },
    });
    if (!matrix.ok) this.#fail(matrixText(matrix, { colour: false, layout: 'lines' }), nowMs());
    this.#options.say(`${matrix.totals.pairs} pairs at the end: ${JSON.stringify(matrix.totals)}`);
    for (const node of nodes) await this.#content(node);
    for (const node of nodes.slice(0, this.#options.freshPlans)) await this.#freshPlan(node);
  }

  async #content(node: SoakNode): Promise<void> {
    const status = await this.#world.status(node);
    const { changes, foreign } = await this.#world.plan(node);
    const wrong = [
      ...(status.ready ? [] : ['it is not ready']),
      ...status.config.problems,
      ...status.problems.filter((line) => !isPlaneNotice(line)),
      ...status.contested.map((contest) => `contested: ${contest.object}`),
      ...(status.lastPass?.failed ?? []),
      ...status.peers
        .filter((peer) => peer.state !== 'ok')
        .map((peer) => `${peer.node}: ${peer.state}`),
      ...changes.map((change) => `it would ${change.action} ${change.object}`),
      ...foreign.map((entry) => `foreign: ${entry.actual}`),
    ];
    if (wrong.length > 0) this.#fail(`${node.name} in the end: ${wrong.join('; ')}`, nowMs());
  }

  async #freshPlan(node: SoakNode): Promise<void> {
    const args = ['plan', '--config', this.#world.file, '--node', node.name, '-o', 'json'];
    const result = await this.#world.run(node, ...selvageProgram(), ...args);
    const report = JSON.parse(result.stdout || '{}') as {
      readonly changes?: readonly unknown[];
      readonly foreign?: readonly unknown[];
    };
    if (report.changes?.length !== 0 || report.foreign?.length !== 0)
      this.#fail(
        `a fresh start on ${node.name} would change its kernel: ${result.stdout} ${result.stderr}`,
        nowMs(),
      );
  }
}

/** That a process carries IP-in-IP here is no trouble, but what this kernel is for. */
function isPlaneNotice(line: string): boolean {
  return line.startsWith('this kernel has no ipip module');
}

const emptyTotals: Totals = {
  flows: 0,
  sent: 0,
  received: 0,
  reordered: 0,
  duplicates: 0,
  late: 0,
  errors: {},
};

function totalsText(totals: Totals, seconds: number): string {
  const { flows, sent, received, reordered, duplicates, late } = totals;
  const errors = Object.entries(totals.errors).map(([code, count]) => `, ${count} × ${code}`);
  return (
    `${sent} packets over ${flows} streams in ${Math.round(seconds)} s: ${sent - received} lost, ` +
    `${reordered} reordered, ${duplicates} duplicates, ${late} late${errors.join('')}`
  );
}

export function outagesText(outages: SoakResult['outages']): readonly string[] {
  return [...outages].map(([kind, times]) => {
    const sorted = [...times].sort((a, b) => a - b);
    const at = (part: number): string =>
      sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!.toFixed(0);
    return `outage by "${kind}": ${sorted.length} gaps, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${sorted.at(-1)!.toFixed(0)} ms`;
  });
}
