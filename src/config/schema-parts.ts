/** What many entries of the schema are made of: texts, names, prefixes, and lists that may be one value. */
import * as z from 'zod';
import { maxTextLength } from './limits.js';

/** A value or a list of values; `phrase` says so in messages. */
export function oneOrMany<T extends z.ZodType>(item: T, phrase: string) {
  return z.union([item, z.array(item).min(1)], { error: phrase });
}

export const text = z.string().min(1).max(maxTextLength);
export const name = text.describe('A name: lower-case letters, digits, "-", "_" and ".".');
export const prefix = text.describe(
  'A prefix, e.g. 10.64.1.0/24 or fd64:0:0:1::/64; host bits are zero.',
);
