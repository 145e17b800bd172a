/**
 * The zone matrix for people: senders down, receivers across. Where the zones are many, a letter
 * for each way and a legend below, so that fifty zones fit a terminal.
 */
import Table from 'cli-table3';
import { zoneFields } from '../../verify/matrix-cells.js';
import type { FieldOf, ZoneField } from '../../verify/matrix-cells.js';
import { symbolsFor } from '../../verify/symbols.js';
import type { Health, MatrixReport } from '../../verify/matrix-report.js';
import type { Paint, Terminal } from '../terminal.js';
import { fill, pad, padStart, widest } from './layout.js';
import { whatIfLines } from './what-if.js';

export function renderMatrix(report: MatrixReport, terminal: Terminal): string {
  const { zones } = report;
  if (zones.length === 0) return 'no zone has nodes, so there is nothing to show';
  const field = zoneFields(report);
  const body =
    zones.length <= fewZones
      ? grid(report, field, terminal.paint)
      : letters(report, field, terminal);
  return [...whatIfLines(report.basis.whatIf, terminal), body].join('\n');
}

/** So many fit a line of text with their ways written out. */
const fewZones = 7;

function grid({ zones }: MatrixReport, field: FieldOf, paint: Paint): string {
  const table = new Table({
    head: ['from \\ to', ...zones.map(({ name }) => name)],
    style: { head: [], border: [], compact: true },
    colAligns: ['left'],
  });
  for (const from of zones)
    table.push([
      `${from.name}\n${paint.dim([from.provider, from.region].filter((word) => word !== null).join(' '))}`,
      ...zones.map((to) => fieldText(field(from.name, to.name), paint)),
    ]);
  const legend = 'Each field: how packets go and the largest of them in bytes, as decided.';
  return `${table.toString()}\n${paint.dim(legend)}`;
}

function fieldText({ lines, cells }: ZoneField, paint: Paint): string {
  if (lines.length === 0) return paint.dim('·');
  const health = cells.flatMap((cell) => (cell.health === null ? [] : [cell.health]));
  return [
    ...lines.map((line) => paintedWay(line, paint)),
    ...health.map((one) => healthText(one, paint)),
  ].join('\n');
}

function paintedWay(line: string, paint: Paint): string {
  if (line.startsWith('native')) return paint.green(line);
  if (line.startsWith('ipip')) return paint.cyan(line);
  if (line.startsWith('vxlan')) return paint.yellow(line);
  return line.startsWith('no way') ? paint.red(line) : paint.dim(line);
}

function healthText({ state, text }: Health, paint: Paint): string {
  switch (state) {
    case 'ok':
      return paint.green(`✓ ${text}`);
    case 'degraded':
      return paint.yellow(`! ${text}`);
    case 'broken':
      return paint.red(`✗ ${text}`);
  }
}

function letters(report: MatrixReport, field: FieldOf, terminal: Terminal): string {
  const { zones } = report;
  const { paint, width } = terminal;
  const texts = zones.map((from) =>
    zones.map((to) => field(from.name, to.name).lines.join(', ') || '–'),
  );
  const { symbolOf, legend } = symbolsFor(texts.flat());
  const names = zones.map(({ name }, i) => `${padStart(String(i + 1), 3)} ${name}`);
  const margin = widest(names) + 1;
  const digits = String(zones.length).length;
  // The columns' numbers, a digit a line.
  const heads = Array.from({ length: digits }, (_, digit) => {
    const row = zones.map((__, i) => padStart(String(i + 1), digits)[digit]!).join('');
    return paint.dim(' '.repeat(margin) + row);
  });
  const rows = texts.map((cells, i) => {
    const shown = cells.map((text) => paintedSymbol(text, symbolOf(text), paint));
    return pad(names[i]!, margin) + shown.join('');
  });
  return [
    ...heads,
    ...rows,
    '',
    ...legend.flatMap(({ symbol, text, count }) =>
      fill(`${symbol}  ${text}  (${count} ${count === 1 ? 'field' : 'fields'})`, {
        width,
        hang: 3,
      }),
    ),
    ...healthLines(report, terminal),
  ].join('\n');
}

function paintedSymbol(text: string, symbol: string, paint: Paint): string {
  return paintedWay(text, paint).replace(text, symbol);
}

function healthLines({ cells }: MatrixReport, { paint, width }: Terminal): string[] {
  return cells.flatMap(({ from, to, family, health }) =>
    health === null || health.state === 'ok'
      ? []
      : fill(`${from} → ${to} IPv${family}: ${healthText(health, paint)}`, { width, hang: 2 }),
  );
}
