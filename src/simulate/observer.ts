/**
 * One node of the fleet that is a whole agent: the store's client, planner, reconciler, runtime and
 * guard of the product, wired as the agent wires them, over a kernel in memory. What it does happens
 * by a clock of its own, on which its work takes the time that it took.
 */
import pino from 'pino';
import type { PassReport } from '../../routes/reconciler.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { NodeLoop } from '../agent/node-loop.js';
import { NodeRuntime } from '../agent/node-runtime.js';
import { Planner } from '../agent/planner.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyValue } from '../store/kv.js';
import type { FleetStore } from '../store/fleet/open.js';
import { openFleetStore } from '../store/fleet/open.js';
import { fleetName } from './config-text.js';
import type { Member } from './fleet.js';
import { kernelOf, noPlane } from './kernel.js';
import type { MeteredKeyValue } from './metered-kv.js';
import { meteredKv } from './metered-kv.js';
import { idle } from './idle.js';
import { VirtualClock } from './virtual-clock.js';

export interface ObserverOptions {
  readonly member: Member;
  readonly kv: KeyValue;
  readonly keys: FleetKeys;
  /** The world's time, by which messages come. */
  readonly worldMs: () => number;
  /** For the files that an agent keeps. */
  readonly folder: string;
  /** Stands between the node and its kernel. */
  readonly between?: ((kernel: Kernel) => Kernel) | undefined;
}

/** Something that the observed node is to follow. */
export interface Awaited {
  readonly writtenMs: number;
}

/** It has: after this time on its clock, and with this much work since the message was in its hands. */
export interface Arrival {
  readonly afterMs: number;
  readonly workMs: number;
}

interface Delivered extends Awaited {
  readonly workBefore: number;
}

export class Observer {
  readonly member: Member;
  readonly kernel: FakeKernel;
  readonly metered: MeteredKeyValue;
  readonly #clock = new VirtualClock();
  readonly #planner: Planner;
  readonly #loop: NodeLoop;
  #store: FleetStore | undefined;
  #awaited: Awaited[] = [];
  #delivered: Delivered[] = [];
  #inPass: Delivered[] | undefined;
  #arrivals: Arrival[] = [];
  #workMs = 0;
  #workSince = 0;
  #resyncMs = 0;
  #passes = 0;
  #ops = 0;
  #lastWriteMs = 0;
  #lastReport: PassReport | undefined;

