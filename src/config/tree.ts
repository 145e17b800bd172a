/**
 * The YAML tree as plain data, and the way back from a path in the data to its place in the file.
 *
 * Aliases and merge keys (`<<: *defaults`) are resolved here, with a budget: the expanded size is
 * counted before anything is expanded, so that a bomb of aliases costs nothing.
 */
import {
  type LineCounter,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
} from 'yaml';
import { maxAliasedValues, maxDepth } from './limits.js';
import type { ParsedDocument } from './document.js';
import type { Path } from './problem.js';
import type { Locator, Part, Report } from './report.js';

/** A number with a leading zero: octal for YAML 1.1, decimal for 1.2, so nobody's certain meaning. */
export class AmbiguousNumber {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

const mergeKey = '<<';

export class Tree implements Locator {
  readonly #root: Node | null;
  readonly #lines: LineCounter;
  readonly #aliases = new Map<Node, Node | undefined>();
  /** Made when first asked for: pairs by key. */
  readonly #indexes = new Map<YAMLMap, ReadonlyMap<string | undefined, Pair>>();

  constructor(parsed: ParsedDocument) {
    this.#root = parsed.document.contents;
    this.#lines = parsed.lines;
    this.#resolveAliases(parsed.document);
  }

  /** Plain data; undefined after a report of something that cannot be expanded. */
  toData(report: Report): unknown {
    if (this.#root === null) return null;
    const failed = this.#expansionProblem(report);
    return failed ? undefined : this.#data(this.#root, { path: [], report });
  }

  locate(path: Path, part: Part = 'value'): { line: number; column: number } {
    const offset = this.#offsetOf(path, part);
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  sourceText(path: Path): string | undefined {
    let node: unknown = this.#root;
    for (const step of path) node = this.#child(node, step)?.value;
    const target = this.#target(node);
    return isScalar(target) ? (target.source ?? String(target.value)) : undefined;
  }

  #offsetOf(path: Path, part: Part): number {
    let node: unknown = this.#root;
    let offset = startOf(node) ?? 0;
    for (const [i, step] of path.entries()) {
      const child = this.#child(node, step);
      if (child === undefined) break;
      const asKey = part === 'key' && i === path.length - 1;
      // A key without a value (`zones:`) has its place at the key.
      const valueStart = isEmptyScalar(child.value) ? undefined : startOf(child.value);
      offset = (asKey ? undefined : valueStart) ?? startOf(child.key) ?? valueStart ?? offset;
      node = child.value;
    }
    return offset;
  }

  /** Follows aliases, so that a place is where the value was written. */
  #target(node: unknown): Node | undefined {
    let target = node;
    for (let hops = 0; isAlias(target) && hops < maxDepth; hops++)
      target = this.#aliases.get(target);
    return isNode(target) ? target : undefined;
  }

  #child(node: unknown, step: string | number): { key: unknown; value: unknown } | undefined {
    const target = this.#target(node);
    if (isSeq(target)) {
      const item = typeof step === 'number' ? target.items[step] : undefined;
      return item === undefined ? undefined : { key: undefined, value: unwrapPair(item) };
    }
    return isMap(target) ? this.#entry(target, String(step), 0) : undefined;
  }

  /** The last pair with the key, as the last of duplicates wins; else what a merge brought in. */
  #entry(map: YAMLMap, name: string, depth: number): Pair | undefined {
    let index = this.#indexes.get(map);
    if (index === undefined) {
      index = new Map(map.items.map((pair) => [keyText(pair.key), pair]));
      this.#indexes.set(map, index);
    }
    const own = index.get(name);
    if (own !== undefined || depth > maxDepth || !index.has(mergeKey)) return own;
    for (const source of this.#mergeSources(map)) {
      const found = this.#entry(source, name, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #mergeSources(map: YAMLMap): YAMLMap[] {
    const sources: YAMLMap[] = [];
    for (const pair of map.items) {
      if (keyText(pair.key) !== mergeKey) continue;
      const target = this.#target(pair.value);
      const parts = isSeq(target) ? target.items : [target];
      for (const part of parts) {
        const source = this.#target(part);
        if (isMap(source)) sources.push(source);
      }
    }
    return sources;
  }

