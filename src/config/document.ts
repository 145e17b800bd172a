/**
 * YAML text to one document, with the parser's complaints in plain words.
 *
 * After a syntax error the rest of the tree is guesswork, so only the first is told.
 */
import {
  type CST,
  Composer,
  type Document,
  Lexer,
  LineCounter,
  Parser,
  type YAMLError,
  YAMLParseError,
} from 'yaml';
import { maxDepth } from './limits.js';
import type { ProblemCode } from './problem.js';
import type { Report } from './report.js';

export interface ParsedDocument {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

/**
 * Runs the parser's stages by hand to watch how deep the nesting gets: its composer recurses, and
 * a stack exhausted inside the JavaScript engine's regular expressions aborts the whole process.
 */
export function parseYaml(text: string): ParsedDocument | 'nested-too-deeply' {
  const lines = new LineCounter();
  const composer = new Composer({
    lineCounter: lines,
    prettyErrors: false,
    // YAML 1.2 whatever a %YAML directive says: `no` is text and 010 is not eight.
    schema: 'core',
    // Checked in the tree: the parser's own check takes quadratic time.
    uniqueKeys: false,
    logLevel: 'error',
  });
  try {
    let document: Document.Parsed | undefined;
    for (const next of composer.compose(tokens(text, lines), true, text.length)) {
      if (document === undefined) {
        document = next;
        continue;
      }
      const error = new YAMLParseError(
        next.range.slice(0, 2) as [number, number],
        'MULTIPLE_DOCS',
        '',
      );
      document.errors.push(error);
      break;
    }
    return { document: document!, lines };
  } catch (error) {
    if (error instanceof TooDeep) return 'nested-too-deeply';
    throw error;
  }
}

class TooDeep extends Error {}

function* tokens(text: string, lines: LineCounter): Generator<CST.Token, void> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    if (parser.stack.length > maxDepth) throw new TooDeep();
  }
  yield* parser.end();
}

/** Reports what the parser found; false when the tree must not be looked at. */
export function reportYamlErrors(parsed: ParsedDocument, text: string, report: Report): boolean {
  const { document, lines } = parsed;
  let sound = true;
  for (const error of [...document.errors, ...document.warnings].sort(byPosition)) {
    if (!sound) break;
    const { offset, ...finding } = explain(error, document.errors, text);
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    report.place({ ...finding, path: [], line: Math.max(line, 1), column: Math.max(col, 1) });
    sound = error.code === 'TAG_RESOLVE_FAILED';
  }
  return sound;
}

interface Explanation {
  readonly code: ProblemCode;
  readonly offset: number;
  readonly value: string;
  readonly message: string;
  readonly remedy: string;
}

function byPosition(a: YAMLError, b: YAMLError): number {
  return a.pos[0] - b.pos[0];
}

