/**
 * What a node tells the others of itself: what its kernel follows, receives and sends, as its passes
 * have left it. A pass that did not get everything done leaves it open how far it got; then only
 * what is received before and after counts as received, and what is sent before or after as sent.
 *
 * The terms are read off a plan when somebody asks, and not in the pass: that takes a look at all
 * routes, and a pass for one peer must not.
 */
import type { PassReport } from '../../routes/reconciler.js';
import type { SpokenTerms } from '../../routes/spoken-terms.js';
import { spokenTerms } from '../../routes/spoken-terms.js';
import type { NodeFindings, NodeReport } from '../store/store.js';
import { nodeFindings } from './findings.js';
import type { NodePlan } from './node-plan.js';

export class NodeReporter {
  /** Of the last cluster that has been carried out whole; 0: it is none of the store's. */
  #revision = 0;
  #known: SpokenTerms | undefined;
  #findings: NodeFindings | undefined;
  /** Plans since `#known`, the oldest first. */
  #plans: { readonly plan: NodePlan; readonly isDone: boolean }[] = [];

  /** A pass has ended; `isOfStore`: its cluster was one that the store has told. */
  passed(
    plan: NodePlan | undefined,
    { report, isOfStore }: { readonly report: PassReport; readonly isOfStore: boolean },
  ): void {
    // What is withheld has not been begun.
    if (plan === undefined || report.withheld.length > 0) return;
    const isDone = isCarriedOut(report);
    if (isDone && plan.led?.isWhole !== false)
      this.#revision = isOfStore ? plan.configured.revision : 0;
    this.#findings = nodeFindings(plan, { isUp: isDone });
    // All that came before has been replaced.
    if (isDone) this.#plans = [];
    if (this.#plans.at(-1)?.plan !== plan) this.#plans.push({ plan, isDone });
    if (this.#plans.length > plansMax) this.#read();
  }

  report(now: Pick<NodeReport, 'ready' | 'problems'>): NodeReport {
    this.#read();
    const { receives = [], sends = [] } = this.#known ?? {};
    return { revision: this.#revision, receives, sends, findings: this.#findings, ...now };
  }

  #read(): void {
    for (const { plan, isDone } of this.#plans.splice(0)) {
      const terms = spokenTerms(plan);
      this.#known = isDone ? terms : unsure(this.#known ?? { receives: [], sends: [] }, terms);
    }
  }
}

/** Of plans that are not done, before they are looked at. */
const plansMax = 8;

function isCarriedOut({ error, failed, skipped, foreign }: PassReport): boolean {
  return (
    error === undefined &&
    failed.length + skipped.length === 0 &&
    // By a route that somebody else has in our place we send nothing.
    foreign.every(({ key }) => key.startsWith('route '))
  );
}

function unsure(before: SpokenTerms, after: SpokenTerms): SpokenTerms {
  return {
    receives: before.receives.filter((term) => after.receives.includes(term)),
    sends: [...new Set([...before.sends, ...after.sends])].sort(),
  };
}
