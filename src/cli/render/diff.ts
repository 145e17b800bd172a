/** What differs between two clusters: the pairs that go another way and why, then the records. */
import type { RecordDiff } from '../../../encap/verify/diff-records.js';
import type { DiffGroupReport, DiffReport } from '../../verify/report.js';
import type { Paint, Terminal } from '../terminal.js';
import type { Style } from './layout.js';
import { fill } from './layout.js';
import { whatIfLines } from './what-if.js';
import { number, zonePairTexts } from './zone-pairs.js';

export function renderDiff(report: DiffReport, terminal: Terminal): string {
  const { same, checked, changedPairs, groups } = report;
  const { paint, width } = terminal;
  const whatIf = whatIfLines(report.new.whatIf, terminal);
  if (same) return [...whatIf, `${paint.green('✓')} no difference`].join('\n');
  const head = `${number(changedPairs)} of ${number(checked.pairs)} ordered pairs of ${number(checked.nodes)} nodes go another way`;
  return [
    ...whatIf,
    ...fill({ text: head, style: paint.bold }, { width }),
    ...groups.flatMap((group) => ['', ...groupLines(group, terminal)]),
    ...recordLines(report.records, terminal),
  ].join('\n');
}

function groupLines(group: DiffGroupReport, { paint, width }: Terminal): string[] {
  const { family, effect, from, to, cause, pairs, zonePairs } = group;
  const style = styleOf(effect, paint);
  return [
    ...fill(
      [
        { text: `${from} → ${to}`, style },
        {
          text: `(IPv${family}, ${number(pairs)} ${pairs === 1 ? 'pair' : 'pairs'})`,
          style: paint.dim,
        },
      ],
      { width },
    ),
    ...fill(`${cause.step}: ${cause.text}`, { width, indent: 4 }),
    ...zonePairTexts(zonePairs).flatMap((line) =>
      fill({ text: line, style: paint.dim }, { width, indent: 6, hang: 8 }),
    ),
  ];
}

function styleOf(effect: DiffGroupReport['effect'], paint: Paint): Style {
  switch (effect) {
    case 'lost':
      return paint.red;
    case 'gained':
      return paint.green;
    case 'mode':
    case 'mtu':
      return paint.yellow;
    case 'refusal':
      return paint.dim;
  }
}

function recordLines(records: RecordDiff, { width }: Terminal): string[] {
  const { nodes, prefixes, zones, rules, pools, settings } = records;
  const lines = [
    ...comings('nodes', nodes),
    ...named(
      nodes.changed.map(({ node, fields }) => `${node} (${fields.join(', ')})`),
      'changed',
    ).map((text) => `nodes ${text}`),
    ...comings('overlay prefixes', prefixes),
    ...prefixes.moved
      .slice(0, shownNames)
      .map(({ prefix, from, to }) => `overlay prefix ${prefix} moves from ${from} to ${to}`),
    ...comings('zones', zones),
    ...comings('rules', rules),
    ...comings('pools', pools),
    ...settings,
  ];
  const rest = prefixes.moved.length - shownNames;
  if (rest > 0) lines.push(`and ${rest} more overlay prefixes move`);
  return lines.length === 0 ? [] : ['', ...lines.flatMap((line) => fill(line, { width, hang: 2 }))];
}

/** Names on a line; all are in the JSON. */
const shownNames = 4;

function comings(
  what: string,
  { added, removed }: { readonly added: readonly string[]; readonly removed: readonly string[] },
): readonly string[] {
  return [...named(added, 'added'), ...named(removed, 'removed')].map((text) => `${what} ${text}`);
}

function named(names: readonly string[], word: string): readonly string[] {
  if (names.length === 0) return [];
  const rest = names.length - shownNames;
  const list =
    names.slice(0, shownNames).join(', ') + (rest > 0 ? ` and ${number(rest)} more` : '');
  return [`${word}: ${number(names.length)} (${list})`];
}
