/**
 * What a value of the wrong shape is told: what is expected, what it is, and how to write it.
 */
import type * as z from 'zod';
import { mtuRange, portRange, vniRange } from './limits.js';
import { nearestValue } from './nearest.js';
import { AmbiguousNumber } from './tree.js';

/** The value at fault, as data and as written, and the last step of its path. */
export interface Found {
  readonly value: unknown;
  readonly shown: string;
  readonly key: string;
}

/** Code, message, remedy. */
export type Answer = [
  'wrong-type' | 'unknown-value' | 'out-of-range' | 'empty-value',
  string,
  string,
];

export function expectation(expected: string): string {
  return phrases[expected] ?? expected;
}

const mapping = 'a mapping of keys and values';

const phrases: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: mapping,
  record: mapping,
};

export const missingRemedies: Readonly<Record<string, string>> = {
  nodes: 'add "nodes:" with at least one node: name, address, overlay',
  overlay: 'add the prefix of the workloads of this node, e.g. overlay: 10.64.1.0/24',
  mode: 'add mode: native, ipip, vxlan, auto or deny',
  between: 'add "between:" with a list of two zones',
};

function kindOf(value: unknown): string {
  if (value instanceof AmbiguousNumber) return 'a number with a leading zero';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'text' : typeof value === 'number' ? 'a number' : 'true/false';
}

export function wrongType(expected: string, { value, shown, key }: Found): Answer {
  const subject = key === '' ? 'the file' : /^\d+$/.test(key) ? 'the list entry' : `"${key}"`;
  const message = `${subject} must be ${expected}, but this is ${kindOf(value)}`;
  return ['wrong-type', message, typeRemedy(expected, { value, shown, key })];
}

/** Keys of one entry, to tell `rules: { mode: … }` from `zones: { rack-a: … }`. */
const entryKeys: ReadonlySet<string> = new Set(['name', 'mode', 'between', 'from', 'provider']);

function typeRemedy(expected: string, { value, shown, key }: Found): string {
  const single = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (isRecord(single)) {
    const [first, ...more] = Object.entries(single);
    if (more.length === 0 && first?.[1] === null && first[0].endsWith(':'))
      return `quote it: "${first[0]}:"`;
    if (expected === 'a list') {
      const entry = Object.keys(single).some((name) => entryKeys.has(name));
      return `write every entry as a list item: "- ${entry ? `${first?.[0]}: …` : `name: ${first?.[0] ?? '…'}`}"`;
    }
  }
  if (expected === mapping && key === '')
    return Array.isArray(value)
      ? 'begin with "nodes:" and indent the list below it'
      : 'begin with "nodes:"';
  if (expected === mapping && key === 'overlay') return `write overlay: { pools: ${shown} }`;
  if (expected === mapping && /^\d+$/.test(key)) return `write { name: ${shown || '…'}, … }`;
  if (value instanceof AmbiguousNumber)
    return expected.includes('number')
      ? `write ${value.source.replace(/^([-+]?)0+(?=\d)/, '$1')}; a leading zero means octal to some programs`
      : `quote it: "${value.source}"`;
  if (/number|^4 or 6/.test(expected) && typeof value === 'string') {
    const number = /^\s*(\d[\d_,]*)\s*[a-z]*\s*$/i.exec(value)?.[1]?.replace(/[_,]/g, '');
    return number === undefined ? `write ${expected}` : `write ${number} without quotes or unit`;
  }
  if (expected.includes('number')) return `write ${expected}`;
  if (expected === 'true or false') {
    const meant = nearestValue(shown, ['enabled', 'disabled']);
    return meant === undefined ? 'write true or false' : `write ${String(meant === 'enabled')}`;
  }
  if (typeof value === 'number' || typeof value === 'boolean')
    return /text|name|prefix|address|zone|region|node/.test(expected)
      ? `quote it if that is meant: "${shown}"`
      : `write ${expected}`;
  if (expected === 'text' && Array.isArray(value))
    return 'write one value, without brackets or dashes';
  return `write ${expected}`;
}

export function unknownValue(allowed: readonly string[], { value, shown, key }: Found): Answer {
  const list = allowed.join(', ');
  const meant = typeof value === 'object' ? undefined : nearestValue(shown, allowed);
  const subject = /^\d+$/.test(key) ? 'this value' : `"${key}"`;
  return [
    'unknown-value',
    `${subject} must be one of ${list}`,
    meant === undefined ? `write one of ${list}` : `did you mean "${meant}"?`,
  ];
}

/** What a number may be, and why. */
const ranges: Readonly<Record<string, { min: number; max: number; why: string }>> = {
  vni: { ...vniRange, why: 'a VNI has 24 bits' },
  port: { ...portRange, why: 'a UDP port has 16 bits' },
  mtu: { ...mtuRange, why: 'the MTU counts the bytes of an IP packet' },
};

export function outOfRange(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  { value, key }: Found,
): Answer {
  const small = issue.code === 'too_small';
  if (typeof value === 'string')
    return small
      ? ['empty-value', `"${key}" is empty`, 'write a value, or remove the key']
      : ['out-of-range', `the text is too long`, `use at most ${issue.maximum} characters`];
  if (Array.isArray(value)) {
    if (key === 'between')
      return [
        'out-of-range',
        `"between" has ${value.length} ${value.length === 1 ? 'end' : 'ends'}`,
        'write exactly two',
      ];
    if (key === 'nodes')
      return ['empty-value', 'there is no node', 'list at least one: name, address, overlay'];
    return ['empty-value', `the list "${key}" is empty`, 'write an entry, or remove the key'];
  }
  const range = ranges[key];
  const bound = small ? `less than ${issue.minimum}` : `more than ${issue.maximum}`;
  return range === undefined
    ? ['out-of-range', `the number is ${bound}`, 'write a number in range']
    : [
        'out-of-range',
        `"${key}" is ${bound}; ${range.why}`,
        `write a number from ${range.min} to ${range.max}`,
      ];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
