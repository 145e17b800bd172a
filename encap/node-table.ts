/**
 * A persistent map of nodes: `with` and `without` cost the square root of the size, not the size,
 * because the changed entries sit in a small layer above a shared base that is merged now and then.
 */
import type { ClusterNode, NodeTable } from './cluster.js';

class LayeredNodeTable implements NodeTable {
  readonly size: number;
  readonly #base: ReadonlyMap<string, ClusterNode>;
  /** Undefined marks a removed entry. */
  readonly #layer: ReadonlyMap<string, ClusterNode | undefined>;

  constructor(
    base: ReadonlyMap<string, ClusterNode>,
    layer: ReadonlyMap<string, ClusterNode | undefined>,
  ) {
    this.#base = base;
    this.#layer = layer;
    let size = base.size;
    for (const [name, node] of layer) size += Number(node !== undefined) - Number(base.has(name));
    this.size = size;
  }

  get(name: string): ClusterNode | undefined {
    return this.#layer.has(name) ? this.#layer.get(name) : this.#base.get(name);
  }

  *values(): IterableIterator<ClusterNode> {
    for (const [name, node] of this.#base) if (!this.#layer.has(name)) yield node;
    for (const node of this.#layer.values()) if (node !== undefined) yield node;
  }

  set(name: string, node: ClusterNode | undefined): LayeredNodeTable {
    const layer = new Map(this.#layer);
    layer.set(name, node);
    if (layer.size * layer.size <= this.#base.size) return new LayeredNodeTable(this.#base, layer);
    const merged = new Map(this.#base);
    for (const [key, value] of layer) {
      if (value === undefined) merged.delete(key);
      else merged.set(key, value);
    }
    return new LayeredNodeTable(merged, new Map());
  }
}

export function nodeTable(nodes: Iterable<ClusterNode>): NodeTable {
  return new LayeredNodeTable(new Map([...nodes].map((node) => [node.name, node])), new Map());
}

/** The table with this record added or replaced. */
export function withNode(table: NodeTable, node: ClusterNode): NodeTable {
  return layered(table).set(node.name, node);
}

export function withoutNode(table: NodeTable, name: string): NodeTable {
  return table.get(name) === undefined ? table : layered(table).set(name, undefined);
}

function layered(table: NodeTable): LayeredNodeTable {
  return table instanceof LayeredNodeTable
    ? table
    : new LayeredNodeTable(
        new Map([...table.values()].map((node) => [node.name, node])),
        new Map(),
      );
}
