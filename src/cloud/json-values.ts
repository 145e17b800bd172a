/**
 * Values of a provider's API, read carefully: what is not as documented is "not told". Unlike
 * metadata, these have been typed by operators: descriptions, wildcards, links with a query.
 */
import { field, listField } from './metadata-values.js';

export {
  field,
  listField,
  numberField,
  readAddress,
  readMac,
  readPrefix,
  readPrefixes,
} from './metadata-values.js';

/** GCE's descriptions may have as much; ids and links are shorter. */
const maxTextLength = 2048;

/** Not empty, and one line, so that it speaks to no terminal that it is printed on. */
export function textField(value: unknown, ...path: readonly string[]): string | undefined {
  return oneLine(field(value, ...path));
}

export function textsField(value: unknown, ...path: readonly string[]): readonly string[] {
  return listField(value, ...path).flatMap((item) => oneLine(item) ?? []);
}

function oneLine(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value.trim() : '';
  return text !== '' && text.length <= maxTextLength && !/\p{Cc}/u.test(text) ? text : undefined;
}
