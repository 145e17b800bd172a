/**
 * The rules of the file, in order.
 */
import { type Relations, type Rule, type Selector, relationSubjects } from '../../encap/cluster.js';
import type { Prefix } from '../../encap/prefix.js';
import { isFault, readPrefix } from './address-text.js';
import { type DraftRule, type ReadContext, items } from './draft.js';
import type { Path } from './problem.js';
import type { References } from './references.js';
import type { Report } from './report.js';
import { type RuleEntry, type SelectorEntry, ruleSchema } from './schema.js';
import { type Entry, readEntry } from './shape.js';

export function readRules(
  raw: readonly unknown[] | undefined,
  context: { readonly report: Report; readonly references: References },
): readonly DraftRule[] {
  const { report } = context;
  const rules: DraftRule[] = [];
  const names = new Map<string, Path>();
  for (const [i, item] of (raw ?? []).entries()) {
    const path = ['rules', i];
    const entry = readEntry(item, { schema: ruleSchema, path, report });
    if (entry === undefined) continue;
    const name = entry.value.name ?? `rule-${i + 1}`;
    const first = names.get(name);
    if (first !== undefined) {
      report.add({
        code: 'duplicate-name',
        path: [...path, 'name'],
        value: name,
        message: `a rule of this name stands already in ${report.lineOf(first)}`,
        remedy: 'rename one of them, so that explanations can tell them apart',
      });
    }
    names.set(name, path);
    rules.push(readRule(entry, { ...context, path, name }));
  }
  return rules;
}

type RuleContext = ReadContext & { readonly references: References };

function readRule(
  entry: Entry<RuleEntry>,
  context: RuleContext & { readonly name: string },
): DraftRule {
  const { report, path, name } = context;
  const { value } = entry;
  const bad = new Set(entry.bad);
  const side = (raw: SelectorSide | undefined, place: Path): Selector | undefined =>
    raw === undefined ? undefined : readSelector(raw, { ...context, path: place, bad });
  const from = side(value.from, [...path, 'from']);
  const to = side(value.to, [...path, 'to']);
  const between = value.between?.map((raw, i) => side(raw, [...path, 'between', i])!);
  if (between !== undefined && (from !== undefined || to !== undefined)) {
    bad.add('between');
    report.add({
      code: 'conflicting-keys',
      path: [...path, 'between'],
      part: 'key',
      value: from === undefined ? 'between, to' : 'between, from',
      message: 'the rule has "between" and "from" or "to"',
      remedy: 'keep "between" for both directions, "from" and "to" for one',
    });
  }
  const mode = value.mode ?? 'auto';
  if (value.force === true && (mode === 'auto' || mode === 'deny') && !bad.has('mode')) {
    report.add({
      code: 'unused-key',
      severity: 'warning',
      path: [...path, 'force'],
      value: 'force: true',
      message: `"force" has no effect with mode ${mode}`,
      remedy: 'remove it, or name the mode to force',
    });
  }
  const rule: Rule = Object.freeze({
    name,
    ...(from && { from }),
    ...(to && { to }),
    ...(between && { between: Object.freeze([between[0]!, between[1]!] as const) }),
    relations: readRelations(value, { report, path, bad }),
    ...(value.family && { family: value.family }),
    mode,
    force: value.force ?? false,
    reason: value.reason,
    source: report.sourceRef(path),
  });
  return { rule, path, bad };
}

type SelectorSide = string | SelectorEntry;

function readSelector(
  raw: SelectorSide,
  context: RuleContext & { readonly bad: Set<string> },
): Selector {
  const { report, references, path, bad } = context;
  if (typeof raw === 'string') {
    references.zone(raw, path);
    return Object.freeze({ zones: Object.freeze([raw]) });
  }
  const list = <T>(key: keyof SelectorEntry, check: (value: T, place: Path) => void) => {
    const entries = items(raw[key] as T | readonly T[] | undefined, [...path, key]);
    for (const [value, place] of entries) check(value, place);
    return entries.length === 0 ? undefined : Object.freeze(entries.map(([value]) => value));
  };
  const subnets: Prefix[] = [];
  list<string>('subnet', (text, place) => {
    const prefix = readPrefix(text);
    if (!isFault(prefix)) {
      subnets.push(prefix);
      return;
    }
    report.add({ ...prefix, path: place, value: text });
    bad.add(String(path[2]));
  });
  const selector = {
    zones: list<string>('zone', (name, place) => references.zone(name, place)),
    regions: list<string>('region', (name, place) => references.region(name, place)),
    providers: list<NonNullable<Selector['providers']>[number]>('provider', (name, place) =>
      references.provider(name, place),
    ),
    subnets: raw.subnet === undefined ? undefined : Object.freeze(subnets),
    labels: raw.label && readLabels(raw.label, context),
    nodes: list<string>('node', (name, place) => references.node(name, place)),
  };
  const given = Object.entries(selector).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(given) as Selector);
}

function readLabels(
  raw: NonNullable<SelectorEntry['label']>,
  context: RuleContext,
): NonNullable<Selector['labels']> {
  const labels: Record<string, readonly string[]> = {};
  for (const [key, values] of Object.entries(raw)) {
    const entries = items(values, [...context.path, 'label', key]);
    for (const [value, place] of entries) context.references.label({ key, value }, place);
    labels[key] = Object.freeze(entries.map(([value]) => value));
  }
  return Object.freeze(labels);
}

function readRelations(
  value: Partial<RuleEntry>,
  context: ReadContext & { readonly bad: Set<string> },
): Relations {
  const same = items(value.same, []).map(([subject]) => subject);
  const different = items(value.different, []).map(([subject]) => subject);
  const both = relationSubjects.filter((it) => same.includes(it) && different.includes(it));
  if (both.length > 0) {
    context.bad.add('different');
    context.report.add({
      code: 'rule-never-matches',
      path: [...context.path, 'different'],
      value: both.join(', '),
      message: `the rule asks for the same and for a different ${both[0]}`,
      remedy: 'remove one of the two',
    });
  }
  return Object.freeze({
    ...Object.fromEntries(same.map((subject) => [subject, 'same'])),
    ...Object.fromEntries(different.map((subject) => [subject, 'different'])),
  });
}
