/** Fleets of several sizes side by side, and what grows with the size. */
import type { GrowthReport, GrowthSize } from '../../simulate/growth.js';
import { bendExponent } from '../../simulate/growth.js';
import type { Terminal } from '../terminal.js';
import type { Column } from './figures.js';
import { count, figures } from './figures.js';
import { noteLines, verdictLines } from './simulate.js';

const sizeColumns: readonly Column<GrowthSize>[] = [
  ['nodes', ({ nodes }) => nodes],
  ['agents', ({ observers }) => observers],
  ['routes', ({ routes }) => routes],
  ['messages', ({ messagesPerEvent }) => messagesPerEvent],
  ['bytes', ({ bytesPerEvent }) => bytesPerEvent],
  ['work ms', ({ eventMs }) => eventMs],
  ['most', ({ eventMostMs }) => eventMostMs],
  ['p50', ({ latencyMs }) => latencyMs?.p50],
  ['p99', ({ latencyMs }) => latencyMs?.p99],
  ['address', ({ addressMs }) => addressMs],
  ['cold start', ({ coldStartMs }) => coldStartMs],
  ['rule change', ({ ruleChangeMs }) => ruleChangeMs],
  ['agent', ({ heapMiB }) => heapMiB],
  ['RSS', ({ residentMiB }) => residentMiB],
];

const exponentColumns: readonly Column<GrowthReport['exponents'][number]>[] = [
  ['from', ({ from }) => from],
  ['to', ({ to }) => to],
  ['event', ({ of }) => of.eventMs],
  ['most', ({ of }) => of.eventMostMs],
  ['address', ({ of }) => of.addressMs],
  ['cold start', ({ of }) => of.coldStartMs],
  ['rule change', ({ of }) => of.ruleChangeMs],
  ['agent', ({ of }) => of.heapMiB],
];

export function renderGrowth(report: GrowthReport, terminal: Terminal): string {
  const { paint } = terminal;
  return [
    ...figures(
      {
        groups: [
          ['', 3],
          ['an event of churn', 4],
          ['to kernel, ms', 2],
          ['work, ms', 3],
          ['memory, MiB', 2],
        ],
        columns: sizeColumns,
        rows: report.sizes,
        words: 0,
      },
      paint,
    ),
    '',
    'Exponents (0: independent of the size, 1: in proportion to it):',
    ...figures({ columns: exponentColumns, rows: report.exponents, words: 0 }, paint),
    '',
    bendLine(report),
    '',
    ...noteLines(report.notes, terminal),
    '',
    ...report.reports.flatMap((each) =>
      verdictLines(each, terminal).map((line) => `${count(each.input.nodes)} nodes: ${line}`),
    ),
  ].join('\n');
}

function bendLine({ bend, sizes }: GrowthReport): string {
  if (sizes.length < 2) return 'Fewer than two sizes: nothing can be said of growth.';
  return bend === null
    ? `The cost of one event does not bend: no exponent is above ${bendExponent}.`
    : `The cost of one event bends at ${count(bend.nodes)} nodes: its exponent there is ${bend.exponent}.`;
}
