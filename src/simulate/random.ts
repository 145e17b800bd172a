/**
 * Chance from a seed: the same seed, the same run, on every machine. Mulberry32 (public domain, by
 * Tommy Ettinger): 32 bits of state are enough for a few million draws that need no secrecy.
 */
export interface Random {
  /** From 0 to below 1. */
  next(): number;
  /** A whole number from 0 to below `end`. */
  below(end: number): number;
  /** Until the next of events that come at this rate, independent of each other (Poisson). */
  untilNextMs(perMs: number): number;
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (end) => Math.floor(next() * end),
    untilNextMs: (perMs) => -Math.log(1 - next()) / perMs,
  };
}
