/**
 * Finds what overlaps a prefix among many prefixes, at a cost that does not grow with their number.
 * Two prefixes overlap when one holds the other. Those that hold it are looked up by the lengths in
 * use; those that it holds are in the bucket of its first whole bytes, which is rarely a large one.
 */
import type { Family } from '../../../encap/address.js';
import type { Prefix } from '../../../encap/prefix.js';
import { firstAddress, prefixCovers, prefixOf } from '../../../encap/prefix.js';
import { Bags } from './bags.js';

interface Item<T> {
  readonly prefix: Prefix;
  readonly value: T;
}

export class OverlapIndex<T> {
  readonly #exact = new Bags<string, Item<T>>();
  readonly #buckets = new Bags<string, Item<T>>();
  readonly #lengths: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() };
  readonly #items = new Bags<T, Item<T>>();

  /** The same value may stand for several prefixes. */
  add(prefix: Prefix, value: T): void {
    const item = { prefix, value };
    this.#exact.add(prefix.text, item);
    for (let bytes = 0; bytes <= prefix.length >> 3; bytes++)
      this.#buckets.add(bucketOf(prefix, bytes), item);
    const lengths = this.#lengths[prefix.family];
    lengths.set(prefix.length, (lengths.get(prefix.length) ?? 0) + 1);
    this.#items.add(value, item);
  }

  /** With all of its prefixes. */
  remove(value: T): void {
    for (const item of this.#items.get(value)) {
      const { prefix } = item;
      this.#exact.delete(prefix.text, item);
      for (let bytes = 0; bytes <= prefix.length >> 3; bytes++)
        this.#buckets.delete(bucketOf(prefix, bytes), item);
      const lengths = this.#lengths[prefix.family];
      const left = lengths.get(prefix.length)! - 1;
      if (left === 0) lengths.delete(prefix.length);
      else lengths.set(prefix.length, left);
    }
    this.#items.clear(value);
  }

  *overlapping(prefix: Prefix): IterableIterator<T> {
    const address = firstAddress(prefix);
    for (const length of this.#lengths[prefix.family].keys())
      if (length < prefix.length)
        for (const { value } of this.#exact.get(prefixOf(address, length).text)) yield value;
    for (const item of this.#buckets.get(bucketOf(prefix, prefix.length >> 3)))
      if (prefixCovers(prefix, item.prefix)) yield item.value;
  }
}

/** Byte by byte: by `subarray` the prefix would get a buffer outside the heap for good. */
function bucketOf(prefix: Prefix, bytes: number): string {
  const codes: number[] = [prefix.family];
  for (let i = 0; i < bytes; i++) codes.push(prefix.bytes[i]!);
  return String.fromCharCode(...codes);
}
