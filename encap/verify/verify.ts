/**
 * Every ordered pair of nodes of a cluster, in both families, without a packet: who cannot reach
 * whom, whose way back is another, what no rule is used for, and what rests on a guess.
 */
import type { Family } from '../address.js';
import type { Cluster } from '../cluster.js';
import { siteOf } from '../relation.js';
import { stepOf } from '../trail.js';
import type { UnderlayTable } from '../underlay/index.js';
import { underlayFacts } from '../underlay/index.js';
import type { Finding } from './finding.js';
import { FindingBook } from './finding.js';
import { heldAddresses } from './held-addresses.js';
import type { Outcome } from './outcome.js';
import { outcomeOf, outcomeText } from './outcome.js';
import { overlapFindings } from './overlaps.js';
import { pairFindings } from './pair-findings.js';
import type { PairGroup, PairsSummary } from './pairs.js';
import { visitPairs } from './pairs.js';
import { RulesUsed } from './rules-used.js';

/** How many ordered pairs go one way. */
export interface OutcomeCount {
  readonly family: Family;
  readonly outcome: Outcome;
  readonly text: string;
  readonly pairs: number;
}

export interface Verification {
  readonly summary: PairsSummary;
  /** Ordered pairs of nodes. */
  readonly pairs: number;
  /** From the most pairs to the fewest. */
  readonly outcomes: readonly OutcomeCount[];
  readonly findings: readonly Finding[];
}

export interface VerifyOptions {
  /** The underlay facts to believe; the built-in table unless a what-if asks otherwise. */
  readonly facts?: UnderlayTable;
}

export function verify(cluster: Cluster, options: VerifyOptions = {}): Verification {
  const audit = new Audit(cluster, options.facts ?? underlayFacts);
  let pairs = 0;
  const summary = visitPairs(
    [cluster],
    (group) => {
      pairs += group.pairs;
      audit.add(group);
    },
    options,
  );
  return { summary, pairs, ...audit.result() };
}

/** What is said of pairs, gathered group by group. */
export class Audit {
  readonly #cluster: Cluster;
  readonly #facts: UnderlayTable;
  readonly #held;
  readonly #book = new FindingBook();
  readonly #rules: RulesUsed;
  readonly #outcomes = new Map<string, { -readonly [K in keyof OutcomeCount]: OutcomeCount[K] }>();

  constructor(cluster: Cluster, facts: UnderlayTable) {
    this.#cluster = cluster;
    this.#facts = facts;
    this.#held = heldAddresses(cluster);
    this.#rules = new RulesUsed(cluster);
  }

  add(
    group: Pick<PairGroup, 'pairs' | 'example' | 'decision'> & {
      readonly reverse: Pick<PairGroup, 'decision'>;
    },
  ): void {
    for (const family of [4, 6] as const) this.#addFamily(group, family);
  }

  #addFamily(group: Parameters<Audit['add']>[0], family: Family): void {
    const decision = group.decision(0, family);
    if (decision === undefined) return;
    const { pairs } = group;
    const cluster = this.#cluster;
    const from = cluster.nodes.get(group.example.from)!;
    const to = cluster.nodes.get(group.example.to)!;
    this.#count(outcomeOf(decision), family, pairs);
    const rule = stepOf(decision, 'rule')?.rule;
    if (rule !== undefined) {
      const pair = { from: siteOf(cluster, from), to: siteOf(cluster, to), family };
      this.#rules.count(rule, pair, pairs);
    }
    const back = group.reverse.decision(0, family);
    const view = {
      cluster,
      facts: this.#facts,
      held: this.#held,
      from,
      to,
      family,
      decision,
      back,
    };
    for (const finding of pairFindings(view))
      this.#book.add(finding, {
        zones: { from: from.zone, to: to.zone },
        pairs,
        example: { ...group.example, family },
      });
  }

  #count(outcome: Outcome, family: Family, pairs: number): void {
    const text = outcomeText(outcome, family);
    const key = `${family} ${text}`;
    const known = this.#outcomes.get(key);
    if (known === undefined) this.#outcomes.set(key, { family, outcome, text, pairs });
    else known.pairs += pairs;
  }

  result(): Pick<Verification, 'outcomes' | 'findings'> {
    for (const finding of [...this.#rules.findings(), ...overlapFindings(this.#cluster)])
      this.#book.add(finding);
    return {
      outcomes: [...this.#outcomes.values()].sort(
        (a, b) => a.family - b.family || b.pairs - a.pairs || (a.text < b.text ? -1 : 1),
      ),
      findings: this.#book.findings(),
    };
  }
}
