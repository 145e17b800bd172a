/** A letter for each of many texts, the most frequent first, for matrices of many zones. */
export interface SymbolLegend {
  readonly symbolOf: (text: string) => string;
  readonly legend: readonly {
    readonly symbol: string;
    readonly text: string;
    readonly count: number;
  }[];
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Of whatever is left when the letters are used up. */
const other = '*';
const nothing = '·';

export function symbolsFor(texts: readonly string[]): SymbolLegend {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  counts.delete('–');
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const symbols = new Map(sorted.map(([text], i) => [text, letters[i] ?? other]));
  const legend = sorted
    .slice(0, letters.length)
    .map(([text, count]) => ({ symbol: symbols.get(text)!, text, count }));
  const rest = sorted.slice(letters.length);
  if (rest.length > 0) {
    const count = rest.reduce((sum, [, one]) => sum + one, 0);
    legend.push({ symbol: other, text: `${rest.length} other combinations`, count });
  }
  return { symbolOf: (text) => symbols.get(text) ?? nothing, legend };
}
