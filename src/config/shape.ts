/**
 * Reads one entry of the file by its schema and goes on behind mistakes: what is wrong is
 * reported, the rest of the entry is still there, and `bad` says which keys must not be missed.
 */
import * as z from 'zod';
import { oddCharacter } from './characters.js';
import { nearestKey } from './nearest.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import {
  expectation,
  missingRemedies,
  outOfRange,
  unknownValue,
  wrongType,
} from './shape-messages.js';

export interface Entry<T> {
  readonly value: Partial<T>;
  /** Keys that were written, but wrongly. */
  readonly bad: ReadonlySet<string>;
  readonly path: Path;
}

type ObjectSchema = z.ZodObject<z.ZodRawShape>;
type Issue = z.core.$ZodIssue;

interface Context {
  readonly schema: ObjectSchema;
  readonly path: Path;
  readonly report: Report;
}

/** Undefined when it is not a mapping at all. */
export function readEntry<S extends ObjectSchema>(
  raw: unknown,
  context: { readonly schema: S; readonly path: Path; readonly report: Report },
): Entry<z.infer<S>> | undefined {
  const { schema, path } = context;
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { value: parsed.data, bad: noKeys, path };
  const bad = new Set<string>();
  const unknown = new Set<string>();
  const issues = parsed.error.issues.flatMap((issue) => leaves(issue, raw));
  // Unknown keys first: the key that was meant is not missing as well.
  for (const issue of issues)
    if (issue.code === 'unrecognized_keys') reportUnknownKeys(issue, { ...context, bad, unknown });
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') continue;
    const key = issue.path[0];
    if (key === undefined) {
      reportIssue(issue, raw, context);
      return undefined;
    }
    const missing = issue.path.length === 1 && !Object.hasOwn(raw as object, key);
    if (!(missing && bad.has(String(key)))) reportIssue(issue, raw, context);
    bad.add(String(key));
  }
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw as Record<string, unknown>))
    if (!bad.has(key) && !unknown.has(key)) rest[key] = value;
  return { value: partialOf(schema).parse(rest) as Partial<z.infer<S>>, bad, path };
}

const noKeys: ReadonlySet<string> = new Set();
const partials = new WeakMap<ObjectSchema, ObjectSchema>();

function partialOf(schema: ObjectSchema): ObjectSchema {
  const known = partials.get(schema) ?? schema.partial();
  partials.set(schema, known);
  return known;
}

/**
 * For a union the issues of the branch whose type fits; paths are then from the entry's root. A
 * scalar that is none of an enum's words fits the enum, a list or mapping does not.
 */
function leaves(issue: Issue, raw: unknown): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const scalar = typeof valueAt(raw, issue.path) === 'string';
  const branch = issue.errors.find(
    (inner) =>
      !inner.some(
        ({ path, code }) =>
          path.length === 0 && (code === 'invalid_type' || (code === 'invalid_value' && !scalar)),
      ),
  );
  if (branch === undefined) return [issue];
  return branch.flatMap((inner) => leaves({ ...inner, path: [...issue.path, ...inner.path] }, raw));
}

function reportUnknownKeys(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  context: Context & { readonly bad: Set<string>; readonly unknown: Set<string> },
): void {
  const known = knownKeys(context.schema, issue.path);
  for (const key of issue.keys) {
    const meant = nearestKey(key, known);
    if (issue.path.length === 0) {
      context.unknown.add(key);
      if (meant !== undefined) context.bad.add(meant);
    } else {
      context.bad.add(String(issue.path[0]));
    }
    const odd = oddCharacter(key);
    context.report.add({
      code: 'unknown-key',
      path: [...context.path, ...steps(issue.path), key],
      part: 'key',
      value: key,
      message: odd === undefined ? `unknown key "${key}"` : `the key holds the character ${odd}`,
      remedy: meant === undefined ? `known here: ${known.join(', ')}` : `did you mean "${meant}"?`,
    });
  }
}

/** The keys of the (strict) object at a path of the schema. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const objects = [...objectsAt(schema, path)];
  return [...new Set(objects)];
}

function* objectsAt(schema: unknown, path: readonly PropertyKey[]): Generator<string> {
  if (schema instanceof z.ZodOptional) yield* objectsAt(schema.unwrap(), path);
  else if (schema instanceof z.ZodUnion)
    for (const option of schema.options) yield* objectsAt(option, path);
  else if (schema instanceof z.ZodArray) {
    if (path.length > 0) yield* objectsAt(schema.element, path.slice(1));
  } else if (schema instanceof z.ZodObject) {
    const [key, ...rest] = path;
    if (key === undefined) yield* Object.keys(schema.shape);
    else yield* objectsAt(schema.shape[String(key)], rest);
  } else if (schema instanceof z.ZodRecord && path.length === 0) {
    const keys: unknown = schema.keyType;
    if (keys instanceof z.ZodEnum) yield* keys.options.map(String);
  }
}

function reportIssue(issue: Issue, raw: unknown, context: Context): void {
  const { report } = context;
  const path = [...context.path, ...steps(issue.path)];
  const value = valueAt(raw, issue.path);
  const key = String(path[path.length - 1] ?? '');
  const shown = typeof value === 'object' ? '' : (report.sourceText(path) ?? JSON.stringify(value));
  const add = (code: Parameters<Report['add']>[0]['code'], message: string, remedy: string): void =>
    report.add({ code, path, value: shown, message, remedy });
  if (value === undefined && issue.path.length > 0) {
    const owner = path.slice(0, -1);
    report.add({
      code: 'missing-key',
      path: owner,
      value: key,
      message: `the key "${key}" is missing`,
      remedy: missingRemedies[key] ?? `add "${key}: …"`,
    });
    return;
  }
  if (value === null) {
    const what = key === '' ? 'the entry' : /^\d+$/.test(key) ? 'the list entry' : `"${key}"`;
    add(
      'empty-value',
      `${what} has no value`,
      missingRemedies[key] ?? 'write a value behind it, or remove it',
    );
    return;
  }
  switch (issue.code) {
    case 'invalid_type':
      add(...wrongType(expectation(issue.expected), { value, shown, key }));
      return;
    case 'invalid_union':
      add(...wrongType(issue.message, { value, shown, key }));
      return;
    case 'invalid_value':
      if (key === 'version') {
        add(
          'unsupported-version',
          'this program reads version 1 of the format',
          value === '1' ? 'write version: 1 without quotes' : 'write version: 1',
        );
        return;
      }
      add(...unknownValue(issue.values.map(String), { value, shown, key }));
      return;
    case 'too_small':
    case 'too_big':
      add(...outOfRange(issue, { value, shown, key }));
      return;
    default:
      add('wrong-type', issue.message, 'see the example files for its form');
  }
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
      return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

function steps(path: readonly PropertyKey[]): (string | number)[] {
  return path.map((step) => (typeof step === 'number' ? step : String(step)));
}
