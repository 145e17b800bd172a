/**
 * How the pairs of two classes divide by which of their identities are equal, without looking at
 * the pairs one by one.
 *
 * Pairs that agree in a set of identities *at least* are a join: the same key on both sides, so
 * sizes multiply. Pairs that agree in *exactly* a set follow by inclusion and exclusion.
 */
import type { Cell, NodeClass } from './classes.js';

export interface RelationKind {
  /** Ordered pairs from the one class to the other. */
  readonly pairs: number;
  /** One of them, by name. */
  readonly example: readonly [string, string];
}

/** The kinds of pairs that really occur; for a class with itself, of two different nodes. */
export function relationKinds(a: NodeClass, b: NodeClass): readonly RelationKind[] {
  const total = a === b ? a.size * (a.size - 1) : a.size * b.size;
  if (total === 0) return [];
  // Identities that no pair or every pair shares do not divide them.
  const telling = a.cells[0]!.ids.flatMap((_, i) => {
    const shared = pairsAgreeing(a, b, [i]);
    return shared > 0 && shared < total ? [i] : [];
  });
  const subsets = subsetsOf(telling);
  const atLeast = subsets.map((subset) =>
    subset.length === 0 ? total : pairsAgreeing(a, b, subset),
  );
  return subsets.flatMap((subset, mask) => {
    let pairs = 0;
    for (let wider = mask; wider < subsets.length; wider++)
      if ((wider & mask) === mask) {
        const sign = (subsets[wider]!.length - subset.length) % 2 === 0 ? 1 : -1;
        pairs += sign * atLeast[wider]!;
      }
    return pairs === 0 ? [] : [{ pairs, example: witness(a, b, { subset, telling }) }];
  });
}

/** Every subset; bit i of the position says whether the i-th is in it. */
function subsetsOf(ids: readonly number[]): readonly (readonly number[])[] {
  return Array.from({ length: 1 << ids.length }, (_, mask) =>
    ids.filter((__, i) => (mask & (1 << i)) !== 0),
  );
}

interface Entry {
  count: number;
  readonly cells: Cell[];
}

type Index = ReadonlyMap<string, Entry>;

const indexes = new WeakMap<NodeClass, Map<string, Index>>();

/** The cells of a class by some of their identities; cells that lack one are in no entry. */
function indexOf(from: NodeClass, subset: readonly number[]): Index {
  let known = indexes.get(from);
  if (known === undefined) indexes.set(from, (known = new Map<string, Index>()));
  const name = subset.join(' ');
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const index = new Map<string, Entry>();
  for (const cell of from.cells) {
    const own = subset.map((i) => cell.ids[i]!);
    if (own.some((id) => id < 0)) continue;
    const key = own.join(' ');
    let entry = index.get(key);
    if (entry === undefined) index.set(key, (entry = { count: 0, cells: [] }));
    entry.count += cell.count;
    entry.cells.push(cell);
  }
  known.set(name, index);
  return index;
}

function pairsAgreeing(a: NodeClass, b: NodeClass, subset: readonly number[]): number {
  let pairs = 0;
  for (const [left, right] of joined(a, b, subset))
    pairs += left.count * (a === b ? right.count - 1 : right.count);
  return pairs;
}

function* joined(
  a: NodeClass,
  b: NodeClass,
  subset: readonly number[],
): IterableIterator<readonly [Entry, Entry]> {
  const [left, right] = [indexOf(a, subset), indexOf(b, subset)];
  if (left.size <= right.size) {
    for (const [key, entry] of left) {
      const other = right.get(key);
      if (other !== undefined) yield [entry, other];
    }
    return;
  }
  for (const [key, other] of right) {
    const entry = left.get(key);
    if (entry !== undefined) yield [entry, other];
  }
}

/** Two nodes that agree in exactly the subset; there is such a pair. */
function witness(
  a: NodeClass,
  b: NodeClass,
  kind: { readonly subset: readonly number[]; readonly telling: readonly number[] },
): readonly [string, string] {
  const others = kind.telling.filter((i) => !kind.subset.includes(i));
  const found = (left: readonly Cell[], right: readonly Cell[]): [string, string] | undefined => {
    for (const one of left)
      for (const two of right) {
        if (others.some((i) => one.ids[i]! >= 0 && one.ids[i] === two.ids[i])) continue;
        const second = one === two ? two.names[1] : two.names[0];
        if (second !== undefined) return [one.names[0]!, second];
      }
    return undefined;
  };
  if (kind.subset.length === 0) return found(a.cells, b.cells)!;
  for (const [left, right] of joined(a, b, kind.subset)) {
    const pair = found(left.cells, right.cells);
    if (pair !== undefined) return pair;
  }
  throw new RangeError('no pair of a kind that was counted');
}
