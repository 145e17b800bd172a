/**
 * The Terraform modules as data: HashiCorp's own parser turns HCL into JSON, in which every block is
 * a list and an expression is the text `${…}`.
 */
import { parse } from '@cdktn/hcl2json';
import { filesBelow, readText } from './sources.js';

/** All `.tf` files of a folder as one tree: `resource` → type → name → [block]. */
export async function terraformModule(folder: string): Promise<unknown> {
  const files = filesBelow(folder).filter((path) => path.endsWith('.tf'));
  const parsed = await Promise.all(files.map((path) => parse(path, readText(path))));
  return parsed.reduce<unknown>((all, one: unknown) => merged(all, one), {});
}

function merged(a: unknown, b: unknown): unknown {
  if (Array.isArray(a) && Array.isArray(b)) return [...(a as unknown[]), ...(b as unknown[])];
  if (!isObject(a) || !isObject(b)) throw new Error('two files of a module define the same thing');
  const result: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b))
    result[key] = key in result ? merged(result[key], value) : value;
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is at a path of keys and indexes; throws with the place where the path ends too early. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  path.forEach((key, i) => {
    const next = (here as Record<string | number, unknown> | undefined)?.[key];
    if (next === undefined)
      throw new Error(`nothing at ${path.slice(0, i + 1).join('.')} (of ${path.join('.')})`);
    here = next;
  });
  return here;
}

export function recordAt(
  value: unknown,
  ...path: readonly (string | number)[]
): Readonly<Record<string, unknown>> {
  const found = at(value, ...path);
  if (!isObject(found)) throw new Error(`${path.join('.')} is no object`);
  return found;
}

/** The only block of that type and name. */
export function resource(
  module: unknown,
  type: string,
  name: string,
): Readonly<Record<string, unknown>> {
  return recordAt(module, 'resource', type, name, 0);
}

export function variableDefault(module: unknown, name: string): unknown {
  return at(module, 'variable', name, 0, 'default');
}

/** The value of a name in any `locals` block. */
export function local(module: unknown, name: string): unknown {
  const blocks = at(module, 'locals') as readonly Record<string, unknown>[];
  return at(Object.assign({}, ...blocks), name);
}
