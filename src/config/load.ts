/**
 * Reads a cluster file from disk. What the operating system says is turned into plain words, and
 * the size is known before anything is read.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { maxFileBytes } from './limits.js';
import type { ParseResult } from './parse.js';
import type { Problem, ProblemCode } from './problem.js';
import { type ReadOptions, readClusterFile } from './reader.js';
import { tooLarge } from './text.js';

export type FileBytes =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Problems of files that could not even be opened; all others are of their content. */
export const cannotOpen: readonly ProblemCode[] = [
  'file-missing',
  'file-not-readable',
  'file-not-regular',
];

export async function loadClusterFile(
  path: string,
  options: ReadOptions = {},
): Promise<ParseResult> {
  const read = await readClusterBytes(path);
  return read.ok ? readClusterFile({ bytes: read.bytes, file: path }, options) : read;
}

export async function readClusterBytes(path: string): Promise<FileBytes> {
  let handle: FileHandle | undefined;
  try {
    // NONBLOCK, as the opening of a pipe that nobody writes to would never end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile())
      return failure(path, {
        code: 'file-not-regular',
        value: stat.isDirectory() ? 'a directory' : 'a device, pipe or socket',
        message: stat.isDirectory() ? 'this is a directory' : 'this is not a regular file',
        remedy: 'give the path of the cluster file itself',
      });
    if (stat.size > maxFileBytes) return failure(path, tooLarge(stat.size));
    const bytes = await readAtMost(handle, maxFileBytes + 1);
    return bytes.length > maxFileBytes
      ? failure(path, tooLarge(bytes.length))
      : { ok: true, bytes };
  } catch (error) {
    return failure(path, describe(error));
  } finally {
    await handle?.close();
  }
}

/** A file may grow while it is read, and /proc files have no size. */
async function readAtMost(handle: FileHandle, limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let total = 0;
  while (total < limit) {
    const chunk = Buffer.alloc(Math.min(1 << 20, limit - total));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    chunks.push(chunk.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(chunks, total);
}

interface Failure {
  readonly code: ProblemCode;
  readonly value: string;
  readonly message: string;
  readonly remedy: string;
}

function failure(file: string, what: Failure): { ok: false; problems: readonly Problem[] } {
  return {
    ok: false,
    problems: [{ severity: 'error', file, line: 1, column: 1, path: '', ...what }],
  };
}

function describe(error: unknown): Failure {
  const { code = 'unknown', message } = error as NodeJS.ErrnoException;
  const value = code;
  switch (code) {
    case 'ENOENT':
      return {
        code: 'file-missing',
        value,
        message: 'there is no such file',
        remedy: 'check the path; relative paths begin at the working directory',
      };
    case 'ENOTDIR':
      return {
        code: 'file-missing',
        value,
        message: 'a part of the path is a file and not a directory',
        remedy: 'check the path',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        code: 'file-not-readable',
        value,
        message: 'this user may not read the file',
        remedy: 'give it read permission, and its directories search permission',
      };
    case 'ELOOP':
      return {
        code: 'file-not-readable',
        value,
        message: 'symbolic links of the path lead in a circle',
        remedy: 'correct the links',
      };
    default:
      return {
        code: 'file-not-readable',
        value,
        message: `the file cannot be read: ${message}`,
        remedy: 'check the path and the disk',
      };
  }
}
