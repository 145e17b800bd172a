/**
 * Watches a file, or a directory of files, for every way it gets a new content: written in place, replaced by a rename (most
 * editors, `mv`), or reached through symbolic links of which one is swapped (Kubernetes turns
 * `..data` to a new directory).
 *
 * Directories are watched and not the file, as a watch on a file follows the old inode after a
 * rename. An event says only "look": what counts is whether the file's identity changed. A slow
 * look besides catches what no event tells (network file systems, exhausted inotify watches, a
 * directory that was missing).
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { join, parse, resolve, sep } from 'node:path';
import { type DirectoryEntries, directoryEntries } from './directory.js';

export interface WatchOptions {
  readonly onChange: () => void;
  /** Quiet time after the last event before the file is looked at, so that writers can finish. */
  readonly debounceMs?: number;
  /** Time after which it is looked at even if events go on. */
  readonly longestWaitMs?: number;
  readonly pollIntervalMs?: number;
}

export interface FileWatch {
  close(): void;
}

/** Links followed at most, as in the kernel's own resolution (MAXSYMLINKS of linux/namei.h). */
const maxLinks = 40;

/** Starts watching; changes from this call on are told. */
export async function watchFile(path: string, options: WatchOptions): Promise<FileWatch> {
  const watcher = new PathWatch(resolve(path), options);
  await watcher.start();
  return watcher;
}

class PathWatch implements FileWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #debounceMs: number;
  readonly #longestWaitMs: number;
  readonly #poll: NodeJS.Timeout;
  readonly #watchers = new Map<string, FSWatcher>();
  #identity = '';
  #quiet: NodeJS.Timeout | undefined;
  #waitingSince: number | undefined;
  #looking = false;
  #asked = false;
  #closed = false;

  constructor(path: string, options: WatchOptions) {
    this.#path = path;
    this.#onChange = options.onChange;
    this.#debounceMs = options.debounceMs ?? 100;
    this.#longestWaitMs = options.longestWaitMs ?? 2_000;
    this.#poll = setInterval(() => void this.#look(), options.pollIntervalMs ?? 5_000);
    this.#poll.unref();
  }

  async start(): Promise<void> {
    await this.#arm();
    this.#identity = await sourceIdentity(this.#path);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#quiet);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #event(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#waitingSince ??= now;
    const left = this.#longestWaitMs - (now - this.#waitingSince);
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(
      () => void this.#look(),
      Math.max(0, Math.min(this.#debounceMs, left)),
    );
  }

  /** One look at a time; an event during one asks for another. */
  async #look(): Promise<void> {
    this.#waitingSince = undefined;
    this.#asked = true;
    if (this.#looking) return;
    this.#looking = true;
    while (this.#asked && !this.#closed) {
      this.#asked = false;
      await this.#compare();
    }
    this.#looking = false;
  }

  async #compare(): Promise<void> {
    // First the watches, then the look: a change between the two is seen by one of them.
    await this.#arm();
    const identity = await sourceIdentity(this.#path);
    if (this.#closed || identity === this.#identity) return;
    this.#identity = identity;
    this.#onChange();
  }

  /** Watches exactly the directories that the path leads through now. */
  async #arm(): Promise<void> {
    const wanted = await directoriesOf(this.#path);
    if (this.#closed) return;
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    for (const [key, directory] of wanted) {
      if (this.#watchers.has(key)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#event());
        watcher.on('error', () => {
          watcher.close();
          if (this.#watchers.get(key) === watcher) this.#watchers.delete(key);
        });
        this.#watchers.set(key, watcher);
      } catch {
        // Gone again, or no inotify watch is left: the slow look does instead.
      }
    }
  }
}

/**
 * What changes whenever the content may have: device, inode, size and times; of a directory the
 * names of its cluster files and the same of each.
 */
export async function sourceIdentity(path: string): Promise<string> {
  const entries = await entriesOf(path);
  if (entries === undefined) return fileIdentity(path);
  const all = [...entries.files, ...entries.misnamed];
  const each = await Promise.all(all.map(async (file) => `${file} ${await fileIdentity(file)}`));
  return ['directory', ...each].join('\n');
}

/** Undefined: it is no directory. */
async function entriesOf(path: string): Promise<DirectoryEntries | undefined> {
  try {
    return await directoryEntries(path);
  } catch {
    return undefined;
  }
}

async function fileIdentity(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return `absent: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
  }
}

/**
 * The directories whose entries decide what the path leads to: the one of every symbolic link on
 * the way, the one of the file, and a directory of files itself. They are keyed by inode as well, so that one that was replaced
 * under its old name is watched anew.
 */
async function directoriesOf(path: string): Promise<ReadonlyMap<string, string>> {
  const keyed = new Map<string, string>();
  const directories = new Set(await directoriesOn(path));
  const entries = await entriesOf(path);
  if (entries !== undefined) {
    directories.add(path);
    for (const file of entries.files)
      for (const directory of await directoriesOfLink(file)) directories.add(directory);
  }
  for (const directory of directories)
    keyed.set(`${directory} ${await fileInode(directory)}`, directory);
  return keyed;
}

async function fileInode(path: string): Promise<string> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return 'absent';
  }
}

/** None but for a symbolic link: all others are in the directory itself. */
async function directoriesOfLink(file: string): Promise<Iterable<string>> {
  const isLink = await lstat(file).then(
    (entry) => entry.isSymbolicLink(),
    () => false,
  );
  return isLink ? directoriesOn(file) : [];
}

async function directoriesOn(path: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  let { root } = parse(path);
  let rest = parts(path, root);
  let links = 0;
  try {
    while (rest.length > 0) {
      const here = join(root, rest[0]!);
      const entry = await lstat(here);
      if (!entry.isSymbolicLink()) {
        if (rest.length === 1) found.add(root);
        root = here;
        rest = rest.slice(1);
        continue;
      }
      found.add(root);
      if (++links > maxLinks) break;
      const target = resolve(root, await readlink(here));
      root = parse(target).root;
      rest = [...parts(target, root), ...rest.slice(1)];
    }
  } catch {
    // Something is missing: it will appear in this directory.
    found.add(root);
  }
  return found;
}

function parts(path: string, root: string): string[] {
  return path.slice(root.length).split(sep).filter(Boolean);
}
