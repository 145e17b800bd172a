/**
 * The files of a machine that preflight reads: /proc, /sys, /etc, /run, below a root that a test can
 * build. Reading only; what cannot be read is absent.
 */
import {
  accessSync,
  constants,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  statfsSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface FileState {
  readonly kind: 'directory' | 'file' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly writable: boolean;
}

export class Machine {
  readonly root: string;

  constructor(root = '/') {
    this.root = root;
  }

  read(path: string): string | undefined {
    return quietly(() => readFileSync(join(this.root, path), 'utf8'));
  }

  list(path: string): readonly string[] {
    return quietly(() => readdirSync(join(this.root, path)).sort()) ?? [];
  }

  link(path: string): string | undefined {
    return quietly(() => readlinkSync(join(this.root, path)));
  }

  stat(path: string): FileState | undefined {
    const at = join(this.root, path);
    const stat = quietly(() => statSync(at));
    if (stat === undefined) return undefined;
    const kind = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
    const writable = quietly(() => (accessSync(at, constants.W_OK), true)) ?? false;
    return { kind, mode: stat.mode & 0o7777, writable };
  }

  exists(path: string): boolean {
    return this.stat(path) !== undefined;
  }

  /** Of the file system that the path, or what is there of it, is on. */
  space(path: string): { readonly freeBytes: number; readonly freeFiles: number } | undefined {
    const there = this.nearest(path);
    const found = quietly(() => statfsSync(join(this.root, there)));
    // Some file systems do not count files.
    return (
      found && {
        freeBytes: found.bavail * found.bsize,
        freeFiles: found.files === 0 ? Infinity : found.ffree,
      }
    );
  }

  /** The path, or the first directory above it that is there. */
  nearest(path: string): string {
    let there = path;
    while (there !== dirname(there) && !this.exists(there)) there = dirname(there);
    return there;
  }

  /** Lines of `key = value` files as systemd and NetworkManager read them: later names decide. */
  settings(files: readonly string[], folders: readonly string[]): readonly Setting[] {
    const found = new Map<string, string>();
    // Of equal names the first folder's is read: /etc before /run before /usr/lib.
    for (const folder of folders)
      for (const name of this.list(folder))
        if (name.endsWith('.conf') && !found.has(name)) found.set(name, join(folder, name));
    const ordered = [...files, ...[...found.entries()].sort().map(([, path]) => path)];
    return ordered.flatMap((path) => parseSettings(path, this.read(path) ?? ''));
  }
}

export interface Setting {
  readonly path: string;
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

export function parseSettings(path: string, text: string): readonly Setting[] {
  let section = '';
  return text.split('\n').flatMap((line): readonly Setting[] => {
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const pair = /^\s*([^#;[\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    return pair === null ? [] : [{ path, section, key: pair[1]!, value: pair[2]! }];
  });
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
