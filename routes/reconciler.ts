/**
 * Keeps the kernel as the plan wants it. Events only mark the state dirty; one throttled pass does
 * all the work: dump, plan, diff, ordered apply. What a pass does depends on the kernel and the
 * plan as they are, never on which events led there. Nothing is written while there is no plan.
 */
import type { Kernel, KernelEvent, KernelState } from '../tunnel/kernel.js';
import type { ApplyResult, FailedChange } from './apply.js';
import { applyChanges } from './apply.js';
import type { DesiredObject } from './desired.js';
import type { Change, ForeignObject } from './diff.js';
import { diff } from './diff.js';
import { isOwnDeviceName } from './ownership.js';

/** What the kernel should look like; undefined from `plan` means "not in sync: touch nothing". */
export interface Plan {
  readonly objects: ReadonlyMap<string, DesiredObject>;
  readonly peers: ReadonlyMap<string, string>;
  /** Must succeed before the first write: the guard, and processes that hold devices. */
  prepare(): Promise<void>;
}

export interface Clock {
  now(): number;
  setTimer(callback: () => void, delayMs: number): { cancel(): void };
}

export interface PassReport {
  readonly reasons: readonly string[];
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly changes: readonly Change[];
  readonly failed: readonly FailedChange[];
  readonly skipped: readonly Change[];
  readonly foreign: readonly ForeignObject[];
  /** The pass could not be done at all. */
  readonly error: Error | undefined;
}

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly plan: (state: KernelState) => Promise<Plan | undefined>;
  readonly clock: Clock;
  readonly onPass: (report: PassReport) => void;
  /** Events within this time make one pass. */
  readonly throttleMs?: number;
  /** A full pass at least this often, whatever the notifications say. */
  readonly resyncMs?: number;
}

const defaultThrottleMs = 10;
const defaultResyncMs = 60_000;
/** A pass may use at most one part in this many of the time. */
const dutyCycle = 4;
const firstRetryMs = 250;
const lastRetryMs = 30_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #reasons = new Set<string>();
  #watch: { close(): void } | undefined;
  #timer: { cancel(): void } | undefined;
  #resync: { cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  #notBeforeMs = 0;
  #retryMs = 0;
  #stopped = false;
  #waiters: ((report: PassReport) => void)[] = [];

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#watch = this.#options.kernel.watch((event) => this.#onEvent(event));
    this.#armResync();
    this.trigger('start');
  }

  /** Marks the state dirty; a pass follows soon. */
  trigger(reason: string): void {
    if (this.#stopped) return;
    this.#reasons.add(reason);
    this.#schedule();
  }

  /** Runs a pass as soon as possible and returns its report. */
  pass(reason: string): Promise<PassReport> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#notBeforeMs = 0;
      this.trigger(reason);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#timer?.cancel();
    this.#resync?.cancel();
    await this.#running;
  }

  #onEvent(event: KernelEvent): void {
    if (event.kind === 'lost') {
      this.trigger('notifications were lost');
      return;
    }
    // Ordinary neighbour traffic on the NICs is none of our business.
    const onOwnDevice = event.device !== undefined && isOwnDeviceName(event.device);
    if ((event.type === 'neighbour' || event.type === 'fdb') && !onOwnDevice) return;
    this.trigger(`${event.type} changed`);
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#timer !== undefined) return;
    const { clock, throttleMs = defaultThrottleMs } = this.#options;
    const delayMs = Math.max(throttleMs, this.#notBeforeMs - clock.now());
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#reasons.size > 0 && !this.#stopped) this.#schedule();
      });
    }, delayMs);
  }

  async #run(): Promise<void> {
    const { clock, onPass } = this.#options;
    const reasons = [...this.#reasons];
    this.#reasons.clear();
    const waiters = this.#waiters;
    this.#waiters = [];
    const startedAtMs = clock.now();
    const outcome = await this.#work();
    const durationMs = clock.now() - startedAtMs;
    this.#notBeforeMs = clock.now() + durationMs * (dutyCycle - 1);
    const report: PassReport = { reasons, startedAtMs, durationMs, ...outcome };
    if (report.error !== undefined || report.failed.length > 0) this.#armRetry();
    else this.#retryMs = 0;
    onPass(report);
    for (const resolve of waiters) resolve(report);
  }

  async #work(): Promise<Omit<PassReport, 'reasons' | 'startedAtMs' | 'durationMs'>> {
    const { kernel } = this.#options;
    const nothing = { changes: [], failed: [], skipped: [], foreign: [], error: undefined };
    try {
      const state = await kernel.dump();
      const plan = await this.#options.plan(state);
      if (plan === undefined) return nothing;
      const { changes, foreign } = diff(plan.objects, {
        kernel: state,
        sysctls: readSysctls(kernel, plan.objects.values()),
      });
      await plan.prepare();
      const result: ApplyResult = await applyChanges(kernel, changes, plan.peers);
      return { ...result, changes: result.applied, foreign, error: undefined };
    } catch (error) {
      return { ...nothing, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  #armRetry(): void {
    this.#retryMs = Math.min(lastRetryMs, Math.max(firstRetryMs, this.#retryMs * 2));
    const { clock } = this.#options;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, clock.now() + this.#retryMs);
    this.#reasons.add('retry after a failure');
  }

  #armResync(): void {
    const { clock, resyncMs = defaultResyncMs } = this.#options;
    this.#resync = clock.setTimer(() => {
      this.trigger('resync');
      if (!this.#stopped) this.#armResync();
    }, resyncMs);
  }
}

/** The present values of the sysctls that a plan names. */
export function readSysctls(
  kernel: Kernel,
  objects: Iterable<DesiredObject>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const object of objects) {
    if (object.type !== 'sysctl') continue;
    const value = kernel.readSysctl(object.path);
    if (value !== undefined) values.set(object.path, value);
  }
  return values;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
