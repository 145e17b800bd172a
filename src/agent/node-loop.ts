/**
 * The passes of one node: the cluster goes through planner and reconciler into the kernel, and a
 * change that is under way goes on by itself when its settle time is over. The agent runs one, and
 * the simulation one for each node that it watches.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { Clock, PassReport } from '../../routes/reconciler.js';
import { Reconciler, systemClock } from '../../routes/reconciler.js';
import type { StoreChange } from '../store/store.js';
import type { NodeRuntime } from './node-runtime.js';
import type { NodePlan, Planner } from './planner.js';
import { monotonicMs } from './terms-record.js';

export interface NodeLoopOptions {
  readonly planner: Planner;
  readonly runtime: Pick<NodeRuntime, 'kernel' | 'planOf' | 'stepOf' | 'prepareSteps'>;
  /** The cluster to follow now; undefined: touch nothing. */
  readonly cluster: () => Cluster | undefined;
  readonly onPass: (report: PassReport) => void;
  readonly frozen?: () => boolean;
  readonly resyncMs?: number | undefined;
  readonly clock?: Clock;
  /** The planner's clock. */
  readonly nowMs?: () => number;
}

const catchUpMs = 10_000;
const quietMs = 300;

export class NodeLoop {
  readonly reconciler: Reconciler;
  readonly #options: NodeLoopOptions;
  readonly #clock: Clock;
  #plan: NodePlan | undefined;
  /** The pass that is under way has made its plan. */
  #planned = false;
  #nextStep: { cancel(): void } | undefined;
  #catchUp: { cancel(): void } | undefined;
  #preparation: { cancel(): void } | undefined;
  #enforced: NodePlan | undefined;
  #samePlan = false;

  constructor(options: NodeLoopOptions) {
    this.#options = options;
    const { planner, runtime, frozen, resyncMs, clock = systemClock } = options;
    this.#clock = clock;
    this.reconciler = new Reconciler({
      kernel: runtime.kernel,
      clock,
      ...(resyncMs === undefined ? {} : { resyncMs }),
      ...(frozen === undefined ? {} : { frozen }),
      plan: async (state) => {
        const cluster = options.cluster();
        if (cluster === undefined) return undefined;
        const plan = await planner.plan(cluster, state);
        this.#samePlan = plan === this.#enforced;
        this.#plan = plan;
        this.#planned = true;
        return runtime.planOf(plan);
      },
      step: (names) => {
        const cluster = options.cluster();
        const step = cluster === undefined ? undefined : planner.step(cluster, names);
        if (step === undefined) return Promise.resolve(undefined);
        this.#samePlan = false;
        this.#plan = step.plan;
        this.#planned = true;
        this.#armCatchUp();
        return Promise.resolve(runtime.stepOf(step));
      },
      onPass: (report) => {
        this.#takeStep(report);
        if (report.withheld.length === 0) this.#enforced = this.#plan;
        this.#armPreparation();
        options.onPass(report);
      },
    });
  }

  get plan(): NodePlan | undefined {
    return this.#plan;
  }

  /** What the last pass that could write wanted. */
  get enforced(): NodePlan | undefined {
    return this.#enforced;
  }

  /** The last pass wanted what the one before it wanted: what it changed was somebody's doing. */
  get samePlan(): boolean {
    return this.#samePlan;
  }

  /** A change waits for its settle time. */
  get isChanging(): boolean {
    return this.#nextStep !== undefined;
  }

  start(): void {
    this.reconciler.start();
  }

  /** The store has something new. */
  storeChanged(change: StoreChange): void {
    if (change.kind === 'nodes') this.reconciler.changed(change.names);
    if (change.kind === 'all') this.reconciler.retryNow('configuration changed');
  }

  async stop(): Promise<void> {
    await this.reconciler.stop();
    this.#nextStep?.cancel();
    this.#catchUp?.cancel();
    this.#preparation?.cancel();
    this.#options.planner.catchUp();
  }

  /** What the first step would have to wait for is made in a quiet moment. */
  #armPreparation(): void {
    this.#preparation?.cancel();
    this.#preparation = this.#clock.setTimer(() => {
      this.#options.runtime.prepareSteps().catch(() => undefined);
    }, quietMs);
  }

  /** What steps have put off is done some time after the first of them. */
  #armCatchUp(): void {
    this.#catchUp ??= this.#clock.setTimer(() => {
      this.#catchUp = undefined;
      this.#options.planner.catchUp();
    }, catchUpMs);
  }

  /** A change that is under way goes on by itself when its settle time is over. */
  #takeStep(report: PassReport): void {
    const plan = this.#planned ? this.#plan : undefined;
    this.#planned = false;
    if (plan === undefined || report.error !== undefined) return;
    // Nothing was carried out, so no step of a change begins to count.
    if (report.withheld.length > 0) return;
    const unmade = [
      ...report.failed.map(({ change }) => change.key),
      ...report.skipped.map(({ key }) => key),
      ...report.foreign.map(({ key }) => key),
    ];
    const { planner, nowMs = monotonicMs } = this.#options;
    const atMs = planner.applied(plan, { unmade });
    this.#nextStep?.cancel();
    this.#nextStep = undefined;
    if (atMs === undefined) return;
    this.#nextStep = this.#clock.setTimer(
      () => {
        this.#nextStep = undefined;
        void this.reconciler.pass('settle time is over');
      },
      Math.max(0, atMs - nowMs()) + 1,
    );
  }
}
