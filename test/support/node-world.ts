/** One node's passes, as the agent and the simulation run them, over a kernel and a guard in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Cluster } from '../../encap/cluster.js';
import type { PassReport } from '../../routes/reconciler.js';
import { NodeLoop } from '../../src/agent/node-loop.js';
import type { NodePlan } from '../../src/agent/node-plan.js';
import { NodeRuntime } from '../../src/agent/node-runtime.js';
import { Planner } from '../../src/agent/planner.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import { guardFacts } from '../../tunnel/guard/facts.js';
import type { GuardApplyOptions, GuardSpec, GuardStep } from '../../tunnel/guard/guard.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import { setExchanges } from '../../tunnel/guard/nft-elements.js';
import { nftProgram } from '../../tunnel/guard/nft-program.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { ManualClock } from './manual-clock.js';

/** Keeps the elements of its sets as a packet filter would: a step changes those that it names. */
export class ElementGuard extends MemoryGuard {
  #elements = new Map<string, Set<string>>();
  /** Elements that steps have moved. */
  moved = 0;

  override async apply(spec: GuardSpec, options: GuardApplyOptions = {}): Promise<void> {
    await super.apply(spec, options);
    this.#elements = elementsOf(this.held!);
  }

  override async step(step: GuardStep): Promise<boolean> {
    if (!(await super.step(step))) return false;
    for (const { set, gone, come } of setExchanges(step.delta)) {
      this.moved += gone.length + come.length;
      for (const { text } of gone) this.#elements.get(set)?.delete(text);
      for (const { text } of come) this.#elements.get(set)?.add(text);
    }
    return true;
  }

  get text(): string {
    return textOf(this.#elements);
  }
}

function elementsOf(spec: GuardSpec): Map<string, Set<string>> {
  return new Map(
    [...nftProgram(guardFacts(spec)).sets].map(([name, set]) => [name, new Set(set.elements)]),
  );
}

function textOf(elements: ReadonlyMap<string, ReadonlySet<string>>): string {
  return [...elements].map(([name, set]) => `${name}: ${[...set].sort().join(', ')}`).join('\n');
}

export class NodeWorld {
  readonly clock = new ManualClock();
  readonly kernel: FakeKernel;
  readonly guard: ElementGuard;
  readonly passes: PassReport[] = [];
  dumps = 0;
  /** A dump takes until then. */
  reading: Promise<void> = Promise.resolve();
  /** Notifications are under way and have not been read yet. */
  deaf = false;
  /** Killed in the middle of its ops: does nothing any more until another one starts. */
  #dead = false;
  #cluster: Cluster;
  #loop: NodeLoop;
  readonly #self: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'selvage-world-'));

  constructor(
    cluster: Cluster,
    options: {
      readonly self: string;
      readonly kernel?: FakeKernel;
      readonly guard?: ElementGuard;
    },
  ) {
    this.#cluster = cluster;
    this.#self = options.self;
    this.kernel = options.kernel ?? kernelOf(cluster, options.self);
    this.guard = options.guard ?? new ElementGuard();
    this.#loop = this.#start();
  }

  get plan(): NodePlan {
    return this.#loop.plan!;
  }

  get cluster(): Cluster {
    return this.#cluster;
  }

  /** The store tells of single nodes. */
  async nodesChanged(cluster: Cluster, names: readonly string[], forMs = 20): Promise<void> {
    this.#cluster = cluster;
    this.#loop.storeChanged({ kind: 'nodes', names });
    await this.clock.advance(forMs);
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** Whatever was under way or kept from succeeding has had its time. */
  async quiet(): Promise<void> {
    await this.clock.advance(75_000);
  }

  /** The process dies and another one starts. */
  async restart(): Promise<void> {
    await this.#loop.stop();
    this.#dead = false;
    this.#loop = this.#start();
    await this.quiet();
  }

  async close(): Promise<void> {
    await this.#loop.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Everything that a pass leaves behind, as text. */
  state(): { readonly kernel: string; readonly guard: string; readonly plan: string } {
    return {
      kernel: this.kernel.print(),
      guard: this.guard.text,
      plan: planText(this.plan),
    };
  }

  #start(): NodeLoop {
    const kernel: Kernel = {
      ...this.kernel,
      dump: async (interest) => {
        this.dumps++;
        await this.reading;
        if (this.#dead) throw new Error('the process is dead');
        return this.kernel.dump(interest);
      },
      watch: (listener, options) =>
        this.kernel.watch((event) => {
          if (!this.deaf) listener(event);
        }, options),
      apply: async (ops) => {
        if (this.#dead) throw new Error('the process is dead');
        try {
          return await this.kernel.apply(ops);
        } catch (error) {
          this.#dead = true;
          throw error;
        }
      },
    };
    const [log, folder] = [pino({ level: 'silent' }), this.#folder];
    const runtime = new NodeRuntime({
      kernel,
      guard: this.guard,
      planeFor: () => ({
        ensure: () => Promise.reject(new Error('no plane here')),
        status: () => Promise.resolve(undefined),
        stop: () => Promise.resolve(),
      }),
      paths: { runtimeDir: folder, stateDir: folder },
      log,
      clock: this.clock,
    });
    const nowMs = (): number => this.clock.now();
    const loop = new NodeLoop({
      planner: new Planner(kernel, this.#self, { nowMs }),
      runtime,
      cluster: () => this.#cluster,
      onPass: (report) => void this.passes.push(report),
      clock: this.clock,
      nowMs,
    });
    runtime.guardKeeper.watch(() => loop.reconciler.trigger('guard changed'));
    loop.start();
    return loop;
  }
}

export function kernelOf(cluster: Cluster, name: string): FakeKernel {
  return createFakeKernel({
    kinds: ['vxlan', 'ipip', 'sit', 'ip6tnl'],
    nics: [{ name: 'eth0', mtu: 9001, addresses: cluster.nodes.get(name)!.underlay }],
    sysctls: {
      'net/ipv4/ip_forward': '0',
      'net/ipv6/conf/all/forwarding': '0',
      'net/ipv4/conf/all/rp_filter': '0',
    },
  });
}

function planText(plan: NodePlan): string {
  return [
    ...[...plan.rib.decisions].map((entry) => JSON.stringify(entry)).sort(),
    ...[...plan.objects].map((entry) => JSON.stringify(entry)).sort(),
    ...[...plan.desired.peers].map(String).sort(),
    textOf(elementsOf(plan.guard)),
    ...plan.problems,
    String(plan.rib.smallestMtu),
  ].join('\n');
}
