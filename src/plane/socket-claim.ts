/**
 * The control socket's place in the file system: root's alone (0600 in a 0700 directory), and held
 * by one plane at a time. A socket file that nobody answers on is left over from a plane that was
 * killed, and is replaced.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { type Server, connect } from 'node:net';
import { dirname } from 'node:path';

/** linux/un.h: sun_path less its final zero. */
const pathBytesMax = 107;

/** Binds the server to the path, or throws with what stands in the way. */
export async function claimSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > pathBytesMax)
    throw new Error(`socket path ${path} is longer than ${pathBytesMax} bytes: use a shorter one`);
  claimDirectory(dirname(path));
  const before = inode(path);
  if (before !== undefined) {
    if (await answers(path))
      throw new Error(
        `another plane already serves ${path}: stop it first, or give this one a path of its own`,
      );
    // Only what was found dead: another plane may have taken the place in between.
    if (inode(path) === before) rmSync(path, { force: true });
  }
  await listen(server, path);
}

/** Identity of the file at the path; undefined when there is none. */
export function inode(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function claimDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode } = statSync(directory);
  if ((mode & 0o077) !== 0)
    throw new Error(
      `directory ${directory} of the control socket has mode ${(mode & 0o777).toString(8)}, ` +
        `which lets others in: chmod 700 it, or use another`,
    );
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(new Error(`cannot tell whether ${path} is in use: ${error.message}`));
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`another plane has just taken ${path}: stop it first`)
          : error,
      );
    server.once('error', failed);
    // The mask holds while `listen` binds, which it does before it returns.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}
