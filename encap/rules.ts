/**
 * The ordered rules: the first whose conditions all hold decides. A rule that does not match says
 * which condition failed and what the value was.
 */
import type { Family } from './address.js';
import type { ClusterNode, RelationSubject, Rule, Selector } from './cluster.js';
import { relationSubjects } from './cluster.js';
import type { Site } from './relation.js';
import { sameSubject } from './relation.js';
import { prefixContains } from './prefix.js';

export type Mismatch =
  | {
      readonly kind: 'selector';
      /** Which side of the rule; for `between`, the pair that came closer. */
      readonly side: 'from' | 'to' | 'between';
      /** The node that does not have it. */
      readonly end: 'from' | 'to';
      readonly field: keyof Selector;
      readonly wanted: string;
      readonly actual: string;
    }
  | {
      readonly kind: 'relation';
      readonly subject: RelationSubject;
      readonly wanted: 'same' | 'different';
    }
  | { readonly kind: 'family'; readonly wanted: Family; readonly actual: Family };

export interface RuleTrial {
  readonly rule: Rule;
  /** Undefined when the rule matched. */
  readonly mismatch: Mismatch | undefined;
}

export interface RulePair {
  readonly from: Site;
  readonly to: Site;
  readonly family: Family;
}

/** Why the rule does not speak of this pair; undefined when it does. */
export function ruleMismatch(rule: Rule, pair: RulePair): Mismatch | undefined {
  if (rule.family !== undefined && rule.family !== pair.family)
    return { kind: 'family', wanted: rule.family, actual: pair.family };
  const { from, to, family } = pair;
  if (rule.between !== undefined) {
    const mismatch = betweenMismatch(rule.between, from, to);
    if (mismatch !== undefined) return mismatch;
  } else {
    const mismatch =
      (rule.from && selectorMismatch(rule.from, from, atFrom)) ??
      (rule.to && selectorMismatch(rule.to, to, atTo));
    if (mismatch !== undefined) return mismatch;
  }
  for (const subject of relationSubjects) {
    const wanted = rule.relations[subject];
    if (wanted === undefined) continue;
    if (sameSubject(from, to, subject, family) !== (wanted === 'same'))
      return { kind: 'relation', subject, wanted };
  }
  return undefined;
}

type SelectorMismatch = Extract<Mismatch, { readonly kind: 'selector' }>;
type SelectorPlace = Pick<SelectorMismatch, 'side' | 'end'>;

const atFrom: SelectorPlace = { side: 'from', end: 'from' };
const atTo: SelectorPlace = { side: 'to', end: 'to' };
const betweenFrom: SelectorPlace = { side: 'between', end: 'from' };
const betweenTo: SelectorPlace = { side: 'between', end: 'to' };

/** Of the two ways round the one that came closer: there the first of the two nodes matched. */
function betweenMismatch(
  [a, b]: NonNullable<Rule['between']>,
  from: Site,
  to: Site,
): Mismatch | undefined {
  const forward = selectorMismatch(a, from, betweenFrom) ?? selectorMismatch(b, to, betweenTo);
  if (forward === undefined) return undefined;
  const backward = selectorMismatch(b, from, betweenFrom) ?? selectorMismatch(a, to, betweenTo);
  if (backward === undefined) return undefined;
  return forward.end === 'from' && backward.end === 'to' ? backward : forward;
}

function selectorMismatch(
  selector: Selector,
  site: Site,
  place: SelectorPlace,
): SelectorMismatch | undefined {
  const { node, zone } = site;
  const differs = (
    field: keyof Selector,
    wanted: readonly string[],
    actual: string | undefined,
  ): SelectorMismatch => ({
    kind: 'selector',
    ...place,
    field,
    wanted: wanted.join(', '),
    actual: actual ?? 'none',
  });
  const oneOf = (values: readonly string[] | undefined, actual: string | undefined): boolean =>
    values === undefined || (actual !== undefined && values.includes(actual));
  if (!oneOf(selector.zones, zone.name)) return differs('zones', selector.zones!, zone.name);
  if (!oneOf(selector.regions, zone.region))
    return differs('regions', selector.regions!, zone.region);
  if (!oneOf(selector.providers, zone.provider))
    return differs('providers', selector.providers!, zone.provider);
  if (!oneOf(selector.nodes, node.name)) return differs('nodes', selector.nodes!, node.name);
  if (selector.subnets !== undefined && !inSubnets(selector, node)) {
    const addresses = node.underlay.map((entry) => entry.address.text).join(', ');
    return differs(
      'subnets',
      selector.subnets.map((prefix) => prefix.text),
      addresses,
    );
  }
  for (const [key, values] of Object.entries(selector.labels ?? {})) {
    const actual = node.labels[key];
    if (!oneOf(values, actual))
      return differs(
        'labels',
        values.map((value) => `${key}=${value}`),
        actual === undefined ? undefined : `${key}=${actual}`,
      );
  }
  return undefined;
}

function inSubnets(selector: Selector, node: ClusterNode): boolean {
  return selector.subnets!.some((subnet) =>
    node.underlay.some((entry) => prefixContains(subnet, entry.address)),
  );
}
