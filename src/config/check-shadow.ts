/**
 * Rules that can never match: contradictory in themselves, or wholly covered by earlier rules.
 *
 * Only what follows from the text is told, for any nodes that may be added to the known zones: a
 * rule is covered when every condition of an earlier one is implied by its own, once for each IP
 * family. What holds for today's nodes alone is no mistake.
 */
import type { Family } from '../../encap/address.js';
import type { RelationSubject, Relations, Rule, Selector, Zone } from '../../encap/cluster.js';
import { prefixCovers } from '../../encap/prefix.js';
import { type DraftRule, enumerate } from './draft.js';
import type { Known } from './references.js';
import type { Report } from './report.js';

export function checkRuleOrder(
  rules: readonly DraftRule[],
  context: { readonly known: Known; readonly report: Report },
): void {
  const { known, report } = context;
  const zonesOf = zoneResolver(known);
  const earlier: Conditions[] = [];
  for (const draft of rules) {
    if (['from', 'to', 'between', 'same', 'different', 'family'].some((key) => draft.bad.has(key)))
      continue;
    reportRegionless(draft, context);
    const conditions = conditionsOf(draft.rule, zonesOf);
    const contradiction = contradictionIn(conditions);
    if (contradiction !== undefined) {
      report.add({
        code: 'rule-never-matches',
        path: draft.path,
        value: draft.rule.name,
        message: `the rule can never match: ${contradiction}`,
        remedy: 'correct its conditions, or remove it',
      });
      continue;
    }
    const covering = coveringRules(conditions, earlier);
    if (covering.length > 0) {
      const names = covering.map(({ rule }) => `"${rule.name}" (${lineOf(rule, report)})`);
      report.add({
        code: 'rule-shadowed',
        path: draft.path,
        value: draft.rule.name,
        message: `the rule can never match: ${enumerate(names, 2)} before it matches all of it`,
        remedy: 'move it up, narrow the earlier one, or remove it',
      });
      continue;
    }
    earlier.push(conditions);
  }
}

function lineOf({ source }: Rule, report: Report): string {
  return source === undefined ? 'built in' : report.lineAt(source);
}

/** Without a region two zones are never of the same one, so such a rule says more or less than it seems. */
function reportRegionless(
  { rule, path }: DraftRule,
  { known, report }: { readonly known: Known; readonly report: Report },
): void {
  const wanted = rule.relations.region;
  const zones = known.zones.list;
  if (wanted === undefined || !known.zones.complete) return;
  if (zones.some(({ zone, bad }) => zone.region !== undefined || bad.has('region'))) return;
  report.add({
    code: 'unused-value',
    severity: 'warning',
    path: [...path, wanted],
    value: 'region',
    message:
      wanted === 'same'
        ? 'no zone has a region, so no two nodes are of the same one and the rule never matches'
        : 'no zone has a region, so any two nodes count as of different ones',
    remedy: 'give the zones their "region:", or name another relation',
  });
}

/** A selector and the zones it can choose from; undefined: nothing is known of them. */
interface Side {
  readonly selector: Selector;
  readonly zones: readonly Zone[] | undefined;
}

interface Conditions {
  readonly rule: Rule;
  /** From and to; two pairs when a rule matches either way round. */
  readonly ways: readonly (readonly [Side, Side])[];
  readonly relations: Relations;
}

type ZonesOf = (selector: Selector) => readonly Zone[] | undefined;

/** The zones that a selector leaves, where its zones or nodes are named and known. */
function zoneResolver({ zones, nodes }: Known): ZonesOf {
  const all = zones.list.map(({ zone }) => zone);
  const used = new Set(all.map((zone) => zone.provider));
  const unclear = new Set(
    zones.list
      .filter(({ bad }) => bad.has('provider') || bad.has('region'))
      .map(({ zone }) => zone),
  );
  return (selector) => {
    const named = selector.zones?.map((name) => zones.byName.get(name)?.zone);
    const ofNodes = selector.nodes?.map((name) => {
      const node = nodes.byName.get(name)?.node;
      return node === undefined ? undefined : zones.byName.get(node.zone)?.zone;
    });
    if (named?.includes(undefined) === true || ofNodes?.includes(undefined) === true)
      return undefined;
    let left = (named ?? ofNodes) as Zone[] | undefined;
    if (left === undefined || left.some((zone) => unclear.has(zone))) return undefined;
    if (named !== undefined && ofNodes !== undefined)
      left = left.filter((zone) => ofNodes.includes(zone));
    const { providers, regions } = selector;
    // Providers that no zone has yet have their own warning.
    if (providers?.some((provider) => used.has(provider)) === true)
      left = left.filter((zone) => providers.includes(zone.provider));
    if (regions !== undefined)
      left = left.filter((zone) => zone.region !== undefined && regions.includes(zone.region));
    return [...new Set(left)];
  };
}

