/**
 * A synthetic fleet and a few of its nodes as whole agents: cold start, churn, the loss of a zone
 * and its return, a change of the rules; after each the kernels are held against a start from nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provider } from '../../encap/cluster.js';
import { defaultSettleMs } from '../../routes/changeover.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { MemoryServer } from '../store/memory-kv.js';
import { checkObserver, freshCluster } from './check.js';
import type { FleetConfig } from './config-text.js';
import { fleetConfig, staleGraceSeconds } from './config-text.js';
import { SyntheticFleet, leaseOfFleetSeconds } from './fleet.js';
import { heapMiB } from './heap.js';
import type { FleetLayout } from './layout.js';
import { fleetLayout } from './layout.js';
import { notesFor } from './notes.js';
import { observerReport } from './observer-report.js';
import { Observer } from './observer.js';
import { phaseReport, trafficSince } from './phase-report.js';
import { round } from './quantiles.js';
import type { Random } from './random.js';
import { randomFrom } from './random.js';
import type { Difference, PhaseName, PhaseReport, SimulationReport } from './report.js';
import { World } from './world.js';

export interface SimulationOptions {
  readonly nodes: number;
  readonly zones: number;
  /** Part of the nodes. */
  readonly churnPerMinute: number;
  readonly durationMs: number;
  readonly seed: number;
  /** Nodes that are whole agents. */
  readonly observers: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it early; the report then has what is known. */
  readonly signal?: AbortSignal;
  /** Stands between an observer and its kernel, as whatever may be wrong with one. */
  readonly between?: (kernel: Kernel, node: string) => Kernel;
}

export interface Progress {
  readonly doing: string;
  readonly part: number;
}

