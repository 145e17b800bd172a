/**
 * What a check of a whole cluster has to say, as plain data. Codes are stable, for scripts; texts
 * are for people and may change.
 */
import type { Family } from '../address.js';
import type { Rule, SourceRef } from '../cluster.js';

/** An error loses packets. A warning is hardly what was meant. A note is worth knowing. */
export const severities = ['error', 'warning', 'note'] as const;
export type Severity = (typeof severities)[number];

export const findingCodes = [
  // no packet gets there
  'black-hole',
  'no-common-address',
  'one-way',
  'loop',
  // addresses that belong to two
  'overlay-overlap',
  'underlay-in-overlay',
  'pool-overlap',
  // the way back is another
  'asymmetric-mode',
  'asymmetric-mtu',
  'denied-one-way',
  // against what is believed
  'forced',
  'mtu-mismatch',
  // rules without effect
  'rule-shadowed',
  'rule-unused',
  // believed, and not confirmed
  'unconfirmed-cheaper',
  'unconfirmed-mode',
  'unconfirmed-mtu',
  'public-underlay',
  'userspace-plane',
] as const;
export type FindingCode = (typeof findingCodes)[number];

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly text: string;
  readonly remedy: string;
  /** The rule that it is about, if it is about one. */
  readonly rule: string | undefined;
  /** Where in the file. */
  readonly source: SourceRef | undefined;
  /** Ordered pairs of nodes, each family by itself; 0 where it is not about pairs. */
  readonly pairs: number;
  readonly families: readonly Family[];
  /** From the most pairs to the fewest. */
  readonly zonePairs: readonly ZonePair[];
}

export interface ZonePair {
  readonly from: string;
  readonly to: string;
  readonly pairs: number;
  /** A pair of nodes to look at with `route-explain`. */
  readonly example: { readonly from: string; readonly to: string; readonly family: Family };
}

/** A finding about one pair; equal ones of other pairs are the same finding. */
export interface PairFinding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly text: string;
  readonly remedy: string;
  readonly rule?: Rule | undefined;
  readonly source?: SourceRef | undefined;
}

/** The pairs that a finding was made for. */
export interface FoundFor {
  readonly zones: { readonly from: string; readonly to: string };
  readonly pairs: number;
  readonly example: ZonePair['example'];
}

interface Draft {
  readonly finding: PairFinding;
  pairs: number;
  readonly families: Set<Family>;
  readonly zonePairs: Map<string, { -readonly [K in keyof ZonePair]: ZonePair[K] }>;
}

/** Gathers findings: equal ones become one, with the pairs of all. */
export class FindingBook {
  readonly #drafts = new Map<string, Draft>();

  add(finding: PairFinding, found?: FoundFor): void {
    const { code, text, remedy, rule } = finding;
    const key = [code, rule?.name, text, remedy].join('\n');
    let draft = this.#drafts.get(key);
    if (draft === undefined) {
      draft = { finding, pairs: 0, families: new Set(), zonePairs: new Map() };
      this.#drafts.set(key, draft);
    }
    if (found === undefined) return;
    const { zones, pairs, example } = found;
    draft.pairs += pairs;
    draft.families.add(example.family);
    const zoneKey = `${zones.from}\n${zones.to}`;
    const known = draft.zonePairs.get(zoneKey);
    if (known === undefined) draft.zonePairs.set(zoneKey, { ...zones, pairs, example });
    else known.pairs += pairs;
  }

  /** The worst first, then those of the most pairs. */
  findings(): readonly Finding[] {
    return [...this.#drafts.values()]
      .map(({ finding, pairs, families, zonePairs }): Finding => {
        const { code, severity, text, remedy, rule } = finding;
        return {
          ...{ code, severity, text, remedy },
          rule: rule?.name,
          source: finding.source ?? rule?.source,
          pairs,
          families: [...families].sort(),
          zonePairs: [...zonePairs.values()].sort(
            (a, b) => b.pairs - a.pairs || order(`${a.from} ${a.to}`, `${b.from} ${b.to}`),
          ),
        };
      })
      .sort(
        (a, b) =>
          severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
          findingCodes.indexOf(a.code) - findingCodes.indexOf(b.code) ||
          b.pairs - a.pairs ||
          order(a.text, b.text) ||
          order(a.remedy, b.remedy),
      );
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