function explain(error: YAMLError, all: readonly YAMLError[], text: string): Explanation {
  const [start, end] = error.pos;
  const line = lineAt(text, start).trim();
  const value = line.length > 60 ? `${line.slice(0, 57)}…` : line;
  const syntax = (message: string, remedy: string, offset = start): Explanation => ({
    code: 'yaml-syntax',
    offset,
    value: offset === start ? value : lineAt(text, offset).trim().slice(0, 60),
    message,
    remedy,
  });
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return {
        code: 'several-documents',
        offset: start,
        value: '---',
        message: 'the file holds several YAML documents',
        remedy: 'keep one: remove the line "---" and what belongs to the other document',
      };
    case 'TAB_AS_INDENT': {
      const more = all.filter((other) => other.code === 'TAB_AS_INDENT').length - 1;
      return {
        code: 'tab-indent',
        offset: start,
        value: more > 0 ? `here and ${more === 1 ? 'once' : `${more} times`} more` : value,
        message: 'a tab indents the line, which YAML forbids',
        remedy: 'indent with spaces',
      };
    }
    case 'TAG_RESOLVE_FAILED':
      return {
        code: 'unknown-tag',
        offset: start,
        value: text.slice(start, end).slice(0, 40),
        message: 'a cluster file has no tagged values',
        remedy: 'remove the tag, or quote the value if it is meant to begin with "!"',
      };
    case 'BLOCK_AS_IMPLICIT_KEY': {
      const continued = all.find(
        (other) => other.code === 'MULTILINE_IMPLICIT_KEY' && other.pos[0] === start,
      );
      if (continued !== undefined) return badIndent(syntax, text, continued.pos[1]);
      const rest = text.slice(start, lineEnd(text, start)).trim();
      if (/^[0-9a-f:]+:$/i.test(rest))
        return syntax('a value that ends in a colon reads as a key', `quote it: "${rest}"`);
      return syntax(
        'the line has two keys, or a value with ": " in it',
        'put the second key on a line of its own, or quote the value',
      );
    }
    case 'MULTILINE_IMPLICIT_KEY': {
      const glued = /^(?:- )?([\w-]+):(\S.*)$/.exec(line);
      return glued === null
        ? syntax(
            'the line is neither a key with a value nor part of one',
            'write "key: value", or indent it like its neighbours',
          )
        : syntax(
            'the colon has no space behind it, so this is not a key',
            `write "${glued[1]}: ${glued[2]}"`,
          );
    }
    case 'BAD_INDENT':
    case 'MISSING_CHAR':
      if (/sequence item without/i.test(error.message))
        return syntax(
          'the line stands between list items without being one',
          'indent it like the keys of the item it belongs to, or begin it with "- "',
        );
      if (/flow|quote|closing|expected .*[\]}]/i.test(error.message))
        return unclosed(syntax, error, text);
      return badIndent(syntax, text, start);
    case 'UNEXPECTED_TOKEN':
      return syntax(
        'this cannot stand here',
        'check the indentation, the dashes of lists and the brackets above',
      );
    case 'BAD_SCALAR_START':
      return syntax('a value cannot begin with this character', 'put the value in quotes');
    case 'BAD_DQ_ESCAPE':
      return syntax(
        'a backslash in double quotes begins an escape that YAML does not know',
        'use single quotes, or write the backslash twice',
      );
    case 'BAD_ALIAS':
    case 'ALIAS_PROPS':
    case 'MULTIPLE_ANCHORS':
    case 'BAD_PROP_ORDER':
    case 'MULTIPLE_TAGS':
      return syntax(
        'an anchor, alias or tag is malformed',
        'write "&name" before a value and "*name" to repeat it, or quote the text',
      );
    default:
      return syntax(`the file is not valid YAML: ${firstLine(error.message)}`, 'correct the line');
  }
}

type Syntax = (message: string, remedy: string, offset?: number) => Explanation;

/** The place told is the line that is indented wrongly, not the value that swallowed it. */
function badIndent(syntax: Syntax, text: string, offset: number): Explanation {
  const begin = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1;
  const indent = /^[ ]*/.exec(text.slice(begin, lineEnd(text, begin)))![0].length;
  return syntax(
    'the line is indented differently from its neighbours',
    'keys of one mapping, and dashes of one list, begin in the same column',
    begin + indent,
  );
}

function unclosed(syntax: Syntax, error: YAMLError, text: string): Explanation {
  const closing = /(?:with a |closing )["']?([\]}"'])/.exec(error.message)?.[1];
  const what = closing === undefined ? 'a bracket or quote' : (openers[closing] ?? closing);
  return syntax(
    `${what} is opened and not closed before here`,
    `close it${closing === undefined ? '' : ` with ${closing}`}`,
    Math.min(error.pos[0], Math.max(text.trimEnd().length - 1, 0)),
  );
}

const openers: Readonly<Record<string, string>> = {
  ']': 'a list "["',
  '}': 'a mapping "{"',
  '"': 'a double quote',
  "'": 'a single quote',
};

function lineAt(text: string, offset: number): string {
  const begin = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1;
  return text.slice(begin, lineEnd(text, begin));
}

function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!;
}