function conditionsOf(rule: Rule, zonesOf: ZonesOf): Conditions {
  const side = (selector: Selector): Side => ({ selector, zones: zonesOf(selector) });
  if (rule.between !== undefined) {
    const [a, b] = rule.between.map(side) as [Side, Side];
    return {
      rule,
      ways: [
        [a, b],
        [b, a],
      ],
      relations: implied(rule.relations),
    };
  }
  const way = [side(rule.from ?? {}), side(rule.to ?? {})] as const;
  return { rule, ways: [way], relations: implied(rule.relations) };
}

/** What follows: a subnet is of one zone, a zone of one provider. */
function implied(relations: Relations): Relations {
  const all: Partial<Record<RelationSubject, 'same' | 'different'>> = { ...relations };
  if (all.subnet === 'same') all.zone ??= 'same';
  if (all.zone === 'same') all.provider ??= 'same';
  if (all.provider === 'different') all.zone ??= 'different';
  if (all.zone === 'different') all.subnet ??= 'different';
  return all;
}

function contradictionIn({ ways, relations }: Conditions): string | undefined {
  for (const [from, to] of ways) {
    for (const { zones } of [from, to])
      if (zones?.length === 0) return 'no zone meets all keys of one of its sides';
  }
  if (relations.zone === 'same' && relations.provider === 'different')
    return 'nodes of one zone have one provider';
  if (relations.subnet === 'same' && relations.zone === 'different')
    return 'nodes of one subnet are in one zone';
  const [way] = ways;
  const [a, b] = way!;
  if (a.zones === undefined || b.zones === undefined) return undefined;
  for (const subject of ['zone', 'provider', 'region'] as const) {
    const left = new Set(a.zones.map((zone) => keyOf(zone, subject)));
    const right = new Set(b.zones.map((zone) => keyOf(zone, subject)));
    const common = [...left].filter((value) => value !== undefined && right.has(value));
    if (relations[subject] === 'same' && common.length === 0)
      return `its two sides have no ${subject} in common`;
    const single = left.size === 1 && right.size === 1 && common.length === 1;
    if (relations[subject] === 'different' && single)
      return `its two sides are both of ${subject} ${common[0]!}`;
  }
  return undefined;
}

function keyOf(zone: Zone, subject: 'zone' | 'provider' | 'region'): string | undefined {
  return subject === 'zone' ? zone.name : zone[subject];
}

/** The earlier rules that match all of this one; empty when some family is left. */
function coveringRules(later: Conditions, earlier: readonly Conditions[]): readonly Conditions[] {
  const families: readonly Family[] =
    later.rule.family === undefined ? [4, 6] : [later.rule.family];
  const covering = new Set<Conditions>();
  for (const family of families) {
    const found = earlier.find(
      (candidate) =>
        (candidate.rule.family === undefined || candidate.rule.family === family) &&
        covers(candidate, later),
    );
    if (found === undefined) return [];
    covering.add(found);
  }
  return [...covering];
}

function covers(earlier: Conditions, later: Conditions): boolean {
  for (const [subject, wanted] of Object.entries(earlier.rule.relations))
    if (later.relations[subject as RelationSubject] !== wanted) return false;
  return later.ways.every((way) =>
    earlier.ways.some(([from, to]) => sideCovers(from, way[0]) && sideCovers(to, way[1])),
  );
}

/** Does every node that `inner` chooses meet `outer`? */
function sideCovers(outer: Side, inner: Side): boolean {
  const wide = outer.selector;
  const narrow = inner.selector;
  return (
    subset(narrow.nodes, wide.nodes) &&
    (wide.zones === undefined ||
      subset(narrow.zones, wide.zones) ||
      allZones(inner, (zone) => wide.zones!.includes(zone.name))) &&
    (wide.providers === undefined ||
      subset(narrow.providers, wide.providers) ||
      allZones(inner, (zone) => wide.providers!.includes(zone.provider))) &&
    (wide.regions === undefined ||
      subset(narrow.regions, wide.regions) ||
      allZones(
        inner,
        (zone) => zone.region !== undefined && wide.regions!.includes(zone.region),
      )) &&
    (wide.subnets === undefined ||
      (narrow.subnets?.every((prefix) =>
        wide.subnets!.some((wider) => prefixCovers(wider, prefix)),
      ) ??
        false)) &&
    Object.entries(wide.labels ?? {}).every(([key, values]) => subset(narrow.labels?.[key], values))
  );
}

function allZones(side: Side, test: (zone: Zone) => boolean): boolean {
  return side.zones?.every(test) === true;
}

/** No condition is the widest; a narrower list must be inside the wider one. */
function subset(
  narrow: readonly string[] | undefined,
  wide: readonly string[] | undefined,
): boolean {
  if (wide === undefined) return true;
  return narrow?.every((value) => wide.includes(value)) === true;
}
