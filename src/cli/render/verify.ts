/** What is found in a whole cluster: how its pairs go, then every finding with its zones and remedy. */
import type { Severity } from '../../../encap/verify/finding.js';
import type { FindingReport, VerifyReport } from '../../verify/report.js';
import type { Paint, Terminal } from '../terminal.js';
import type { Style } from './layout.js';
import { fill, padStart, widest } from './layout.js';
import { whatIfLines } from './what-if.js';
import { number, zonePairTexts } from './zone-pairs.js';

export function renderVerify(report: VerifyReport, terminal: Terminal): string {
  const { basis, cluster, checked, findings } = report;
  const { paint } = terminal;
  const head = [
    ...whatIfLines(basis.whatIf, terminal),
    `${paint.bold(basis.file)}: cluster ${cluster}, ${number(checked.nodes)} nodes, ` +
      `${number(checked.pairs)} ordered pairs (${number(checked.classes)} classes of nodes)`,
  ];
  return [
    ...head,
    '',
    ...outcomeLines(report, terminal),
    '',
    ...findings.flatMap((finding) => [...findingLines(finding, terminal), '']),
    summary(report, paint),
  ].join('\n');
}

function outcomeLines({ outcomes }: VerifyReport, { paint }: Terminal): string[] {
  const width = widest(outcomes.map(({ pairs }) => number(pairs)));
  return outcomes.map(
    ({ family, way, pairs }) =>
      `  ${padStart(number(pairs), width)}  ${paint.dim(`IPv${family}`)}  ${way === 'no way' ? paint.red(way) : way}`,
  );
}

const marks: Readonly<Record<Severity, string>> = { error: '✗', warning: '!', note: '·' };

function styleOf(severity: Severity, paint: Paint): Style {
  switch (severity) {
    case 'error':
      return paint.red;
    case 'warning':
      return paint.yellow;
    case 'note':
      return paint.dim;
  }
}

function findingLines(finding: FindingReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { code, severity, pairs, zonePairs, source, text, remedy } = finding;
  const style = styleOf(severity, paint);
  const count = pairs === 0 ? [] : [`${number(pairs)} ${pairs === 1 ? 'pair' : 'pairs'}`];
  // The texts about rules name the place themselves.
  const where = source === null || text.includes(source) ? [] : [source];
  const about = [...count, ...where].join(', ');
  return [
    ...fill(
      [
        { text: `${marks[severity]} ${code}`, style },
        { text: about === '' ? '' : `(${about})`, style: paint.dim },
      ],
      { width },
    ),
    ...fill(text, { width, indent: 4 }),
    ...zonePairTexts(zonePairs).flatMap((line) =>
      fill({ text: line, style: paint.dim }, { width, indent: 6, hang: 8 }),
    ),
    ...fill(`→ ${remedy}`, { width, indent: 4, hang: 6 }),
  ];
}

function summary({ counts, worst }: VerifyReport, paint: Paint): string {
  const told = (['error', 'warning', 'note'] as const)
    .filter((severity) => counts[severity] > 0)
    .map((severity) => `${counts[severity]} ${severity}${counts[severity] === 1 ? '' : 's'}`);
  const text = told.length === 0 ? 'nothing found' : told.join(', ');
  return worst === 'error' || worst === 'warning'
    ? `${paint.red('✗')} ${text}`
    : `${paint.green('✓')} ${text}`;
}
