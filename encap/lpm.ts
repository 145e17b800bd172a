/**
 * Longest-prefix match, the one trie of the house.
 *
 * A multibit trie with a stride of eight: one node a byte of the address. Inside a node the
 * prefixes that end there form a complete binary heap (index 1 is the node's empty prefix, index
 * 256 + byte a full byte; parent = index >> 1), after Knuth's allotment routing table: `best[i]`
 * holds the longest prefix that covers heap position i, so a lookup reads one slot a byte and an
 * update touches only the positions below it. Nodes with few prefixes keep no `best` table and
 * walk up the heap instead, since sparse IPv6 tables would otherwise cost 4 KiB a node.
 *
 * Lookups take the bytes of a packet as they are.
 */
import type { Family } from './address.js';
import { familyBits } from './address.js';
import type { Prefix } from './prefix.js';

interface Entry<T> {
  readonly prefix: Prefix;
  value: T;
}

interface Node<T> {
  /** Prefixes that end in this node, by heap index. */
  readonly own: Map<number, Entry<T>>;
  best: (Entry<T> | undefined)[] | undefined;
  readonly children: Map<number, Node<T>>;
}

const denseThreshold = 6;

export class Lpm<T> {
  readonly family: Family;
  #size = 0;
  #root: Node<T> = newNode();

  constructor(family: Family) {
    this.family = family;
  }

  get size(): number {
    return this.#size;
  }

  set(prefix: Prefix, value: T): void {
    this.#check(prefix);
    const { node, index } = this.#locate(prefix, true)!;
    const existing = node.own.get(index);
    if (existing !== undefined) {
      existing.value = value;
      return;
    }
    const entry: Entry<T> = { prefix, value };
    node.own.set(index, entry);
    this.#size++;
    if (node.best !== undefined) allot(node.best, index, coveringOwn(node, index >> 1), entry);
    else if (node.own.size > denseThreshold) node.best = allotAll(node);
  }

  delete(prefix: Prefix): boolean {
    this.#check(prefix);
    const found = this.#locate(prefix, false);
    const entry = found?.node.own.get(found.index);
    if (found === undefined || entry === undefined) return false;
    const { node, index } = found;
    node.own.delete(index);
    this.#size--;
    if (node.best !== undefined) {
      if (node.own.size === 0) node.best = undefined;
      else allot(node.best, index, entry, coveringOwn(node, index >> 1));
    }
    this.#prune(prefix);
    return true;
  }

  /** The value of exactly this prefix. */
  get(prefix: Prefix): T | undefined {
    if (prefix.family !== this.family) return undefined;
    const found = this.#locate(prefix, false);
    return found?.node.own.get(found.index)?.value;
  }

  /** The value of the longest prefix that holds the address at `offset` of `bytes`. */
  lookup(bytes: Uint8Array, offset = 0): T | undefined {
    return this.#match(bytes, offset)?.value;
  }

  /** As `lookup`, with the prefix that matched. */
  match(bytes: Uint8Array, offset = 0): { readonly prefix: Prefix; readonly value: T } | undefined {
    return this.#match(bytes, offset);
  }

  *entries(): IterableIterator<[Prefix, T]> {
    const stack = [this.#root];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      for (const entry of node.own.values()) yield [entry.prefix, entry.value];
      stack.push(...node.children.values());
    }
  }

  #match(bytes: Uint8Array, offset: number): Entry<T> | undefined {
    const depth = familyBits(this.family) >> 3;
    let found: Entry<T> | undefined;
    let node: Node<T> | undefined = this.#root;
    for (let i = 0; i < depth && node !== undefined; i++) {
      const byte = bytes[offset + i]!;
      const best = node.best;
      const here: Entry<T> | undefined =
        best !== undefined ? best[256 + byte] : coveringOwn(node, 256 + byte);
      if (here !== undefined) found = here;
      node = node.children.get(byte);
    }
    return found;
  }

  /** The node that a prefix ends in, and its heap index there. */
  #locate(prefix: Prefix, create: boolean): { node: Node<T>; index: number } | undefined {
    const last = prefix.length === 0 ? 0 : (prefix.length - 1) >> 3;
    let node = this.#root;
    for (let i = 0; i < last; i++) {
      const byte = prefix.bytes[i]!;
      let child = node.children.get(byte);
      if (child === undefined) {
        if (!create) return undefined;
        child = newNode();
        node.children.set(byte, child);
      }
      node = child;
    }
    const bits = prefix.length - last * 8;
    return { node, index: (1 << bits) | (prefix.bytes[last]! >> (8 - bits)) };
  }

  /** Drops the nodes on the way to `prefix` that hold nothing any more. */
  #prune(prefix: Prefix): void {
    const path: { parent: Node<T>; byte: number }[] = [];
    let node: Node<T> | undefined = this.#root;
    for (let i = 0; i * 8 < prefix.length - 8; i++) {
      const byte = prefix.bytes[i]!;
      path.push({ parent: node, byte });
      node = node.children.get(byte);
      if (node === undefined) break;
    }
    for (const { parent, byte } of path.reverse()) {
      const child = parent.children.get(byte);
      if (child === undefined || child.own.size > 0 || child.children.size > 0) return;
      parent.children.delete(byte);
    }
  }

  #check(prefix: Prefix): void {
    if (prefix.family !== this.family)
      throw new RangeError(`an IPv${this.family} table cannot hold ${prefix.text}`);
  }
}

function newNode<T>(): Node<T> {
  return { own: new Map(), best: undefined, children: new Map() };
}

/** The longest prefix of the node at or above a heap index. */
function coveringOwn<T>(node: Node<T>, index: number): Entry<T> | undefined {
  if (node.own.size === 0) return undefined;
  for (let i = index; i > 0; i >>= 1) {
    const entry = node.own.get(i);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Hands the positions below `index` that held `from` over to `to`. */
function allot<T>(
  best: (Entry<T> | undefined)[],
  index: number,
  from: Entry<T> | undefined,
  to: Entry<T> | undefined,
): void {
  if (best[index] !== from) return;
  best[index] = to;
  if (index >= 256) return;
  allot(best, index * 2, from, to);
  allot(best, index * 2 + 1, from, to);
}

function allotAll<T>(node: Node<T>): (Entry<T> | undefined)[] {
  const best = new Array<Entry<T> | undefined>(512).fill(undefined);
  for (let i = 1; i < 512; i++) best[i] = node.own.get(i) ?? best[i >> 1];
  return best;
}
