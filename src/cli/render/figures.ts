/** Figures in columns: numbers to the right, a label over those that belong together. */
import type { Terminal } from '../terminal.js';
import { pad, padStart, widest } from './layout.js';

export type Column<Row> = readonly [
  head: string,
  value: (row: Row) => string | number | null | undefined,
];

export interface Figures<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** The first of the columns hold words. */
  readonly words: number;
  /** A label, and over how many columns it stands. */
  readonly groups?: readonly (readonly [label: string, columns: number])[];
}

const gap = '  ';

export function figures<Row>(given: Figures<Row>, paint: Terminal['paint']): string[] {
  const { columns, rows, words, groups = [] } = given;
  const head = columns.map(([text]) => text);
  const cells = rows.map((row) => columns.map(([, value]) => cell(value(row))));
  const widths = head.map((_, at) => widest([head, ...cells].map((line) => line[at]!)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => (at < words ? pad : padStart)(text, widths[at]!))
      .join(gap)
      .trimEnd();
  return [
    ...(groups.length === 0 ? [] : [paint.dim(labels(groups, widths))]),
    paint.dim(line(head)),
    ...cells.map(line),
  ];
}

function labels(
  groups: NonNullable<Figures<unknown>['groups']>,
  widths: readonly number[],
): string {
  let from = 0;
  return groups
    .map(([label, columns]) => {
      const below = widths.slice(from, (from += columns));
      const width = below.reduce((sum, one) => sum + one, gap.length * (columns - 1));
      return pad(label === '' ? '' : label.padEnd(label.length + 1).padEnd(width, '╶'), width);
    })
    .join(gap)
    .trimEnd();
}

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'string' ? value : count(value);
}

/** `12,345`, and a fraction as it is. */
export function count(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : String(value);
}
