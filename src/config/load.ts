/**
 * Reads a cluster file from disk, or the files of a directory as one. What the operating system says is turned into plain words, and
 * the size is known before anything is read.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { directoryEntries } from './directory.js';
import { type FilePart, joinFiles } from './file-set.js';
import { maxDirectoryFiles, maxFileBytes } from './limits.js';
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

/** Of a directory: its files in the form of `joinFiles`. */
export async function readClusterBytes(path: string): Promise<FileBytes> {
  let handle: FileHandle | undefined;
  try {
    // NONBLOCK, as the opening of a pipe that nobody writes to would never end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (found.isDirectory()) return await readDirectory(path);
    if (!found.isFile())
      return failure(path, {
        code: 'file-not-regular',
        value: 'a device, pipe or socket',
        message: 'this is not a regular file',
        remedy: 'give the path of the cluster file itself',
      });
    if (found.size > maxFileBytes) return failure(path, tooLarge(found.size));
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

async function readDirectory(directory: string): Promise<FileBytes> {
  const { files, misnamed } = await directoryEntries(directory);
  const [wrong] = misnamed;
  if (wrong !== undefined) return failure(wrong, misnamedFile);
  if (files.length === 0) return failure(directory, noFiles);
  if (files.length > maxDirectoryFiles) return failure(directory, tooManyFiles(files.length));
  const parts: FilePart[] = [];
  let total = 0;
  for (const file of files) {
    const read = await readPart(file);
    if (!read.ok) return read;
    total += read.bytes.length;
    if (total > maxFileBytes) return failure(file, tooLargeTogether(parts.length + 1));
    parts.push({ file, bytes: read.bytes });
  }
  return { ok: true, bytes: joinFiles(parts) };
}

/** One of a directory's; a directory in it is none, whatever its name. */
async function readPart(file: string): Promise<FileBytes> {
  const isDirectory = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isDirectory ? failure(file, directoryInside) : readClusterBytes(file);
}

const misnamedFile: Failure = {
  code: 'file-name',
  value: '',
  message: 'of a directory only files whose names end in ".yaml" are read',
  remedy: 'rename it, or put a dot before its name to have it passed over',
};

const noFiles: Failure = {
  code: 'file-missing',
  value: '',
  message: 'the directory holds no file whose name ends in ".yaml"',
  remedy: 'check the path; hidden files and sub-directories are passed over',
};

const directoryInside: Failure = {
  code: 'file-not-regular',
  value: 'a directory',
  message: 'this is a directory with the name of a file',
  remedy: 'rename it: sub-directories are passed over when their names do not end in ".yaml"',
};

function tooManyFiles(count: number): Failure {
  return {
    code: 'too-many-files',
    value: `${count} files`,
    message: `the directory holds more than the ${maxDirectoryFiles} files that one cluster may have`,
    remedy: 'put several together; a fleet of this size belongs in a store',
  };
}

function tooLargeTogether(count: number): Failure {
  return {
    ...tooLarge(maxFileBytes),
    value: `${count} files`,
    message: `with this file the directory is larger than the ${maxFileBytes / 1024 / 1024} MiB that a cluster may have`,
    remedy: 'check what is in it; a fleet of this size belongs in a store',
  };
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
