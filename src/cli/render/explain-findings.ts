/** What is wrong and what to do about it; and the list of all codes. */
import type { CodeEntry, Finding } from '../../../routes/diagnose/index.js';
import type { ExplainReport } from '../../../routes/explain-report.js';
import type { Paint, Terminal } from '../terminal.js';
import type { Style } from './layout.js';
import { columns, fill, pad, row, widest } from './layout.js';

export function findingsSection(report: ExplainReport, terminal: Terminal): string[] {
  const { findings } = report;
  if (findings.length === 0) return [];
  return [
    terminal.paint.bold('What is wrong'),
    ...findings.flatMap((finding) => findingRows(finding, terminal)),
  ];
}

function findingRows(finding: Finding, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const cause = finding.severity === 'cause';
  const style = cause ? healthStyle(finding.health, paint) : paint.dim;
  const details = [
    ...(finding.lostBetween === null
      ? []
      : [`lost between ${finding.lostBetween[0]} and ${finding.lostBetween[1]}`]),
    ...finding.evidence,
  ];
  return [
    ...row(
      [
        { text: cause ? '✗' : '·', style },
        { text: pad(cause ? finding.health : finding.severity, widestHealth), style },
      ],
      [{ text: `${finding.code}:`, style: cause ? paint.bold : undefined }, finding.text],
      { ...terminal, indent: 2 },
    ),
    ...details.flatMap((text) =>
      fill({ text, style: paint.dim }, { width, indent: widestHealth + 6, hang: widestHealth + 8 }),
    ),
    ...finding.alternatives.flatMap(({ code, test }) =>
      fill([{ text: 'or', style: paint.dim }, { text: `${code}:`, style: paint.bold }, test], {
        width,
        indent: widestHealth + 6,
        hang: widestHealth + 8,
      }),
    ),
  ];
}

const widestHealth = 'contributing'.length;

export function healthStyle(health: Finding['health'] | 'OK', paint: Paint): Style {
  switch (health) {
    case 'OK':
      return (text) => paint.bold(paint.green(text));
    case 'BROKEN':
      return (text) => paint.bold(paint.red(text));
    case 'DEGRADED':
    case 'UNDETERMINED':
      return (text) => paint.bold(paint.yellow(text));
  }
}

/** Of the causes, the most promising first; what is said for several is said once. */
export function remediesSection(report: ExplainReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const causes = report.findings.filter(({ severity }) => severity === 'cause');
  const remedies = causes.flatMap((finding) => finding.remedies);
  const distinct = remedies.filter(
    (remedy, i) => remedies.findIndex((other) => sameRemedy(other, remedy)) === i,
  );
  if (distinct.length === 0) return [];
  const digits = String(distinct.length).length + 1;
  const indent = digits + 4;
  return [
    paint.bold('What to do'),
    ...distinct.flatMap(({ text, command, patch, predicted }, i) => [
      ...row([{ text: pad(`${i + 1}.`, digits) }], text, { ...terminal, indent: 2 }),
      // To be copied: never broken into lines.
      ...(command === null ? [] : [`${' '.repeat(indent)}${paint.cyan(command)}`]),
      ...(patch ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `${' '.repeat(indent)}${paint.cyan(`--what-if '${line}'`)}`),
      ...(predicted === null
        ? []
        : fill({ text: `would be: ${predicted}`, style: paint.dim }, { width, indent })),
    ]),
  ];
}

type Remedy = Finding['remedies'][number];

function sameRemedy(a: Remedy, b: Remedy): boolean {
  return a.text === b.text && a.command === b.command && a.patch === b.patch;
}

export function renderCodes(
  answer: { readonly codes: readonly CodeEntry[] },
  terminal: Terminal,
): string {
  const { paint, width } = terminal;
  const sorted = [...answer.codes].sort((a, b) => (a.code < b.code ? -1 : 1));
  const codeWidth = widest(sorted.map(({ code }) => code));
  if (width < codeWidth + 60)
    return sorted
      .flatMap(({ code, health, cause, remedy }) => [
        `${paint.bold(code)}  ${healthStyle(health, paint)(health)}`,
        ...fill(cause, { width, indent: 2 }),
        ...fill({ text: `→ ${remedy}`, style: paint.dim }, { width, indent: 2, hang: 4 }),
      ])
      .join('\n');
  return columns(
    ['code', 'health', 'cause → what to do'],
    sorted.map(({ code, health, cause, remedy }) => [
      { text: code, style: paint.bold },
      { text: health, style: healthStyle(health, paint) },
      { text: `${cause} → ${remedy}` },
    ]),
    { width, indent: 0, dim: paint.dim },
  ).join('\n');
}
