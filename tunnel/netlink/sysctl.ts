/**
 * Files below /proc/sys, as the namespace shows them: /proc/sys/net follows the namespace of the
 * thread that opens the file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemCallError } from '../native/errno.js';
import { inNetns } from '../native/netns.js';

export interface Sysctls {
  /** Undefined when the file does not exist. */
  read(path: string): string | undefined;
  /** Nothing is written when the value is already there: a write would raise events. */
  write(path: string, value: string): void;
}

export function sysctlsOf(netns: string | undefined): Sysctls {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(fileOf(path), 'utf8').trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw systemError(`read sysctl ${path}`, error);
    }
  };
  return {
    read: (path) => inNetns(netns, () => read(path)),
    write: (path, value) =>
      inNetns(netns, () => {
        if (read(path) === value) return;
        try {
          writeFileSync(fileOf(path), value, { flag: 'r+' });
        } catch (error) {
          throw systemError(`set sysctl ${path} to ${value}`, error);
        }
      }),
  };
}

/** Device names may hold dots and dashes, never a slash; the path stays below /proc/sys. */
function fileOf(path: string): string {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw new TypeError(`not a path below /proc/sys: "${path}"`);
  return join('/proc/sys', path);
}

function systemError(action: string, error: unknown): Error {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? (error as Error) : new SystemCallError(action, Math.abs(errno));
}
