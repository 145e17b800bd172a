/**
 * From the file's bytes to text: UTF-8 or a plain word about what it is instead.
 */
import { codePoint } from './characters.js';
import { maxFileBytes } from './limits.js';
import type { ProblemCode } from './problem.js';

export type DecodedText =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      readonly code: ProblemCode;
      readonly line: number;
      readonly column: number;
      readonly value: string;
      readonly message: string;
      readonly remedy: string;
    };

export function decodeText(input: Uint8Array | string): DecodedText {
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.length;
  if (size > maxFileBytes) {
    return {
      ...tooLarge(size),
      ok: false,
      line: 1,
      column: 1,
    };
  }
  return typeof input === 'string' ? checkedText(input) : decodeBytes(input);
}

export function tooLarge(bytes: number): {
  code: ProblemCode;
  value: string;
  message: string;
  remedy: string;
} {
  const mib = (count: number): string => `${Math.ceil(count / 1024 / 1024)} MiB`;
  return {
    code: 'file-too-large',
    value: mib(bytes),
    message: `the file is larger than the ${mib(maxFileBytes)} that a cluster file may have`,
    remedy: 'check that this is the cluster file; a fleet of this size belongs in a store',
  };
}

function decodeBytes(bytes: Uint8Array): DecodedText {
  const utf16 = utf16Mark(bytes);
  if (utf16 !== undefined) {
    return {
      ok: false,
      code: 'not-utf8',
      line: 1,
      column: 1,
      value: utf16,
      message: `the file is ${utf16}, not UTF-8`,
      remedy: 'save it as UTF-8 (PowerShell: Out-File -Encoding utf8)',
    };
  }
  try {
    return checkedText(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    const offset = firstInvalidByte(bytes);
    const before = new TextDecoder('utf-8').decode(bytes.subarray(0, offset));
    return {
      ok: false,
      code: 'not-utf8',
      ...positionAfter(before),
      value: `byte 0x${bytes[offset]?.toString(16).padStart(2, '0') ?? '00'} at offset ${offset}`,
      message: 'the file is not UTF-8',
      remedy: 'save it as UTF-8, for example with: iconv -f latin1 -t utf-8',
    };
  }
}

/** Windows line ends and a byte order mark are fine; control characters mean it is not text. */
function checkedText(input: string): DecodedText {
  const text = input.startsWith('\uFEFF') ? input.slice(1) : input;

  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (control !== null) {
    return {
      ok: false,
      code: 'not-text',
      ...positionAfter(text.slice(0, control.index)),
      value: codePoint(control[0]),
      message: 'the file holds a control character and is not a text file',
      remedy: 'remove the character, or check that this is the cluster file',
    };
  }
  const lonely = /\r(?!\n)/.exec(text);
  if (lonely !== null) {
    return {
      ok: false,
      code: 'not-text',
      ...positionAfter(text.slice(0, lonely.index)),
      value: codePoint('\r'),
      message: 'a line ends in a bare carriage return',
      remedy: 'end lines with a line feed, for example with: tr "\\r" "\\n"',
    };
  }
  return { ok: true, text };
}

/** The place right behind a text, counted from 1. */
function positionAfter(text: string): { line: number; column: number } {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  return { line: lines.length, column: lines[lines.length - 1]!.length + 1 };
}

/** A byte order mark, or every second of the first bytes zero. */
function utf16Mark(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xff && b === 0xfe) return 'UTF-16 (little-endian)';
  if (a === 0xfe && b === 0xff) return 'UTF-16 (big-endian)';
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return 'UTF-16 (little-endian)';
  if (a === 0 && b !== 0 && c === 0 && d !== 0 && b !== undefined) return 'UTF-16 (big-endian)';
  return undefined;
}

/** Bisects: a fatal streaming decoder accepts exactly the prefixes that can still become valid. */
function firstInvalidByte(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length;
  while (good < bad) {
    const middle = (good + bad + 1) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle - 1;
    }
  }
  return sequenceStart(bytes, good);
}

/** The lead byte of a sequence that is cut off at `end`, else `end`; lengths as in RFC 3629. */
function sequenceStart(bytes: Uint8Array, end: number): number {
  let start = end - 1;
  while (start > end - 4 && (bytes[start]! & 0xc0) === 0x80) start--;
  const lead = bytes[start] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return length > end - start ? start : Math.min(end, bytes.length - 1);
}
