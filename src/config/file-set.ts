/**
 * The cluster files of a directory as one sequence of bytes, so that whatever carries the bytes of
 * one file (to the process that reads large ones, to an agent that is asked for a plan, into a
 * snapshot) carries those of several as well.
 *
 *     NUL "selvage files" LF
 *     [["cluster.d/10-zones.yaml", 812], …] LF      name and length in bytes
 *     their contents, one directly behind the other
 *
 * No single file begins like this: a text with a NUL in it is refused.
 */
export interface FilePart {
  /** For messages and sources. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

const mark = '\0selvage files\n';
const lineFeed = 0x0a;

export function joinFiles(parts: readonly FilePart[]): Uint8Array {
  const index = JSON.stringify(parts.map(({ file, bytes }) => [file, bytes.length]));
  return Buffer.concat([Buffer.from(`${mark}${index}\n`), ...parts.map(({ bytes }) => bytes)]);
}

/** Undefined: the text is that of one file. */
export function splitFiles(text: Uint8Array | string): readonly FilePart[] | undefined {
  if (typeof text === 'string')
    return text.startsWith(mark) ? splitFiles(Buffer.from(text)) : undefined;
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.length);
  if (bytes.subarray(0, mark.length).toString('latin1') !== mark) return undefined;
  const end = bytes.indexOf(lineFeed, mark.length);
  const index = end < 0 ? undefined : readIndex(bytes.toString('utf8', mark.length, end));
  if (index === undefined) return undefined;
  let offset = end + 1;
  const parts = index.map(([file, length]) => {
    const part = { file, bytes: bytes.subarray(offset, offset + length) };
    offset += length;
    return part;
  });
  return offset === bytes.length ? parts : undefined;
}

function readIndex(text: string): readonly (readonly [string, number])[] | undefined {
  try {
    const index: unknown = JSON.parse(text);
    return Array.isArray(index) && index.every(isEntry) ? index : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(entry: unknown): entry is readonly [string, number] {
  if (!Array.isArray(entry)) return false;
  const [file, length] = entry as readonly unknown[];
  return typeof file === 'string' && Number.isSafeInteger(length) && (length as number) >= 0;
}
