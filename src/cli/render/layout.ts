/**
 * Text in columns: words with a style each, filled into lines of a width. Styles are put on after
 * the filling, so that an escape sequence never counts as columns.
 */
export type Style = (text: string) => string;

export interface Span {
  readonly text: string;
  readonly style?: Style | undefined;
}

export type Text = string | Span | readonly (string | Span)[];

export interface FillOptions {
  readonly width: number;
  /** Before the first line. */
  readonly indent?: number;
  /** Before the other lines; default: as the first. */
  readonly hang?: number;
}

/** Fills words into lines. A word that is longer than a line has one to itself. */
export function fill(text: Text, options: FillOptions): string[] {
  const { width, indent = 0, hang = indent } = options;
  const lines: string[] = [];
  let line = '';
  let columns = 0;
  let empty = true;
  const start = (): void => {
    const by = lines.length === 0 ? indent : hang;
    line = ' '.repeat(by);
    columns = by;
    empty = true;
  };
  start();
  for (const { text: word, style } of words(text)) {
    const size = columnsOf(word);
    if (!empty && columns + 1 + size > width) {
      lines.push(line);
      start();
    }
    line += (empty ? '' : ' ') + (style === undefined ? word : style(word));
    columns += (empty ? 0 : 1) + size;
    empty = false;
  }
  lines.push(line);
  return lines;
}

/** Code points: what this program prints has one column each. */
export function columnsOf(text: string): number {
  return [...text].length;
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - columnsOf(text))) + text;
}

export function widest(texts: Iterable<string>): number {
  let width = 0;
  for (const text of texts) width = Math.max(width, columnsOf(text));
  return width;
}

/** A row: fixed cells, already padded and styled, then text that is filled below itself. */
export function row(
  cells: readonly Span[],
  text: Text,
  options: { readonly width: number; readonly indent: number },
): string[] {
  const { width, indent } = options;
  let head = '';
  let columns = indent;
  for (const cell of cells) {
    // A mark stands close to what it marks.
    const gap = columnsOf(cell.text) === 1 ? 1 : 2;
    head += (cell.style === undefined ? cell.text : cell.style(cell.text)) + ' '.repeat(gap);
    columns += columnsOf(cell.text) + gap;
  }
  const [first = '', ...rest] = fill(text, { width, indent: columns });
  return [(' '.repeat(indent) + head + first.slice(columns)).trimEnd(), ...rest];
}

function words(text: Text): readonly Span[] {
  const spans = typeof text === 'string' || !Array.isArray(text) ? [text as string | Span] : text;
  return spans.flatMap((part: string | Span) => {
    const span = typeof part === 'string' ? { text: part } : part;
    return span.text
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => ({ text: word, style: span.style }));
  });
}

/** Columns under dim headings; the last column takes what is left and is filled below itself. */
export function columns(
  headings: readonly string[],
  rows: readonly (readonly Span[])[],
  options: { readonly width: number; readonly indent: number; readonly dim: Style },
): string[] {
  const head = headings.map((text): Span => ({ text, style: options.dim }));
  const all = [head, ...rows];
  const widths = headings.map((_, i) => widest(all.map((cells) => cells[i]?.text ?? '')));
  return all.flatMap((cells) => {
    const padded = cells.map((cell, i) => ({ ...cell, text: pad(cell.text, widths[i] ?? 0) }));
    const last = cells.at(-1) ?? { text: '' };
    return row(padded.slice(0, -1), last, options);
  });
}
