/** Seeded choices: the same seed makes the same run. */
export interface Random {
  /** From 0 to below 1. */
  next(): number;
  pick<T>(items: readonly T[]): T;
}

/** Mulberry32: 32 bits of state are plenty for picking events. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return { next, pick: (items) => items[Math.floor(next() * items.length)]! };
}
