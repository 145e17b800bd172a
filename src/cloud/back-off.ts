/** When an API is asked again: at its interval, and later and later while it does not answer. */

/** As the controllers of AWS do: from half a minute to eight minutes. */
const firstMs = 30_000;
const mostMs = 480_000;

/** `chance` is between 0 and 1: agents of a fleet must not ask all at once. */
export function backOffMs(failures: number, chance: number): number {
  const base = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 10));
  return base * (0.75 + chance / 2);
}

export function refreshInMs(refreshMs: number, chance: number): number {
  return refreshMs * (0.9 + chance / 5);
}

/** Between a change and the readings that should show it; at last the ordinary ones. */
export function confirmInMs(tries: number, refreshMs: number): number {
  return Math.min(refreshMs, 1000 * 2 ** tries);
}
