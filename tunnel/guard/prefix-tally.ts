/**
 * A set of prefixes in which several may have the same one or lie inside of another's, and of which
 * only those count that no other covers (`maximal` in facts.ts). Tells what a few more or fewer
 * change, without a look at all of them.
 */
import type { Prefix } from '../../encap/prefix.js';
import { comparePrefixes, firstAddress, prefixCovers, prefixOf } from '../../encap/prefix.js';
import { maximal } from './facts.js';
import type { Exchange } from './guard.js';

export class PrefixTally {
  readonly #counts = new Map<string, number>();
  /** Each prefix once, in order: what a prefix covers comes right behind it. */
  readonly #sorted: Prefix[];
  /** How many of `#sorted` there are of a family and length. */
  readonly #lengths = new Map<string, number>();

  constructor(prefixes: readonly Prefix[]) {
    const fresh = prefixes.filter(({ text }) => this.#count(text, 1) === 1);
    this.#sorted = fresh.sort(comparePrefixes);
    for (const prefix of fresh) this.#countLength(prefix, 1);
  }

  exchange({ gone, come }: Exchange<Prefix>): Exchange<Prefix> {
    const touched = [...gone, ...come];
    const before = new Map<string, Prefix>();
    for (const prefix of touched)
      for (const each of this.#maximalAround(prefix)) before.set(each.text, each);
    for (const prefix of gone) this.#remove(prefix);
    for (const prefix of come) this.#add(prefix);
    const after = new Map<string, Prefix>();
    for (const prefix of touched)
      for (const each of this.#maximalAround(prefix)) after.set(each.text, each);
    return {
      gone: [...before.values()].filter(({ text }) => !after.has(text)),
      come: [...after.values()].filter(({ text }) => !before.has(text)),
    };
  }

  /** What stands for this part of the address space. */
  #maximalAround(prefix: Prefix): readonly Prefix[] {
    const first = firstAddress(prefix);
    for (let length = 0; length < prefix.length; length++) {
      if (!this.#lengths.has(`${prefix.family}/${length}`)) continue;
      const outer = prefixOf(first, length);
      if (this.#counts.has(outer.text)) return [outer];
    }
    const inside: Prefix[] = [];
    for (let at = this.#position(prefix); at < this.#sorted.length; at++) {
      const each = this.#sorted[at]!;
      if (!prefixCovers(prefix, each)) break;
      inside.push(each);
    }
    return maximal(inside);
  }

  #add(prefix: Prefix): void {
    if (this.#count(prefix.text, 1) > 1) return;
    this.#sorted.splice(this.#position(prefix), 0, prefix);
    this.#countLength(prefix, 1);
  }

  #remove(prefix: Prefix): void {
    if (!this.#counts.has(prefix.text) || this.#count(prefix.text, -1) > 0) return;
    this.#sorted.splice(this.#position(prefix), 1);
    this.#countLength(prefix, -1);
  }

  /** Of the first that is not before it. */
  #position(prefix: Prefix): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePrefixes(this.#sorted[middle]!, prefix) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #count(text: string, by: 1 | -1): number {
    return changeCount(this.#counts, text, by);
  }

  #countLength({ family, length }: Prefix, by: 1 | -1): void {
    changeCount(this.#lengths, `${family}/${length}`, by);
  }
}

/** The new count; what is down to nothing is forgotten. */
export function changeCount(counts: Map<string, number>, key: string, by: 1 | -1): number {
  const count = (counts.get(key) ?? 0) + by;
  if (count <= 0) counts.delete(key);
  else counts.set(key, count);
  return count;
}
