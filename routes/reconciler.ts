/**
 * Keeps the kernel as the plan wants it. Events only mark the state dirty; one throttled pass does
 * all the work: dump, plan, diff, ordered apply. What a pass does depends on the kernel and the
 * plan as they are, never on which events led there. Nothing is written while there is no plan.
 *
 * Where the state is settled and only single nodes' records have changed, a pass is a step: it makes
 * these nodes' changes and looks at nothing else (`step.ts`). What it cannot do so the whole pass does.
 * A look that only the clock asked for gives way to a step while it reads, and begins anew after it.
 *
 * A change that the kernel refuses, or that somebody keeps undoing, waits for its next try by
 * itself (`pace.ts`); only a pass that could not be done at all delays the next one.
 */
import type { Kernel, KernelChange, KernelEvent, KernelState } from '../tunnel/kernel.js';
import type { ApplyResult, FailedChange } from './apply.js';
import { applyChanges } from './apply.js';
import type { DesiredObject } from './desired.js';
import type { Change, ForeignObject } from './diff.js';
import { diff } from './diff.js';
import type { Contest } from './fight.js';
import { isOwnDeviceName } from './ownership.js';
import { Pace } from './pace.js';
import type { Outcome } from './pass-outcome.js';
import { changedReason, isClean, nothing } from './pass-outcome.js';
import type { Step } from './step.js';
import { isWanted, takeStep } from './step.js';
import { SysctlWatch, readSysctls, wantedSysctls } from './sysctl-watch.js';

export { readSysctls } from './sysctl-watch.js';

/** What the kernel should look like; undefined from `plan` means "not in sync: touch nothing". */
export interface Plan {
  readonly objects: ReadonlyMap<string, DesiredObject>;
  readonly peers: ReadonlyMap<string, string>;
  /** Must succeed before the first write: the guard, and processes that hold devices. */
  prepare(): Promise<void>;
  /** After the writes: what needs no hurry. */
  settle?(): Promise<void>;
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
  /** What would have been done if writing were not forbidden just now. */
  readonly withheld: readonly Change[];
  readonly foreign: readonly ForeignObject[];
  /** Objects that somebody keeps changing back; they are repaired with growing pauses. */
  readonly contested: readonly Contest[];
  /** The pass could not be done at all. */
  readonly error: Error | undefined;
}

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly plan: (state: KernelState) => Promise<Plan | undefined>;
  /** What to do about these nodes alone; undefined: it takes a whole pass. */
  readonly step?: (names: readonly string[]) => Promise<Step | undefined>;
  readonly clock: Clock;
  readonly onPass: (report: PassReport) => void;
  /** While true a pass looks, compares, reports, and writes nothing. */
  readonly frozen?: () => boolean;
  /** Events within this time make one pass. */
  readonly throttleMs?: number;
  /** A full pass at least this often, whatever the notifications say. */
  readonly resyncMs?: number;
  /** Most settings below /proc/sys change without a notification: they are read this often. */
  readonly sysctlCheckMs?: number;
}

