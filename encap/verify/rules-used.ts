/** Which rules decide for any pair, and which never do, and why not. */
import type { Cluster, Rule } from '../cluster.js';
import { describeRule } from '../describe.js';
import type { RulePair } from '../rules.js';
import { ruleMismatch } from '../rules.js';
import type { PairFinding } from './finding.js';

export class RulesUsed {
  readonly #rules: readonly Rule[];
  readonly #decides = new Map<Rule, number>();
  /** Pairs that a rule would match, by the earlier rule that decided them. */
  readonly #shadows = new Map<Rule, Map<Rule, number>>();

  constructor(cluster: Cluster) {
    this.#rules = cluster.rules;
  }

  /** Pairs whose first matching rule is this one. */
  count(rule: Rule, pair: RulePair, pairs: number): void {
    this.#decides.set(rule, (this.#decides.get(rule) ?? 0) + pairs);
    for (const later of this.#rules.slice(this.#rules.indexOf(rule) + 1)) {
      // Only of rules without any effect one wants to know more.
      if (this.#decides.has(later) || ruleMismatch(later, pair) !== undefined) continue;
      let shadows = this.#shadows.get(later);
      if (shadows === undefined) this.#shadows.set(later, (shadows = new Map<Rule, number>()));
      shadows.set(rule, (shadows.get(rule) ?? 0) + pairs);
    }
  }

  pairsOf(rule: Rule): number {
    return this.#decides.get(rule) ?? 0;
  }

  findings(): readonly PairFinding[] {
    return this.#rules
      .filter((rule) => !this.#decides.has(rule))
      .map((rule): PairFinding => {
        const shadows = [...(this.#shadows.get(rule) ?? [])].sort(
          (a, b) => b[1] - a[1] || this.#rules.indexOf(a[0]) - this.#rules.indexOf(b[0]),
        );
        if (shadows.length === 0)
          return {
            code: 'rule-unused',
            severity: 'note',
            text: `rule ${describeRule(rule)} matches no pair of the present nodes`,
            remedy: 'remove it, or correct its conditions, unless nodes that it is for will come',
            rule,
          };
        const pairs = shadows.reduce((sum, [, count]) => sum + count, 0);
        const first = shadows.slice(0, named).map(([other]) => describeRule(other));
        const more = shadows.length > named ? ` and ${shadows.length - named} more` : '';
        return {
          code: 'rule-shadowed',
          severity: 'warning',
          text: `rule ${describeRule(rule)} never decides: all ${pairs} pairs that it matches are decided before by ${first.join(', ')}${more}`,
          remedy: 'move it up, narrow the earlier rules, or remove it',
          rule,
        };
      });
  }
}

const named = 3;
