/**
 * Work in another network namespace: the calling thread enters it, does something synchronous and
 * comes back. A socket or TUN device that is opened inside stays in that namespace for life, and
 * /proc/sys/net shows that namespace's values.
 */
import { closeSync, openSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { nativeAddon } from './addon.js';
import { SystemCallError } from './errno.js';

/** A name as `ip netns` has it, or a path such as `/proc/PID/ns/net`. */
export function netnsPath(nameOrPath: string): string {
  return isAbsolute(nameOrPath) ? nameOrPath : join('/run/netns', nameOrPath);
}

/** Runs `work`, which must be synchronous, inside the namespace; undefined is the current one. */
export function inNetns<T>(netns: string | undefined, work: () => T): T {
  if (netns === undefined) return work();
  const path = netnsPath(netns);
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const there = openNamespace(path);
    try {
      enter(there, path);
    } finally {
      closeSync(there);
    }
    try {
      return work();
    } finally {
      // Going on in the wrong namespace would configure somebody else's network.
      const back = nativeAddon().setns(home);
      if (back < 0) {
        process.stderr.write(
          `${new SystemCallError('cannot return to the own network namespace', -back).message}\n`,
        );
        process.abort();
      }
    }
  } finally {
    closeSync(home);
  }
}

/** Moves the calling (main) thread into the namespace for good. */
export function enterNetns(netns: string): void {
  const path = netnsPath(netns);
  const there = openNamespace(path);
  try {
    enter(there, path);
  } finally {
    closeSync(there);
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new Error(
      `cannot open the network namespace ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}; ` +
        `"ip netns list" shows those that exist`,
      { cause: error },
    );
  }
}

function enter(fd: number, path: string): void {
  const result = nativeAddon().setns(fd);
  if (result < 0)
    throw new SystemCallError(
      `cannot enter the network namespace ${path}`,
      -result,
      'needs CAP_SYS_ADMIN',
    );
}
