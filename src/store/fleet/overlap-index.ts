/**
 * Finds what overlaps a prefix among many prefixes, at a cost that does not grow with their number.
 * Two prefixes overlap when one holds the other. Those that hold it are looked up by the lengths in
 * use; those that it holds are in the bucket of its first whole bytes, which is rarely a large one.
 */
import type { Family } from '../../../encap/address.js';
import type { Prefix } from '../../../encap/prefix.js';
import { firstAddress, prefixCovers, prefixOf } from '../../../encap/prefix.js';

interface Item<T> {
  readonly prefix: Prefix;
  readonly value: T;
}

export class OverlapIndex<T> {
  readonly #exact = new Map<string, Set<Item<T>>>();
  readonly #buckets = new Map<string, Set<Item<T>>>();
  readonly #lengths: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() };
  readonly #items = new Map<T, Item<T>[]>();

  /** The same value may stand for several prefixes. */
  add(prefix: Prefix, value: T): void {
    const item = { prefix, value };
    push(this.#exact, prefix.text, item);
    for (let bytes = 0; bytes <= prefix.length >> 3; bytes++)
      push(this.#buckets, bucketOf(prefix, bytes), item);
    const lengths = this.#lengths[prefix.family];
    lengths.set(prefix.length, (lengths.get(prefix.length) ?? 0) + 1);
    const own = this.#items.get(value);
    if (own === undefined) this.#items.set(value, [item]);
    else own.push(item);
  }

  /** With all of its prefixes. */
  remove(value: T): void {
    for (const item of this.#items.get(value) ?? []) {
      const { prefix } = item;
      drop(this.#exact, prefix.text, item);
      for (let bytes = 0; bytes <= prefix.length >> 3; bytes++)
        drop(this.#buckets, bucketOf(prefix, bytes), item);
      const lengths = this.#lengths[prefix.family];
      const left = lengths.get(prefix.length)! - 1;
      if (left === 0) lengths.delete(prefix.length);
      else lengths.set(prefix.length, left);
    }
    this.#items.delete(value);
  }

  *overlapping(prefix: Prefix): IterableIterator<T> {
    const address = firstAddress(prefix);
    for (const length of this.#lengths[prefix.family].keys())
      if (length < prefix.length)
        for (const { value } of this.#exact.get(prefixOf(address, length).text) ?? []) yield value;
    for (const item of this.#buckets.get(bucketOf(prefix, prefix.length >> 3)) ?? [])
      if (prefixCovers(prefix, item.prefix)) yield item.value;
  }
}

function bucketOf(prefix: Prefix, bytes: number): string {
  return `${prefix.family}${String.fromCharCode(...prefix.bytes.subarray(0, bytes))}`;
}

function push<T>(map: Map<string, Set<T>>, key: string, item: T): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([item]));
  else set.add(item);
}

function drop<T>(map: Map<string, Set<T>>, key: string, item: T): void {
  const set = map.get(key);
  set?.delete(item);
  if (set?.size === 0) map.delete(key);
}
