/** The fields of a zone matrix in words, both families together where they are alike. */
import type { MatrixCellReport, MatrixReport } from './matrix-report.js';

export interface ZoneField {
  readonly from: string;
  readonly to: string;
  /** By family; empty where there are no pairs. */
  readonly cells: readonly MatrixCellReport[];
  /** One line where both families go alike, else one each; a few lines where pairs differ. */
  readonly lines: readonly string[];
}

export type FieldOf = (from: string, to: string) => ZoneField;

export function zoneFields(report: MatrixReport): FieldOf {
  const cells = new Map<string, MatrixCellReport[]>();
  for (const cell of report.cells) {
    const key = `${cell.from}\n${cell.to}`;
    const list = cells.get(key);
    if (list === undefined) cells.set(key, [cell]);
    else list.push(cell);
  }
  const one = new Set(report.cells.map(({ family }) => family)).size < 2;
  return (from, to) => {
    const own = cells.get(`${from}\n${to}`) ?? [];
    return { from, to, cells: own, lines: linesOf(own, one) };
  };
}

function linesOf(cells: readonly MatrixCellReport[], oneFamily: boolean): readonly string[] {
  const texts = cells.map(({ family, ways }) => ({ family, text: waysText(ways) }));
  const alike = texts.every(({ text }) => text === texts[0]!.text);
  if (texts.length === 0) return [];
  if (oneFamily || (alike && texts.length > 1)) return [texts[0]!.text];
  return texts.map(({ family, text }) => `${text} v${family}`);
}

/** Where the pairs of two zones go different ways, the most first. */
function waysText(ways: MatrixCellReport['ways']): string {
  const shown = ways.slice(0, shownWays).map(({ text }) => text);
  return shown.join(' or ') + (ways.length > shownWays ? ' …' : '');
}

const shownWays = 2;
