/** Pairs of zones in few words: both directions in one, the largest first, an example with each. */
import type { ZonePair } from '../../../encap/verify/finding.js';

/** Lines for people; the JSON has all. */
const shown = 4;

export function zonePairTexts(zonePairs: readonly ZonePair[]): readonly string[] {
  const folded = fold(zonePairs);
  const lines = folded.slice(0, shown).map(({ label, pairs, example }) => {
    const count = `${number(pairs)} ${pairs === 1 ? 'pair' : 'pairs'}`;
    return `${label}: ${count}, e.g. ${example.from} → ${example.to}`;
  });
  const rest = folded.slice(shown);
  if (rest.length === 0) return lines;
  const pairs = rest.reduce((sum, entry) => sum + entry.pairs, 0);
  return [
    ...lines,
    `and ${rest.length} more ${rest.length === 1 ? 'pair' : 'pairs'} of zones with ${number(pairs)} pairs`,
  ];
}

interface Folded {
  readonly label: string;
  readonly pairs: number;
  readonly example: ZonePair['example'];
}

function fold(zonePairs: readonly ZonePair[]): readonly Folded[] {
  const byKey = new Map(zonePairs.map((entry) => [`${entry.from}\n${entry.to}`, entry]));
  const done = new Set<ZonePair>();
  return zonePairs.flatMap((entry) => {
    if (done.has(entry)) return [];
    const { from, to, pairs, example } = entry;
    if (from === to) return [{ label: `inside ${from}`, pairs, example }];
    const back = byKey.get(`${to}\n${from}`);
    if (back === undefined) return [{ label: `${from} → ${to}`, pairs, example }];
    done.add(back);
    return [{ label: `${from} ⇄ ${to}`, pairs: pairs + back.pairs, example }];
  });
}

/** 99,990,000 */
export function number(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