const defaultThrottleMs = 5;
/** A step costs so little that there is nearly nothing to gather for. */
const stepThrottleMs = 1;
/** While somebody fights us, his changes come as fast as ours: gather more of them for one pass. */
const contestedThrottleMs = 50;
const defaultResyncMs = 60_000;
const defaultSysctlCheckMs = 1_000;
/** A resync that gave way to a step begins anew so much later … */
const againMs = 1_000;
/** … but so often in a row only: where steps never end, drift is found all the same. */
const givesWayMax = 10;
const resyncReason = 'resync';
/** Passes may use one part in this many of the time in the long run … */
const dutyCycle = 4;
/** … and so much at once, so that a repair does not wait for the pause after an earlier one. */
const burstMs = 250;
/** A pass that was slow because it waited (for a process to start) must not delay the next one. */
const longestPauseMs = 1_000;
const firstRetryMs = 250;
const lastRetryMs = 30_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #reasons = new Set<string>();
  /** Nodes whose records have changed, and nothing else that `#reasons` does not tell. */
  readonly #names = new Set<string>();
  /** Objects that the kernel has as they are here, as far as its events tell; undefined: not known. */
  #settled: ReadonlyMap<string, DesiredObject> | undefined;
  /** The objects that a whole pass is writing. */
  #written: ReadonlyMap<string, DesiredObject> | undefined;
  /** Something of them was told by the kernel. */
  #echoed = false;
  #watch: { close(): void } | undefined;
  #timer: { cancel(): void } | undefined;
  #resync: { cancel(): void } | undefined;
  #wakeUp: { cancel(): void } | undefined;
  #retry: { cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  /** No pass before `untilMs`; void when the clock has jumped back behind `sinceMs`. */
  #pause = { sinceMs: 0, untilMs: 0 };
  /** Time that passes took and that has not been rested for yet. */
  #workMs = 0;
  #retryMs = 0;
  readonly #pace = new Pace();
  #contested = 0;
  readonly #sysctls: SysctlWatch;
  /** While the kernel is read for nothing but a resync: ends that. */
  #giveWay: (() => void) | undefined;
  #gaveWay = 0;
  #stopped = false;
  #waiters: ((report: PassReport) => void)[] = [];

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const { kernel, clock, sysctlCheckMs = defaultSysctlCheckMs } = options;
    this.#sysctls = new SysctlWatch({
      ...{ kernel, clock, checkMs: sysctlCheckMs },
      // A pass that is under way is about to write them.
      isBusy: () => this.#running !== undefined,
      onChange: () => this.trigger('sysctl changed'),
    });
  }

  start(): void {
    this.#watch = this.#options.kernel.watch((event) => this.#onEvent(event), {
      expected: (read) => this.#isEcho(read),
    });
    this.#armResync();
    this.#sysctls.start();
    this.trigger('start');
  }

  /** Marks the state dirty; a pass follows soon. */
  trigger(reason: string): void {
    if (this.#stopped) return;
    this.#reasons.add(reason);
    this.#schedule();
  }

  /** As `trigger`, where nothing has changed but the records of these nodes. */
  changed(names: Iterable<string>): void {
    if (this.#stopped) return;
    for (const name of names) this.#names.add(name);
    this.#giveWay?.();
    this.#schedule();
  }

  /** Runs a pass as soon as possible and returns its report. */
  pass(reason: string): Promise<PassReport> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.retryNow(reason);
    });
  }

  /** As `trigger`, and whatever waits for its next try is tried: the cause may be gone. */
  retryNow(reason: string): void {
    this.#pause = { sinceMs: 0, untilMs: 0 };
    this.#retryMs = 0;
    this.#pace.tryAll();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.trigger(reason);
  }

  /** A pass is under way or about to begin. */
  get isBusy(): boolean {
    return this.#running !== undefined || this.#timer !== undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#timer?.cancel();
    this.#resync?.cancel();
    this.#sysctls.stop();
    this.#wakeUp?.cancel();
    this.#retry?.cancel();
    await this.#running;
  }

  /** Is that what a pass has just written, or as good? Then it need not be looked at again. */
  #isEcho(read: () => KernelChange | undefined): boolean {
    if (!isWanted(this.#settled ?? this.#written, read)) return false;
    this.#echoed = true;
    return true;
  }

  #onEvent(event: KernelEvent): void {
    if (event.kind === 'lost') {
      this.trigger('notifications were lost');
      return;
    }
    // Ordinary neighbour traffic on the NICs is none of our business.
    const onOwnDevice = event.device !== undefined && isOwnDeviceName(event.device);
    if ((event.type === 'neighbour' || event.type === 'fdb') && !onOwnDevice) return;
    // What was refused may be possible now: a NIC is up, an address is there.
    if ((event.type === 'link' || event.type === 'address') && !onOwnDevice) this.#pace.tryAll();
    this.trigger(`${event.type} changed`);
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#timer !== undefined) return;
    const { clock, throttleMs = defaultThrottleMs } = this.#options;
    const now = clock.now();
    const pauseMs = now < this.#pause.sinceMs ? 0 : this.#pause.untilMs - now;
    const gatherMs = this.#contested > 0 ? Math.max(throttleMs, contestedThrottleMs) : throttleMs;
    const isStep = this.#settled !== undefined && this.#reasons.size === 0;
    const delayMs = isStep ? stepThrottleMs : Math.max(gatherMs, pauseMs);
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#reasons.size + this.#names.size > 0 && !this.#stopped) this.#schedule();
      });
    }, delayMs);
  }

  async #run(): Promise<void> {
    const { clock, onPass } = this.#options;
    const names = [...this.#names];
    let mayGiveWay =
      this.#reasons.size === 1 &&
      this.#reasons.has(resyncReason) &&
      this.#waiters.length === 0 &&
      this.#settled !== undefined &&
      this.#gaveWay < givesWayMax;
    if (mayGiveWay && names.length > 0) {
      mayGiveWay = false;
      this.#reasons.clear();
      this.#resyncLater();
    }
    const reasons = [...this.#reasons, ...(names.length === 0 ? [] : [changedReason(names)])];
    const onlyNames = this.#reasons.size === 0;
    this.#reasons.clear();
    this.#names.clear();
    const waiters = this.#waiters;
    this.#waiters = [];
    const startedAtMs = clock.now();
    const state = mayGiveWay ? await this.#readUnlessStep() : undefined;
    if (state === 'step') return this.#resyncLater();
    const outcome = onlyNames ? await this.#takeStep(names) : await this.#work(state);
    const now = clock.now();
    const durationMs = Math.max(0, now - startedAtMs);
    const restedMs = Math.max(0, startedAtMs - this.#pause.sinceMs);
    this.#workMs = Math.max(0, this.#workMs - restedMs / (dutyCycle - 1)) + durationMs;
    const excessMs = Math.max(0, this.#workMs - burstMs);
    this.#pause = {
      sinceMs: now,
      untilMs: now + Math.min(excessMs * (dutyCycle - 1), longestPauseMs),
    };
    const contested = this.#pace.contested(now);
    this.#contested = contested.length;
    const report: PassReport = { reasons, startedAtMs, durationMs, contested, ...outcome };
    this.#retry?.cancel();
    if (report.error !== undefined && !this.#stopped) this.#armRetry();
    else this.#retryMs = 0;
    this.#armWakeUp(now);
    onPass(report);
    for (const resolve of waiters) resolve(report);
  }

  /** What a step could not do, the whole pass does. */
  async #takeStep(names: readonly string[]): Promise<Outcome> {
    const { kernel, step, frozen } = this.#options;
    const isSettled = this.#settled !== undefined && frozen?.() !== true;
    const taken =
      isSettled && step !== undefined
        ? await takeStep(kernel, () => step(names))
        : ({ done: false, changes: [] } as const);
    if (taken.done) return { ...nothing, changes: taken.changes };
    const whole = await this.#work();
    return { ...whole, changes: [...taken.changes, ...whole.changes] };
  }

  /** What the kernel has, for a resync; undefined: that could not be read. */
  async #readUnlessStep(): Promise<KernelState | 'step' | undefined> {
    const step = new Promise<'step'>((resolve) => (this.#giveWay = () => resolve('step')));
    const read = this.#options.kernel.dump().catch(() => undefined);
    const first = await Promise.race([step, read]);
    this.#giveWay = undefined;
    return first;
  }

  #resyncLater(): void {
    this.#gaveWay++;
    this.#armResync(againMs);
  }

  /** `read`: what the kernel has, where that was read just now. */
  async #work(read?: KernelState): Promise<Outcome> {
    const { kernel, clock } = this.#options;
    this.#settled = undefined;
    this.#gaveWay = 0;
    try {
      const state = read ?? (await kernel.dump());
      const plan = await this.#options.plan(state);
      if (plan === undefined) return nothing;
      this.#sysctls.wanted = wantedSysctls(plan.objects.values());
      const { changes, foreign } = diff(plan.objects, {
        kernel: state,
        sysctls: readSysctls(kernel, plan.objects.values()),
      });
      if (this.#options.frozen?.() === true) return { ...nothing, withheld: changes, foreign };
      const paced = this.#pace.split(changes, { peers: plan.peers, nowMs: clock.now() });
      await plan.prepare();
      [this.#written, this.#echoed] = [plan.objects, false];
      const result: ApplyResult = await applyChanges(kernel, paced.now, plan.peers);
      this.#pace.note(result, { paced, nowMs: clock.now() });
      const error = await plan.settle?.().then(
        () => undefined,
        (reason: unknown) => asError(reason),
      );
      const outcome = {
        changes: result.applied,
        failed: [...result.failed, ...paced.failed],
        skipped: [...result.skipped, ...paced.waiting],
        withheld: [],
        foreign,
        error,
      };
      if (isClean(outcome) && this.#pace.contested(clock.now()).length === 0)
        this.#settled = plan.objects;
      // What went otherwise than wanted is looked at once more.
      else if (this.#echoed) this.trigger('own changes');
      return outcome;
    } catch (error) {
      return { ...nothing, error: asError(error) };
    } finally {
      this.#written = undefined;
    }
  }

  /**
   * Left to itself the pass is tried again after a pause that grows. Events wait for a short one
   * only: what keeps one part of a pass from succeeding must not keep the others from repair.
   */
  #armRetry(): void {
    const { clock } = this.#options;
    this.#retryMs = Math.min(lastRetryMs, Math.max(firstRetryMs, this.#retryMs * 2));
    const now = clock.now();
    const pauseMs = Math.min(this.#retryMs, longestPauseMs);
    this.#pause = { sinceMs: now, untilMs: Math.max(this.#pause.untilMs, now + pauseMs) };
    this.#retry = clock.setTimer(() => this.trigger('retry after a failure'), this.#retryMs);
  }

  /** For the changes that wait: the next pass when the first of them may be tried again. */
  #armWakeUp(nowMs: number): void {
    this.#wakeUp?.cancel();
    this.#wakeUp = undefined;
    const at = this.#pace.nextMs(nowMs);
    if (at === undefined || this.#stopped) return;
    this.#wakeUp = this.#options.clock.setTimer(
      () => {
        this.#wakeUp = undefined;
        this.trigger('retry after a failure');
      },
      Math.max(0, at - nowMs),
    );
  }

  #armResync(delayMs = this.#options.resyncMs ?? defaultResyncMs): void {
    this.#resync?.cancel();
    if (this.#stopped) return;
    this.#resync = this.#options.clock.setTimer(() => {
      this.trigger(resyncReason);
      this.#armResync();
    }, delayMs);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
