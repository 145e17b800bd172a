/**
 * Characters that look like others and are not: what editors, chats and web pages put into files.
 */

/** The first character outside ASCII's printable ones, named; undefined when there is none. */
export function oddCharacter(text: string): string | undefined {
  const found = /[^\x20-\x7e]/u.exec(text)?.[0];
  if (found === undefined) return undefined;
  const name = names.get(found);
  return name === undefined ? codePoint(found) : `${codePoint(found)} (${name})`;
}

/** `U+00A0` */
export function codePoint(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

const names: ReadonlyMap<string, string> = new Map([
  ['\t', 'tab'],
  ['\u00a0', 'no-break space'],
  ['\u2007', 'figure space'],
  ['\u202f', 'narrow no-break space'],
  ['\u200b', 'zero-width space'],
  ['\ufeff', 'byte order mark'],
  ['\u2011', 'non-breaking hyphen'],
  ['\u2013', 'en dash'],
  ['\u2014', 'em dash'],
  ['\u2212', 'minus sign'],
  ['\u2018', 'typographic quote'],
  ['\u2019', 'typographic quote'],
  ['\u201c', 'typographic quote'],
  ['\u201d', 'typographic quote'],
  ['\u201e', 'typographic quote'],
  ['\uff1a', 'full-width colon'],
]);
