/**
 * The cluster file's text without its comments: people note in them what the file has no field for,
 * passwords among it. Everything else keeps its line and column, as reports point at them.
 */
import { CST, Lexer } from 'yaml';

/** Blanks instead of every comment. */
export function withoutComments(text: string): string {
  let scalar = false;
  let kept = '';
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    // A text of its own, also where it begins with a `#`.
    if (scalar) kept += token;
    else if (type === 'comment') kept += ' '.repeat(token.length);
    else if (!isMarker(type)) kept += token;
    scalar = type === 'scalar';
  }
  return kept.replace(/[ \t]+$/gm, '');
}

/** Tokens that the lexer puts in and no file has. */
function isMarker(type: ReturnType<typeof CST.tokenType>): boolean {
  return (
    type === 'byte-order-mark' ||
    type === 'doc-mode' ||
    type === 'flow-error-end' ||
    type === 'scalar'
  );
}
