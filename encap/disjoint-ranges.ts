/**
 * Prefixes that may lie in each other, as ranges that do not: of each address the longest prefix
 * counts, and neighbours with the same value are one range. For tables that know no longest match.
 */
import { addressToBigInt } from './address.js';
import type { Family } from './address.js';
import type { Prefix } from './prefix.js';
import { firstAddress, lastAddress } from './prefix.js';

export interface Range<T> {
  readonly first: bigint;
  readonly last: bigint;
  readonly value: T;
}

/** In the order of the addresses. Of the same prefix given twice the first one counts. */
export function disjointRanges<T>(
  prefixes: Iterable<{ readonly prefix: Prefix; readonly value: T }>,
  family: Family,
): readonly Range<T>[] {
  const sorted: Range<T>[] = [];
  for (const { prefix, value } of prefixes)
    if (prefix.family === family)
      sorted.push({
        first: addressToBigInt(firstAddress(prefix)),
        last: addressToBigInt(lastAddress(prefix)),
        value,
      });
  sorted.sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last));
  const ranges: Range<T>[] = [];
  /** The prefixes around the place that is reached, outermost first. */
  const around: Range<T>[] = [];
  let next = 0n;
  const upTo = (last: bigint, value: T): void => {
    if (last < next) return;
    const before = ranges.at(-1);
    if (before?.value === value && before.last === next - 1n)
      ranges[ranges.length - 1] = { ...before, last };
    else ranges.push({ first: next, last, value });
    next = last + 1n;
  };
  for (const range of sorted) {
    for (
      let top = around.at(-1);
      top !== undefined && top.last < range.first;
      top = around.at(-1)
    ) {
      upTo(top.last, top.value);
      around.pop();
    }
    const top = around.at(-1);
    if (top?.first === range.first && top.last === range.last) continue;
    if (top !== undefined) upTo(range.first - 1n, top.value);
    next = range.first;
    around.push(range);
  }
  for (const { last, value } of around.reverse()) upTo(last, value);
  return ranges;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