  constructor(options: ObserverOptions) {
    const {
      member,
      kv,
      keys,
      worldMs,
      folder,
      between = (kernel: Kernel): Kernel => kernel,
    } = options;
    this.member = member;
    this.kernel = kernelOf(member);
    this.metered = meteredKv(kv, { keys, nowMs: worldMs });
    const kernel = between(this.kernel);
    const clock = this.#clock;
    const nowMs = (): number => clock.now();
    const runtime = new NodeRuntime({
      kernel,
      guard: new MemoryGuard(),
      planeFor: noPlane,
      paths: { runtimeDir: folder, stateDir: folder },
      log: pino({ level: 'silent' }),
      clock,
    });
    this.#planner = new Planner(kernel, member.name, { nowMs });
    this.#loop = new NodeLoop({
      planner: this.#planner,
      runtime,
      clock,
      nowMs,
      cluster: () => {
        this.#inPass = [...(this.#inPass ?? []), ...this.#delivered];
        this.#delivered = [];
        return this.#store?.current;
      },
      onPass: (report) => this.#onPass(report),
    });
  }

  get loop(): NodeLoop {
    return this.#loop;
  }

  get store(): FleetStore | undefined {
    return this.#store;
  }

  get planner(): Planner {
    return this.#planner;
  }

  /** Nothing was written to its kernel since then, and of what it has been told nothing is left to do. */
  isQuiet(time: { readonly sinceMs: number; readonly nowMs: number }): boolean {
    const isBusy = this.#clock.now() > time.nowMs || this.#loop.isChanging;
    const left = this.#awaited.length + this.#delivered.length + (this.#inPass?.length ?? 0);
    return this.#lastWriteMs <= time.sinceMs && !isBusy && left === 0;
  }

  get lastReport(): PassReport | undefined {
    return this.#lastReport;
  }

  /** When it has something to do next; undefined: it only waits. */
  get nextMs(): number | undefined {
    const { waitingSinceMs } = this.metered;
    const dueMs = Math.min(waitingSinceMs ?? Infinity, this.#clock.nextMs ?? Infinity);
    return dueMs === Infinity ? undefined : Math.max(this.#clock.now(), dueMs);
  }

  /** From an empty kernel; the clock stands at the given time. */
  async start(atMs: number): Promise<void> {
    this.#clock.passTo(atMs);
    await this.#work(() => {
      this.#store = openFleetStore(this.metered.kv, {
        cluster: fleetName,
        node: this.member.name,
        clock: this.#clock,
        now: () => new Date(this.#clock.now()),
      });
      this.#store.onChange((change) => this.#loop.storeChanged(change));
      this.#loop.start();
      return Promise.resolve();
    });
  }

  async stop(): Promise<void> {
    this.#store?.close();
    await this.#loop.stop();
  }

  /** What is in its mailbox by now belongs to this. */
  expect(awaited: Awaited): void {
    this.#awaited.push(awaited);
  }

  /** Does what is due next, messages before timers of the same moment. */
  async step(): Promise<void> {
    const { waitingSinceMs } = this.metered;
    const timerMs = this.#clock.nextMs;
    const isMessage =
      waitingSinceMs !== undefined && (timerMs === undefined || waitingSinceMs <= timerMs);
    if (!isMessage) {
      await this.#work(() => Promise.resolve(this.#clock.fire()));
      return;
    }
    this.#clock.passTo(waitingSinceMs);
    const workBefore = this.#workMs;
    this.#delivered.push(...this.#awaited.map((awaited) => ({ ...awaited, workBefore })));
    this.#awaited = [];
    await this.#work(async () => {
      const { configs } = this.metered.deliver();
      // It is read by loading parsers, and nobody knows how many turns that takes.
      if (configs > 0) await this.#store?.settled();
    });
  }

  /** What happened since it was asked last. */
  takeFigures(): ObserverFigures {
    const figures: ObserverFigures = {
      arrivals: this.#arrivals,
      workMs: this.#workMs - this.#workSince,
      resyncWorkMs: this.#resyncMs,
      passes: this.#passes,
      ops: this.#ops,
      lastWriteMs: this.#lastWriteMs,
      missed: this.#awaited.length + this.#delivered.length + (this.#inPass?.length ?? 0),
    };
    this.#arrivals = [];
    this.#workSince = this.#workMs;
    [this.#resyncMs, this.#passes, this.#ops] = [0, 0, 0];
    return figures;
  }

  async #work(work: () => Promise<void>): Promise<void> {
    const passesBefore = this.#passes;
    const workMs = await this.#clock.work(async () => {
      await work();
      await idle(() => this.#inPass !== undefined);
    });
    this.#workMs += workMs;
    const resynced = this.#passes > passesBefore && this.#lastReport?.reasons.join() === 'resync';
    if (resynced) this.#resyncMs += workMs;
  }

  #onPass(report: PassReport): void {
    this.#lastReport = report;
    this.#passes++;
    const nowMs = this.#clock.now();
    const written = report.changes.length;
    this.#ops += written;
    if (written > 0) this.#lastWriteMs = nowMs;
    const inPass = this.#inPass ?? [];
    this.#inPass = undefined;
    const done =
      report.error === undefined && report.failed.length === 0 && report.skipped.length === 0;
    if (!done) {
      this.#delivered.unshift(...inPass);
      return;
    }
    const workMs = this.#workMs + this.#clock.workedMs;
    for (const { writtenMs, workBefore } of inPass)
      this.#arrivals.push({ afterMs: nowMs - writtenMs, workMs: workMs - workBefore });
  }
}

export interface ObserverFigures {
  readonly arrivals: readonly Arrival[];
  /** Processor time. */
  readonly workMs: number;
  /** Of it, passes that only the clock asked for. */
  readonly resyncWorkMs: number;
  readonly passes: number;
  readonly ops: number;
  /** When something was written to its kernel last. */
  readonly lastWriteMs: number;
  /** What it has not followed yet. */
  readonly missed: number;
}
