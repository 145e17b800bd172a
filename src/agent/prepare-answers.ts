/**
 * Makes ready what answers about a plan look things up in, while nobody asks: the first question after
 * a start or a change should not wait for it. A step at a time, each of a few milliseconds with ten
 * thousand nodes, so that whatever else the agent has to do comes between. What a question needs earlier
 * is made by the question.
 */
import { representatives } from '../../encap/counterfactual/admissible.js';
import { nodeIndex } from '../../encap/node-index.js';
import { commonObjects } from '../../routes/desired-index.js';
import type { NodePlan } from './planner.js';

const steps: readonly ((plan: NodePlan) => unknown)[] = [
  ({ snapshot }) => nodeIndex(snapshot.cluster.nodes),
  ({ objects }) => commonObjects(objects),
  ({ snapshot }) => representatives(snapshot.cluster),
];

const quietMs = 1_000;

export class AnswerPreparation {
  #plan: NodePlan | undefined;
  #timer: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;

  /** For the plan that is in force now; what was begun for another is given up. */
  prepare(plan: NodePlan): void {
    if (plan === this.#plan) return;
    const isFirst = this.#plan === undefined;
    this.#plan = plan;
    this.close();
    // With one node's event after the other there is no end of plans: in a quiet moment, then.
    if (isFirst) this.#take(plan, 0);
    else this.#timer = setTimeout(() => this.#take(plan, 0), quietMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#next);
  }

  #take(plan: NodePlan, step: number): void {
    this.#next = setImmediate(() => {
      steps[step]?.(plan);
      if (step + 1 < steps.length) this.#take(plan, step + 1);
    });
  }
}
