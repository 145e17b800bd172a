/**
 * The cluster key: the secret that all agents of a cluster share, in a file that nobody else may
 * read. With it they answer each other's probes; without it a node only probes by itself.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';

const keyMinBytes = 32;
const keyMaxBytes = 4096;
/** Whoever else may read or write the file. */
const othersBits = 0o077;

/** A key that was looked for. */
export interface ClusterKey {
  readonly file: string;
  /** Undefined: there is no such file. */
  readonly bytes: Uint8Array | undefined;
}

/** The file is there and not fit to be used; the text says what to do. */
export class ClusterKeyError extends Error {
  override readonly name = 'ClusterKeyError';
}

/** Throws when there is a file that must not be used. */
export function readClusterKey(path: string): ClusterKey {
  return { file: path, bytes: keyIn(path) };
}

function keyIn(path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new ClusterKeyError(
      `cannot read the cluster key ${path}: ${code ?? String(error)}; run as root, or name another file with --cluster-key`,
    );
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new ClusterKeyError(
        `cannot use the cluster key ${path}: it is not a regular file; name one with --cluster-key`,
      );
    if ((stat.mode & othersBits) !== 0)
      throw new ClusterKeyError(
        `cannot use the cluster key ${path}: others than its owner may open it (mode ` +
          `${(stat.mode & 0o777).toString(8).padStart(4, '0')}); make a new key, as this one may be known, ` +
          `or run "chmod 600 ${path}" if it is not`,
      );
    const bytes = Buffer.alloc(keyMaxBytes + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    const key = trimmed(bytes.subarray(0, length));
    if (key.length < keyMinBytes || length > keyMaxBytes)
      throw new ClusterKeyError(
        `cannot use the cluster key ${path}: it has ${length > keyMaxBytes ? 'more than ' : ''}` +
          `${Math.min(key.length, keyMaxBytes)} bytes, ${keyMinBytes} to ${keyMaxBytes} are right; ` +
          `"selvage key generate ${path}" makes one (copy the same file to every node)`,
      );
    return key;
  } finally {
    closeSync(fd);
  }
}

/** Writes a new random key; refuses to replace a file, as the nodes would no longer know each other. */
export function generateClusterKey(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ClusterKeyError(
      code === 'EEXIST'
        ? `cannot make a key: ${path} is there already; move it away first if the cluster is to have a new one`
        : `cannot make the key file ${path}: ${code ?? String(error)}; make its directory first, and run as root`,
    );
  }
  try {
    fchmodSync(fd, 0o600);
    writeSync(fd, `${randomBytes(keyMinBytes).toString('base64')}\n`);
  } finally {
    closeSync(fd);
  }
}

/** Without the newline that editors and copying add. */
function trimmed(bytes: Buffer): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return Uint8Array.from(bytes.subarray(0, end));
}