  /** One pass in document order, as an alias means the last anchor of its name before it. */
  #resolveAliases(document: Document.Parsed): void {
    const anchors = new Map<string, Node>();
    const stack: unknown[] = [document.contents];
    while (stack.length > 0) {
      const node = stack.pop();
      if (isPair(node)) {
        stack.push(node.value, node.key);
        continue;
      }
      if (isAlias(node)) {
        this.#aliases.set(node, anchors.get(node.source));
        continue;
      }
      if (!isNode(node)) continue;
      const anchor = (node as { anchor?: string }).anchor;
      if (anchor !== undefined && anchor !== '') anchors.set(anchor, node);
      if (isMap(node) || isSeq(node))
        for (let i = node.items.length - 1; i >= 0; i--) stack.push(node.items[i]);
    }
  }

  /** Reports aliases that cannot be followed or grow beyond the budget, and too deep a nesting. */
  #expansionProblem(report: Report): boolean {
    const extents = new Map<Node, Extent>();
    const open = new Set<Node>();
    let aliased = 0;
    let failed = false;
    const fail = (node: Node, finding: Omit<Parameters<Report['add']>[0], 'path'>): Extent => {
      const { line, col } = this.#lines.linePos(startOf(node) ?? 0);
      report.place({ ...finding, path: [], line, column: col });
      failed = true;
      return single;
    };
    const measure = (node: unknown, depth: number): Extent => {
      if (isPair(node)) return sum([measure(node.key, depth), measure(node.value, depth)], 0);
      if (!isNode(node)) return single;
      if (isAlias(node)) {
        const target = this.#aliases.get(node);
        if (target === undefined) return fail(node, unknownAlias(node.source));
        if (open.has(target)) return fail(node, circularAlias(node.source));
        const extent = extents.get(target) ?? single;
        if (depth + extent.height > maxDepth) return fail(node, tooDeep);
        aliased += extent.size;
        return extent;
      }
      if (!isMap(node) && !isSeq(node)) return single;
      if (depth > maxDepth) return fail(node, tooDeep);
      open.add(node);
      const parts: Extent[] = [];
      for (const item of node.items) {
        parts.push(measure(item, depth + 1));
        if (failed) break;
      }
      open.delete(node);
      const extent = sum(parts, 1);
      extents.set(node, extent);
      return extent;
    };
    measure(this.#root, 0);
    if (!failed && aliased > maxAliasedValues) {
      report.add(aliasBomb(aliased));
      failed = true;
    }
    return failed;
  }

  #data(node: unknown, context: { readonly path: Path; readonly report: Report }): unknown {
    const target = this.#target(node);
    if (isScalar(target)) {
      const { value, source, type } = target;
      return typeof value === 'number' && type === 'PLAIN' && /^[-+]?0[0-9]/.test(source ?? '')
        ? new AmbiguousNumber(source!)
        : value;
    }
    const { path, report } = context;
    if (isSeq(target))
      return target.items.map((item, i) =>
        this.#data(unwrapPair(item), { path: [...path, i], report }),
      );
    if (!isMap(target)) return null;
    const record: Record<string, unknown> = {};
    for (const source of this.#mergeSources(target).reverse())
      Object.assign(record, this.#data(source, context));
    const seen = new Map<string, Pair>();
    for (const pair of target.items) {
      const name = keyText(pair.key);
      const first = name === undefined ? undefined : seen.get(name);
      if (name !== undefined && first !== undefined)
        this.#duplicate(pair, { first, name, ...context });
      else if (name !== undefined) seen.set(name, pair);
      if (name === mergeKey) {
        this.#checkMerge(pair, context);
      } else if (name === undefined || name === '__proto__') {
        report.add({
          code: 'bad-key',
          path,
          value: name ?? '',
          message:
            name === undefined ? 'a mapping has a key that is not a word' : 'this key is reserved',
          remedy: 'write keys as plain words; quote what contains brackets, ":" or "?"',
        });
      } else {
        record[name] = this.#data(pair.value, { path: [...path, name], report });
      }
    }
    return record;
  }

  #duplicate(pair: Pair, context: { first: Pair; name: string; path: Path; report: Report }): void {
    const { first, name, path, report } = context;
    const { line, col } = this.#lines.linePos(startOf(pair.key) ?? 0);
    const firstLine = this.#lines.linePos(startOf(first.key) ?? 0).line;
    report.place({
      code: 'duplicate-key',
      path: [...path, name],
      part: 'key',
      line,
      column: col,
      value: name,
      message: `the key "${name}" stands in this mapping already, in line ${firstLine}`,
      remedy: 'keep one of them',
    });
  }

  #checkMerge(pair: Pair, context: { readonly path: Path; readonly report: Report }): void {
    const target = this.#target(pair.value);
    const parts = isSeq(target) ? target.items : [target];
    if (parts.every((part) => isMap(this.#target(part)))) return;
    context.report.add({
      code: 'wrong-type',
      path: [...context.path, mergeKey],
      message: 'only mappings can be merged with "<<"',
      remedy: 'write "<<: *anchor" with the anchor of a mapping',
    });
  }
}

/** Expanded: number of values, and levels of nesting. */
interface Extent {
  readonly size: number;
  readonly height: number;
}

const single: Extent = { size: 1, height: 0 };

function sum(parts: readonly Extent[], own: 0 | 1): Extent {
  let size = own;
  let height = 0;
  for (const part of parts) {
    size += part.size;
    if (part.height > height) height = part.height;
  }
  return { size, height: height + own };
}

const tooDeep = {
  code: 'nested-too-deeply',
  message: `lists and mappings are nested more than ${maxDepth} deep`,
  remedy: 'check for runaway brackets or indentation',
} as const;

function unknownAlias(name: string) {
  return {
    code: 'unknown-alias',
    value: `*${name}`,
    message: 'no anchor of this name stands before the alias',
    remedy: `write "&${name}" at the value meant, or quote the text`,
  } as const;
}

function circularAlias(name: string) {
  return {
    code: 'circular-alias',
    value: `*${name}`,
    message: 'the alias stands inside the value that it repeats',
    remedy: 'write the value out',
  } as const;
}

function aliasBomb(size: number) {
  return {
    code: 'alias-bomb',
    path: [],
    value: size > 1e9 ? 'more than a billion values' : `${size} values`,
    message: `aliases expand the file to more than ${maxAliasedValues} additional values`,
    remedy: 'write repeated parts out, or fewer aliases of aliases',
  } as const;
}

/** A list item written as `[a: 1]` is a pair by itself; it has no meaning here beyond its value. */
function unwrapPair(item: unknown): unknown {
  return isPair(item) ? item.value : item;
}

/** The key as text; numbers and the like as they are written. */
function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  if (typeof key.value === 'string') return key.value;
  return key.value === null || key.value === undefined
    ? undefined
    : (key.source ?? JSON.stringify(key.value));
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node.range?.[0] ?? undefined) : undefined;
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null && (node.source ?? '') === '';
}
