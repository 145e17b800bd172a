/**
 * A set of IPv4 addresses, made of prefixes: sorted, disjoint ranges searched by halves.
 *
 * A peer's inner sources are such a set, one a peer, so it must be small: a trie each would cost
 * its root table ten thousand times.
 */
import type { Prefix } from '../../encap/prefix.js';
import { readU32 } from './packet.js';

export class AddressRanges {
  /** Pairs of first and last address, ascending, neither overlapping nor adjacent. */
  readonly #bounds: Uint32Array;

  /** Prefixes of the other family hold no IPv4 address and are left out. */
  constructor(prefixes: readonly Prefix[]) {
    const ranges = prefixes
      .filter((prefix) => prefix.family === 4)
      .map((prefix) => {
        const first = readU32(prefix.bytes, 0);
        return { first, last: first + 2 ** (32 - prefix.length) - 1 };
      })
      .sort((a, b) => a.first - b.first);
    const merged: { first: number; last: number }[] = [];
    for (const range of ranges) {
      const before = merged.at(-1);
      if (before !== undefined && range.first <= before.last + 1)
        before.last = Math.max(before.last, range.last);
      else merged.push(range);
    }
    this.#bounds = Uint32Array.from(merged.flatMap(({ first, last }) => [first, last]));
  }

  has(address: number): boolean {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[2 * middle + 1]! < address) low = middle + 1;
      else high = middle;
    }
    return 2 * low < bounds.length && bounds[2 * low]! <= address;
  }
}