/** What is new comes at once, packets take it after one settle time, the old goes after two. */
const quietMs = defaultSettleMs + 2_000;
const betweenChangesMs = 10_000;
const addressChanges = 3;

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-simulate-'));
  const simulation = new Simulation(options, folder);
  try {
    await simulation.run();
    return simulation.report();
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #folder: string;
  readonly #random: Random;
  readonly #world: World;
  readonly #server: MemoryServer;
  readonly #layout: FleetLayout;
  readonly #fleet: SyntheticFleet;
  readonly #startedMs = performance.now();
  readonly #observed: SimulationReport['observers'] = [];
  readonly #phases: PhaseReport[] = [];
  #storeMiB = 0;
  /** Of the phase that is under way. */
  #events = 0;

  constructor(options: SimulationOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#random = randomFrom(options.seed);
    this.#world = new World(options.signal);
    this.#server = new MemoryServer({ clock: this.#world.clock });
    this.#layout = fleetLayout(options);
    this.#fleet = new SyntheticFleet({
      layout: this.#layout,
      nodes: options.nodes,
      server: this.#server,
      random: this.#random,
      now: () => new Date(this.#world.clock.now()),
    });
  }

  async run(): Promise<void> {
    const { durationMs } = this.#options;
    const world = this.#world;
    await this.#populate();
    await this.#startObservers();
    await this.#phase('churn', async () => {
      this.#churn(durationMs);
      await world.run(durationMs);
      await world.runUntilQuiet(quietMs);
    });
    await this.#phase('address changes', async () => {
      for (let i = 0; i < addressChanges; i++)
        this.#do(() => this.#fleet.readdress(), i * betweenChangesMs);
      await world.run(addressChanges * betweenChangesMs);
      await world.runUntilQuiet(quietMs);
    });
    const zone = this.#layout.zones.at(-1)!;
    await this.#phase('zone loss', async () => {
      this.#do(() => Promise.resolve(this.#fleet.lose(zone)));
      await world.run((leaseOfFleetSeconds + staleGraceSeconds) * 1000);
      await world.runUntilQuiet(quietMs);
    });
    await this.#phase('zone return', async () => {
      this.#do(() => this.#fleet.restore(zone));
      await world.runUntilQuiet(quietMs);
    });
    await this.#phase('rule change', async () => {
      this.#do(() => this.#configure('vxlan'));
      await world.runUntilQuiet(quietMs);
    });
  }

  report(): SimulationReport {
    const { nodes, zones, churnPerMinute, durationMs, seed } = this.#options;
    const providers: Partial<Record<Provider, number>> = {};
    for (const { provider } of this.#layout.zones)
      providers[provider] = (providers[provider] ?? 0) + 1;
    const { rss, heapUsed } = process.memoryUsage();
    return {
      schema: 'selvage.simulate/1',
      complete: !this.#world.isInterrupted,
      converged: this.#phases.every(
        ({ differences, notFollowed }) => differences.length === 0 && notFollowed === 0,
      ),
      input: {
        nodes,
        zones,
        churnPerMinute,
        durationSeconds: durationMs / 1000,
        seed,
        observers: this.#observed.length,
      },
      notes: notesFor({ nodes, observers: this.#observed.length }),
      fleet: {
        providers,
        keys: this.#server.list(this.#fleet.keys.all).entries.length,
        storeMiB: round(this.#storeMiB),
      },
      observers: this.#observed,
      phases: this.#phases,
      memory: { residentMiB: round(rss / 2 ** 20), heapMiB: round(heapUsed / 2 ** 20) },
      wallSeconds: round((performance.now() - this.#startedMs) / 1000),
    };
  }

  async close(): Promise<void> {
    for (const observer of this.#world.observers) await observer.stop();
  }

  async #populate(): Promise<void> {
    const before = heapMiB();
    const { nodes } = this.#options;
    await this.#fleet.populate((done) => this.#tell('registering nodes', done / nodes));
    await this.#configure('wanted');
    this.#storeMiB = Math.max(0, heapMiB() - before);
  }

  async #configure(rules: FleetConfig['rules']): Promise<void> {
    await this.#fleet.configure(fleetConfig(this.#layout, { rules }));
    await this.#fleet.tellAll();
  }

  async #startObservers(): Promise<void> {
    const { between, observers } = this.#options;
    const members = observedZones(this.#layout, observers).map((at) => this.#fleet.members[at]!);
    for (const [index, member] of members.entries()) {
      if (this.#world.isInterrupted) return;
      this.#tell('starting agents', index / members.length);
      const before = heapMiB();
      const observer = new Observer({
        member,
        kv: this.#server.client(),
        keys: this.#fleet.keys,
        worldMs: () => this.#world.clock.now(),
        folder: join(this.#folder, member.name),
        between: between && ((kernel) => between(kernel, member.name)),
      });
      this.#fleet.keep(member.name);
      this.#world.observers.push(observer);
      await observer.start(this.#world.clock.now());
      await this.#world.runUntilQuiet(quietMs);
      const coldStart = observer.takeFigures();
      const needed = Math.max(0, heapMiB() - before);
      this.#observed.push(await observerReport(observer, { coldStart, heapMiB: needed }));
    }
  }

  async #phase(name: PhaseName, act: () => Promise<void>): Promise<void> {
    if (this.#world.isInterrupted) return;
    this.#tell(name, 0);
    const { observers, clock } = this.#world;
    const startMs = clock.now();
    const changes = this.#fleet.changes;
    const before = observers.map(({ metered }) => ({ ...metered.traffic }));
    for (const observer of observers) observer.takeFigures();
    this.#events = 0;
    await act();
    const figures = observers.map((observer) => observer.takeFigures());
    const differences = await this.#check(name);
    this.#phases.push(
      phaseReport({
        name,
        events: this.#events,
        changes: this.#fleet.changes - changes,
        startMs,
        endMs: clock.now(),
        traffic: observers.map(({ metered }, at) => trafficSince(before[at]!, metered.traffic)),
        figures,
        differences,
      }),
    );
  }

  /** Undefined: interrupted. */
  async #check(name: PhaseName): Promise<readonly Difference[] | undefined> {
    const { observers } = this.#world;
    const cluster = await freshCluster(this.#server.client());
    const differences: Difference[] = [];
    for (const [index, observer] of observers.entries()) {
      if (this.#world.isInterrupted) return undefined;
      this.#tell(`${name}: comparing kernels`, index / observers.length);
      const folder = join(this.#folder, 'check');
      const difference = await checkObserver(observer, { cluster, folder });
      if (difference !== undefined) differences.push(difference);
    }
    return differences;
  }

  #do(doing: () => Promise<void>, afterMs = 0): void {
    this.#world.schedule(afterMs, async () => {
      this.#events++;
      await doing();
    });
  }

  /** Nodes that leave and come, independent of each other. */
  #churn(forMs: number): void {
    const { nodes, churnPerMinute } = this.#options;
    const perMs = (nodes * churnPerMinute) / 60_000;
    if (perMs <= 0) return;
    let atMs = this.#random.untilNextMs(perMs);
    for (; atMs < forMs; atMs += this.#random.untilNextMs(perMs)) {
      const part = atMs / forMs;
      this.#do(async () => {
        this.#tell('churn', part);
        await this.#fleet.churn();
      }, atMs);
    }
  }

  #tell(doing: string, part: number): void {
    this.#options.onProgress?.({ doing, part });
  }
}

/** Zones whose first node is observed: one of each provider, then others; the last one is lost. */
function observedZones({ zones }: FleetLayout, observers: number): readonly number[] {
  const seen = new Set<Provider>();
  const first: number[] = [];
  const others: number[] = [];
  for (const [index, { provider }] of zones.slice(0, -1).entries()) {
    (seen.has(provider) ? others : first).push(index);
    seen.add(provider);
  }
  return [...first, ...others].slice(0, observers);
}
