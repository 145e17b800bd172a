/**
 * Several files as one cluster: mappings are merged by key, lists follow one another in the order of
 * the files (so rules of an earlier file match first), and what has one value is given once. Every
 * part remembers its file, so a problem has the place where it was written.
 */
import type { FilePart } from './file-set.js';
import { type Path, formatPath } from './problem.js';
import { type ReadText, readText, topOfFile } from './read-text.js';
import { type Locator, type Part, type Place, Report } from './report.js';
import { AmbiguousNumber } from './tree.js';

/** Where a part of the merged data was written. */
type Origin =
  /** With all that is below, in one file. */
  | { readonly kind: 'file'; readonly file: string; readonly locator: Locator; readonly path: Path }
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Origin> }
  | { readonly kind: 'list'; readonly items: readonly Origin[] };

interface Merged {
  readonly value: unknown;
  readonly origin: Origin;
}

/** `directory`: names what is about no file in particular. */
export function readFiles(parts: readonly FilePart[], directory: string): ReadText {
  const texts = parts.map(({ file, bytes }) => readText({ file, text: bytes }));
  let merged: Merged | undefined;
  let whole = true;
  for (const text of texts) {
    // Undefined is explained already; null holds nothing but comments.
    if (text.data === undefined) whole = false;
    if (text.data === undefined || text.data === null) continue;
    if (!isMapping(text.data)) {
      text.report.add({
        code: 'wrong-type',
        path: [],
        message: 'a cluster file is a mapping of keys to values',
        remedy: 'write keys such as "zones:", "rules:" or "nodes:"',
      });
      whole = false;
      continue;
    }
    const { data, report } = text;
    const next = { value: data, origin: fileOrigin(text) };
    merged = merged === undefined ? next : merge(merged, next, { path: [], report });
  }
  const locator = merged === undefined ? topOfFile : mergedLocator(merged.origin);
  const report = new Report(directory, locator);
  for (const text of texts) report.include(text.report.problems());
  return { data: whole ? (merged?.value ?? null) : undefined, report, locator };
}

function fileOrigin({ report, locator }: ReadText): Origin {
  return { kind: 'file', file: report.file, locator, path: [] };
}

interface Second {
  readonly path: Path;
  /** Of the file that comes second. */
  readonly report: Report;
}

function merge(first: Merged, second: Merged, { path, report }: Second): Merged {
  if (isMapping(first.value) && isMapping(second.value)) {
    const value: Record<string, unknown> = {};
    const entries = new Map<string, Origin>();
    for (const key of new Set([...Object.keys(first.value), ...Object.keys(second.value)])) {
      const [a, b] = [child(first, key), child(second, key)];
      const both =
        a !== undefined && b !== undefined ? merge(a, b, { path: [...path, key], report }) : a;
      const { value: inner, origin } = (both ?? b)!;
      value[key] = inner;
      entries.set(key, origin);
    }
    return { value, origin: { kind: 'map', entries } };
  }
  if (Array.isArray(first.value) && Array.isArray(second.value)) {
    const items = [first, second].flatMap(({ value, origin }) =>
      (value as readonly unknown[]).map((_, i) => below(origin, i)!),
    );
    return {
      value: [...(first.value as unknown[]), ...(second.value as unknown[])],
      origin: { kind: 'list', items },
    };
  }
  if (!isSameVersion(path, [first.value, second.value])) reportTwice(first, { path, report });
  return first;
}

/** Each file may say which version of the format it is written in. */
function isSameVersion(path: Path, [first, second]: readonly [unknown, unknown]): boolean {
  return formatPath(path) === 'version' && first === second;
}

function reportTwice(first: Merged, { path, report }: Second): void {
  const { file, line } = placeOf(first.origin, [], 'key');
  const isList = Array.isArray(first.value);
  report.add({
    code: 'duplicate-key',
    path,
    part: 'key',
    value: formatPath(path),
    message: `"${formatPath(path)}" is set already, in line ${line} of ${file}`,
    remedy: isList
      ? 'write this one as a list too, and both are put together'
      : 'keep one of them; only lists are put together',
  });
}

function child({ value, origin }: Merged, key: string): Merged | undefined {
  const record = value as Readonly<Record<string, unknown>>;
  return Object.hasOwn(record, key)
    ? { value: record[key], origin: below(origin, key)! }
    : undefined;
}

/** Undefined: nothing of that name was written. */
function below(origin: Origin, step: string | number): Origin | undefined {
  switch (origin.kind) {
    case 'file':
      return { ...origin, path: [...origin.path, step] };
    case 'map':
      return origin.entries.get(String(step));
    case 'list':
      return typeof step === 'number' ? origin.items[step] : undefined;
  }
}

function mergedLocator(root: Origin): Locator {
  const follow = (path: Path): { readonly origin: Origin; readonly rest: Path } => {
    let origin = root;
    for (const [i, step] of path.entries()) {
      const next = origin.kind === 'file' ? undefined : below(origin, step);
      if (next === undefined) return { origin, rest: path.slice(i) };
      origin = next;
    }
    return { origin, rest: [] };
  };
  return {
    locate: (path, part) => {
      const { origin, rest } = follow(path);
      // What is missing in all of the files is about none of them.
      if (origin === root && root.kind === 'map') return topOfFile.locate(path);
      return placeOf(origin, rest, part);
    },
    sourceText: (path) => {
      const { origin, rest } = follow(path);
      return origin.kind === 'file'
        ? origin.locator.sourceText([...origin.path, ...rest])
        : undefined;
    },
  };
}

/** Of what several files have written, the place of the first. */
function placeOf(origin: Origin, rest: Path, part?: Part): Place {
  switch (origin.kind) {
    case 'file':
      return {
        ...origin.locator.locate([...origin.path, ...rest], part),
        file: origin.file,
      };
    case 'map':
    case 'list': {
      const [first] = origin.kind === 'map' ? origin.entries.values() : origin.items;
      if (first === undefined) return topOfFile.locate(rest);
      return parentPlace(first);
    }
  }
}

/** Where the mapping or list around a part begins. */
function parentPlace(part: Origin): Place {
  return part.kind === 'file'
    ? placeOf({ ...part, path: part.path.slice(0, -1) }, [])
    : placeOf(part, []);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof AmbiguousNumber)
  );
}
