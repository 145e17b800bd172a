/**
 * Values by key, where nearly every key has one value: ten thousand sets of one each would be larger
 * than what is in them, so a set is made for a second value only.
 */
export class Bags<Key, Value extends object> {
  readonly #bags = new Map<Key, Value | Set<Value>>();

  add(key: Key, value: Value): void {
    const bag = this.#bags.get(key);
    if (bag === undefined) this.#bags.set(key, value);
    else if (bag instanceof Set) bag.add(value);
    else if (bag !== value) this.#bags.set(key, new Set([bag, value]));
  }

  delete(key: Key, value: Value): void {
    const bag = this.#bags.get(key);
    if (bag === value) this.#bags.delete(key);
    else if (bag instanceof Set && bag.delete(value) && bag.size === 1)
      for (const left of bag) this.#bags.set(key, left);
  }

  /** All of the key, in the order in which they came. */
  get(key: Key): Iterable<Value> {
    const bag = this.#bags.get(key);
    if (bag === undefined) return [];
    return bag instanceof Set ? bag : [bag];
  }

  /** With all of its values. */
  clear(key: Key): void {
    this.#bags.delete(key);
  }
}
