/** Names and texts made safe for each format: what an operator wrote may hold any character. */

/** XML 1.0 sections 2.2 and 2.4: markup is escaped, characters that XML has no place for are dropped. */
export function xmlText(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** A string of the DOT language, in quotes; line breaks are centred ones. */
export function dotString(lines: readonly string[]): string {
  const escaped = lines.map((line) => line.replace(/[\\"]/g, '\\$&').replace(/[\n\r]+/g, ' '));
  return `"${escaped.join('\\n')}"`;
}

/** A Mermaid text in quotes; markup and quotes by their number, as its entities are written. */
export function mermaidString(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line
      .replace(/[\n\r]+/g, ' ')
      .replace(/[^\p{L}\p{N} .,:;()/+→·–_-]/gu, (character) => `#${character.codePointAt(0)};`),
  );
  return `"${escaped.join('<br/>')}"`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
