/**
 * Longest-prefix match, the one trie of the house.
 *
 * A multibit trie with a stride of eight: one node a byte of the address. Inside a node, a prefix
 * that ends there is a position of a binary heap, after Knuth's allotment routing table: index 1 is
 * the empty prefix, index 256 + byte a full byte, and parent = index >> 1, so a longer prefix has the
 * larger index. A node with few prefixes holds them in a short list, longest first; one with many
 * holds, for each of the 256 bytes, the longest prefix that covers it. Children likewise: a short list
 * or a table. Sparse IPv6 tables would otherwise cost kilobytes a node, and dense IPv4 ones a search.
 *
 * Lookups take the bytes of a packet as they are.
 */
import type { Family } from './address.js';
import { familyBits } from './address.js';
import type { Prefix } from './prefix.js';

interface Entry<T> {
  readonly prefix: Prefix;
  /** Position in the heap of the node it ends in. */
  readonly index: number;
  value: T;
}

interface Node<T> {
  /** Prefixes that end in this node, longest first. */
  own: Entry<T>[];
  /** The longest of `own` that covers each byte, once there are many. */
  best: (Entry<T> | undefined)[] | undefined;
  childBytes: number[];
  childNodes: Node<T>[];
  /** By byte, once there are many. */
  children: (Node<T> | undefined)[] | undefined;
}

/** Above this a list becomes a table; it stays one. */
const listMax = 6;

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
    const existing = find(node, index);
    if (existing !== undefined) {
      existing.value = value;
      return;
    }
    const entry: Entry<T> = { prefix, index, value };
    const position = node.own.findIndex((other) => other.index < index);
    node.own.splice(position < 0 ? node.own.length : position, 0, entry);
    this.#size++;
    if (node.best !== undefined) fill(node, index);
    else if (node.own.length > listMax) {
      node.best = new Array<Entry<T> | undefined>(256).fill(undefined);
      fill(node, 1);
    }
  }

  delete(prefix: Prefix): boolean {
    this.#check(prefix);
    const found = this.#locate(prefix, false);
    const entry = found && find(found.node, found.index);
    if (found === undefined || entry === undefined) return false;
    const { node, index } = found;
    node.own.splice(node.own.indexOf(entry), 1);
    this.#size--;
    if (node.own.length === 0) node.best = undefined;
    if (node.best !== undefined) fill(node, index);
    this.#prune(prefix);
    return true;
  }

  /** The value of exactly this prefix. */
  get(prefix: Prefix): T | undefined {
    if (prefix.family !== this.family) return undefined;
    const found = this.#locate(prefix, false);
    return found && find(found.node, found.index)?.value;
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
      for (const entry of node.own) yield [entry.prefix, entry.value];
      stack.push(...node.childNodes);
    }
  }

  #match(bytes: Uint8Array, offset: number): Entry<T> | undefined {
    const depth = familyBits(this.family) >> 3;
    let found: Entry<T> | undefined;
    let node: Node<T> | undefined = this.#root;
    for (let i = 0; i < depth && node !== undefined; i++) {
      const byte = bytes[offset + i]!;
      const here = node.best === undefined ? covering(node, byte) : node.best[byte];
      if (here !== undefined) found = here;
      node = child(node, byte);
    }
    return found;
  }

  /** The node that a prefix ends in, and its heap index there. */
  #locate(prefix: Prefix, create: boolean): { node: Node<T>; index: number } | undefined {
    const last = prefix.length === 0 ? 0 : (prefix.length - 1) >> 3;
    let node = this.#root;
    for (let i = 0; i < last; i++) {
      const byte = prefix.bytes[i]!;
      let next = child(node, byte);
      if (next === undefined) {
        if (!create) return undefined;
        next = newNode();
        adopt(node, byte, next);
      }
      node = next;
    }
    const bits = prefix.length - last * 8;
    return { node, index: (1 << bits) | (prefix.bytes[last]! >> (8 - bits)) };
  }

  /** Drops the nodes on the way to `prefix` that hold nothing any more. */
  #prune(prefix: Prefix): void {
    const path: { parent: Node<T>; byte: number }[] = [];
    let node: Node<T> | undefined = this.#root;
    for (let i = 0; i * 8 < prefix.length - 8 && node !== undefined; i++) {
      const byte = prefix.bytes[i]!;
      path.push({ parent: node, byte });
      node = child(node, byte);
    }
    for (const { parent, byte } of path.reverse()) {
      const last = child(parent, byte);
      if (last === undefined || last.own.length > 0 || last.childNodes.length > 0) return;
      disown(parent, byte);
    }
  }

  #check(prefix: Prefix): void {
    if (prefix.family !== this.family)
      throw new RangeError(`an IPv${this.family} table cannot hold ${prefix.text}`);
  }
}

function newNode<T>(): Node<T> {
  return { own: [], best: undefined, childBytes: [], childNodes: [], children: undefined };
}

function find<T>(node: Node<T>, index: number): Entry<T> | undefined {
  return node.own.find((entry) => entry.index === index);
}

/** Does a heap position cover a byte? Both are brought to the same depth of the heap. */
function covers(index: number, byte: number): boolean {
  return (256 + byte) >> (Math.clz32(index) - 23) === index;
}

function covering<T>(node: Node<T>, byte: number): Entry<T> | undefined {
  for (const entry of node.own) if (covers(entry.index, byte)) return entry;
  return undefined;
}

/** Works out again which prefix is best for every byte that a heap position covers. */
function fill<T>(node: Node<T>, index: number): void {
  const shift = Math.clz32(index) - 23;
  const first = (index << shift) - 256;
  for (let byte = first; byte < first + (1 << shift); byte++)
    node.best![byte] = covering(node, byte);
}

function child<T>(node: Node<T>, byte: number): Node<T> | undefined {
  if (node.children !== undefined) return node.children[byte];
  const position = node.childBytes.indexOf(byte);
  return position < 0 ? undefined : node.childNodes[position];
}

function adopt<T>(node: Node<T>, byte: number, next: Node<T>): void {
  node.childBytes.push(byte);
  node.childNodes.push(next);
  if (node.children !== undefined) {
    node.children[byte] = next;
  } else if (node.childBytes.length > listMax) {
    node.children = new Array<Node<T> | undefined>(256).fill(undefined);
    for (const [position, each] of node.childBytes.entries())
      node.children[each] = node.childNodes[position];
  }
}

function disown<T>(node: Node<T>, byte: number): void {
  const position = node.childBytes.indexOf(byte);
  node.childBytes.splice(position, 1);
  node.childNodes.splice(position, 1);
  if (node.children !== undefined) node.children[byte] = undefined;
}
