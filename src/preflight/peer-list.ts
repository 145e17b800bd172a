/** Many peers in one line. */
const shown = 3;

export function someOf(names: Iterable<string>): string {
  const all = [...new Set(names)];
  const rest = all.length - shown;
  return all.slice(0, shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
