/**
 * What a node wrote goes to operators' terminals and logs: in `node list`, `status`, refusals. A
 * stolen one would write there what moves the cursor, sets the title or turns the line around, so
 * such characters are spelt out as soon as a value is read, in keys too.
 */

/** Controls of C0 and C1, and what changes the direction of a line or ends it. */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON that has none of them, nor an escape that may stand for one: nearly all there is. */
const harmless = /^(?:[\n\t\r\u0020-\u007e\u00a0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\uffff])*$/;

/** `value` is what `json` says. */
export function plainText(value: unknown, json: string): unknown {
  return harmless.test(json) && !/\\[bfnrtu]/.test(json) ? value : spelt(value);
}

function spelt(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(unprintable, codeOf);
  if (Array.isArray(value)) return value.map(spelt);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.replace(unprintable, codeOf), spelt(inner)]),
  );
}

function codeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
