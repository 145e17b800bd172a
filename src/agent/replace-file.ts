/**
 * Replaces a file's content so that whoever reads it, also after a power cut, sees the old one or
 * the new one whole. Mode and owner stay; a symbolic link stays one, its target is replaced.
 */
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export function replaceFile(
  path: string,
  content: Uint8Array,
  options: { /** Of a file that is not there yet. */ readonly mode: number },
): void {
  const target = realpathIfThere(path);
  const old = statSync(target, { throwIfNoEntry: false });
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${basename(target)}.selvage-${process.pid}`);
  try {
    const handle = openSync(temporary, 'w', options.mode);
    try {
      writeFileSync(handle, content);
      fchmodSync(handle, old === undefined ? options.mode : old.mode & 0o7777);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    const made = statSync(temporary);
    if (old !== undefined && (old.uid !== made.uid || old.gid !== made.gid))
      chownSync(temporary, old.uid, old.gid);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  // The rename itself lasts only when the folder is on disk.
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function realpathIfThere(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
}
