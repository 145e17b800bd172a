/**
 * Which blocks of a range are free: the range is a row of equal blocks, what is taken (blocks of
 * whatever size, prefixes that somebody wrote into the configuration) lies over it, and the runs of
 * blocks in between are free. Nothing here counts blocks one by one: an IPv6 range has billions.
 */
import type { Family } from '../../encap/address.js';
import { addressFromBigInt, addressToBigInt, familyBits } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import { firstAddress, lastAddress, prefixOf } from '../../encap/prefix.js';
import type { BlockRange } from '../config/read-blocks.js';

interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** Addresses that nobody gets, by family: sorted, disjoint. */
export type TakenSpace = Readonly<Record<Family, readonly Span[]>>;

export function takenSpace(prefixes: Iterable<Prefix>): TakenSpace {
  const spans: Record<Family, Span[]> = { 4: [], 6: [] };
  for (const prefix of prefixes) spans[prefix.family].push(spanOf(prefix));
  return { 4: joined(spans[4]), 6: joined(spans[6]) };
}

export function overlapsTaken(taken: TakenSpace, prefix: Prefix): boolean {
  const { first, last } = spanOf(prefix);
  const span = taken[prefix.family][firstAtOrBehind(taken[prefix.family], first)];
  return span !== undefined && span.first <= last;
}

export function blockCount(range: BlockRange): bigint {
  return 1n << BigInt(range.length - range.within.length);
}

export function freeCount(range: BlockRange, taken: TakenSpace): bigint {
  let count = 0n;
  for (const run of freeRuns(range, taken)) count += run.blocks;
  return count;
}

/** The lowest first. */
export function* freeBlocks(range: BlockRange, taken: TakenSpace): Generator<Prefix> {
  const { family } = range.within;
  const size = blockSize(range);
  for (const { first, blocks } of freeRuns(range, taken))
    for (let i = 0n; i < blocks; i++)
      yield prefixOf(addressFromBigInt(first + i * size, family), range.length);
}

interface Run {
  readonly first: bigint;
  readonly blocks: bigint;
}

function* freeRuns(range: BlockRange, taken: TakenSpace): Generator<Run> {
  const { first, last } = spanOf(range.within);
  const size = blockSize(range);
  const spans = taken[range.within.family];
  let at = first;
  for (let i = firstAtOrBehind(spans, first); at <= last; i++) {
    const span = spans[i];
    const end = span === undefined || span.first > last ? last + 1n : span.first;
    const blocks = end > at ? (end - at) / size : 0n;
    if (blocks > 0n) yield { first: at, blocks };
    if (span === undefined || span.last >= last) return;
    // The first whole block behind it.
    at = first + ((span.last - first) / size + 1n) * size;
  }
}

function blockSize(range: BlockRange): bigint {
  return 1n << BigInt(familyBits(range.within.family) - range.length);
}

function spanOf(prefix: Prefix): Span {
  return {
    first: addressToBigInt(firstAddress(prefix)),
    last: addressToBigInt(lastAddress(prefix)),
  };
}

function joined(spans: Span[]): readonly Span[] {
  spans.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: Span[] = [];
  for (const span of spans) {
    const before = result.at(-1);
    if (before === undefined || span.first > before.last + 1n) result.push(span);
    else if (span.last > before.last) result[result.length - 1] = { ...before, last: span.last };
  }
  return result;
}

/** Index of the first span that does not end before the address. */
function firstAtOrBehind(spans: readonly Span[], address: bigint): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.last < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
