/**
 * This node's view of its pair with a peer, read from its kernel at the moment of the question: for
 * its own diagnosis (`from`), or for the peer that diagnoses (`to`).
 */
import type { Family } from '../../encap/address.js';
import type { Address } from '../../encap/address.js';
import type { NodeView } from '../../routes/diagnose/index.js';
import type { ActualState } from '../../routes/diff.js';
import { pairGuardSpec, readPair, viewOf, viewReads } from '../../routes/diagnose/index.js';
import { judgeRulesets } from '../../tunnel/guard/index.js';
import { interestOf } from '../explain/interest.js';
import type { NodeReading } from '../explain/reading.js';

export interface PairViewQuestion {
  readonly peer: string;
  readonly family: Family;
  readonly role: 'from' | 'to';
  readonly destination?: Address;
  /** Read for the same question just now. */
  readonly actual?: ActualState | undefined;
}

/** How long the guard's counters of the first question about a pair are what later ones count from. */
const baselineMs = 10 * 60_000;
const baselinesMax = 1024;

export class PairViews {
  readonly #baselines = new Map<
    string,
    { readonly atMs: number; readonly dropped: Readonly<Record<string, number>> }
  >();

  /** Undefined when the peer is not in this node's cluster. */
  async view(
    reading: NodeReading,
    question: PairViewQuestion & { readonly agent: NodeView['agent'] },
  ): Promise<NodeView | undefined> {
    const { snapshot, node, desired, kernel, filters, history } = reading;
    const pair = { ...question, snapshot, self: node, desired };
    const peer = snapshot.cluster.nodes.get(question.peer);
    const interest = interestOf(reading, { destination: question.destination, peer });
    const actual = question.actual ?? (await reading.actual(interest));
    const [reads, guard, dropped, rulesets] = await Promise.all([
      readPair(kernel, { ...viewReads(pair, actual), interest, details: actual.details }),
      filters.guard().catch(() => undefined),
      filters.dropped().catch(() => ({})),
      filters.rulesets().catch(() => undefined),
    ]);
    return viewOf({
      ...pair,
      actual,
      reads,
      agent: question.agent,
      guard,
      guardDrops: this.#since(`${question.family} ${question.peer}`, dropped),
      foreignRules:
        rulesets === undefined
          ? []
          : judgeRulesets(pairGuardSpec(filters.spec, question.peer), rulesets),
      changes: history,
    });
  }

  #since(
    pair: string,
    dropped: Readonly<Record<string, number>>,
  ): Readonly<Record<string, number>> {
    const atMs = performance.now();
    const known = this.#baselines.get(pair);
    const base = known !== undefined && atMs - known.atMs < baselineMs ? known : { atMs, dropped };
    this.#baselines.delete(pair);
    this.#baselines.set(pair, base);
    const [oldest] = this.#baselines.keys();
    if (this.#baselines.size > baselinesMax) this.#baselines.delete(oldest!);
    return Object.fromEntries(
      Object.entries(dropped).map(([reason, count]) => [
        reason,
        Math.max(0, count - (base.dropped[reason] ?? 0)),
      ]),
    );
  }
}
