/** How long ago something was, in its two largest units at most: `3d4h`, `12m`, `5s`. */
export function age(at: string, now: Date): string {
  const from = Date.parse(at);
  if (Number.isNaN(from)) return '-';
  let seconds = Math.max(0, Math.floor((now.getTime() - from) / 1000));
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join('') || '0s';
}

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;
