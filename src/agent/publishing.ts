/**
 * Tells the others how this node is, where the store has a place for that: a moment after a pass,
 * so that passes which come together are told of once and none of them waits for it.
 */
import type { Clock, PassReport } from '../../routes/reconciler.js';
import type { ClusterStore, NodeReport } from '../store/store.js';
import type { NodePlan } from './node-plan.js';
import { NodeReporter } from './report.js';

export interface PublishingOptions {
  readonly store: Pick<ClusterStore, 'publish'>;
  readonly clock: Clock;
  readonly now: () => Pick<NodeReport, 'ready' | 'problems'>;
}

const gatherMs = 100;

export class Publishing {
  readonly #options: PublishingOptions;
  readonly #reporter = new NodeReporter();
  #timer: { cancel(): void } | undefined;
  #isOfStore = false;
  #failures: readonly string[] = [];

  constructor(options: PublishingOptions) {
    this.#options = options;
  }

  /** A plan is being made, by a cluster of the store's or by one that stands in. */
  planning(cluster: { readonly isOfStore: boolean }): void {
    this.#isOfStore = cluster.isOfStore;
  }

  passed(plan: NodePlan | undefined, report: PassReport): void {
    const { store, clock, now } = this.#options;
    if (store.publish === undefined) return;
    this.#reporter.passed(plan, { report, isOfStore: this.#isOfStore });
    this.#failures = failuresOf(report);
    this.#timer ??= clock.setTimer(() => {
      this.#timer = undefined;
      const { ready, problems } = now();
      const all = [...this.#failures, ...problems];
      store.publish?.(this.#reporter.report({ ready, problems: all }));
    }, gatherMs);
  }

  close(): void {
    this.#timer?.cancel();
  }
}

/** Of one pass; what is more is of the same kind. */
const failuresMax = 5;

function failuresOf({ error, failed, foreign }: PassReport): readonly string[] {
  return [
    ...(error === undefined ? [] : [error.message]),
    ...failed.slice(0, failuresMax).map(({ failure }) => failure.message),
    ...foreign.slice(0, failuresMax).map(({ key }) => `${key} is somebody else's`),
  ];
}
