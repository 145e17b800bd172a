/**
 * Equality of kernel objects, attribute by attribute, and the names of those that differ: what a
 * diff shows and what drift reports.
 */
import type { KernelObject } from '../tunnel/kernel.js';

/** Dotted names of the attributes whose values differ; empty when the objects are equal. */
export function differences(actual: KernelObject, desired: KernelObject): readonly string[] {
  const found: string[] = [];
  compare(actual, desired, '', found);
  return found;
}

export function sameObject(actual: KernelObject, desired: KernelObject): boolean {
  return differences(actual, desired).length === 0;
}

function compare(actual: unknown, desired: unknown, path: string, found: string[]): void {
  if (Object.is(actual, desired)) return;
  if (!isRecord(actual) || !isRecord(desired)) {
    found.push(path);
    return;
  }
  // Addresses and prefixes carry their canonical text, which says it all.
  if ('text' in actual && 'text' in desired) {
    if (actual['text'] !== desired['text']) found.push(path);
    return;
  }
  // Thousands of equal objects are compared in every pass: nothing is allocated for them.
  for (const key in desired)
    if (!Object.is(actual[key], desired[key]))
      compare(actual[key], desired[key], join(path, key), found);
  for (const key in actual)
    if (!(key in desired)) compare(actual[key], undefined, join(path, key), found);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
