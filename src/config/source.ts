/**
 * The cluster file, or a directory of them, as a source: the last good cluster, and what was wrong with the file since.
 *
 * A bad file never replaces a good one. Reads follow one another, and a read that the file changed
 * under is thrown away and done again, so that a file half written is not taken for a whole one.
 */
import { createHash } from 'node:crypto';
import type { Cluster } from '../../encap/cluster.js';
import { readClusterBytes } from './load.js';
import type { Problem } from './problem.js';
import { type ReadOptions, readClusterFile } from './reader.js';
import { type FileWatch, type WatchOptions, sourceIdentity, watchFile } from './watch.js';

export type ConfigUpdate =
  | { readonly kind: 'changed'; readonly cluster: Cluster; readonly warnings: readonly Problem[] }
  /** The content is that of the current cluster. */
  | { readonly kind: 'unchanged'; readonly cluster: Cluster }
  /** The current cluster, if there is one, stays. */
  | { readonly kind: 'rejected'; readonly problems: readonly Problem[] };

export type ConfigListener = (update: ConfigUpdate) => void;

export interface ConfigSourceOptions
  extends Omit<WatchOptions, 'onChange'>, Omit<ReadOptions, 'signal'> {
  /** Told of every read that is not `unchanged`. */
  readonly onUpdate?: ConfigListener;
}

/** Reads of one call while the file keeps changing. */
const maxAttempts = 5;

/** Reads the file once; then `watch` follows it, and `reload` reads it at any time. */
export async function openConfigSource(
  path: string,
  options: ConfigSourceOptions = {},
): Promise<ConfigSource> {
  const source = new ConfigSource(path, options);
  await source.reload();
  return source;
}

export class ConfigSource {
  readonly path: string;
  readonly #options: ConfigSourceOptions;
  #current: Cluster | undefined;
  /** The highest that was given away. */
  #revision = 0;
  #currentDigest = '';
  #currentWarnings: readonly Problem[] = [];
  #lastProblems: readonly Problem[] = [];
  #reading: Promise<ConfigUpdate> | undefined;
  #queued: Promise<ConfigUpdate> | undefined;
  #watch: FileWatch | undefined;
  readonly #closing = new AbortController();

  constructor(path: string, options: ConfigSourceOptions) {
    this.path = path;
    this.#options = options;
  }

  /** The last good one; undefined when there never was one. */
  get current(): Cluster | undefined {
    return this.#current;
  }

  /** Of the last read: errors when it was rejected, else warnings. */
  get lastProblems(): readonly Problem[] {
    return this.#lastProblems;
  }

  /** The next revision, for a version that is not read from the file: no other gets it. */
  claimRevision(): number {
    return ++this.#revision;
  }

  /** Follows the file from now on. */
  async watch(): Promise<void> {
    if (this.#watch !== undefined) return;
    this.#watch = await watchFile(this.path, {
      ...this.#options,
      onChange: () => void this.reload(),
    });
    // What changed between the first read and now.
    await this.reload();
  }

  /** Reads the file; calls during a read share the one that follows it. */
  reload(): Promise<ConfigUpdate> {
    if (this.#reading === undefined) {
      this.#reading = this.#read().finally(() => (this.#reading = undefined));
      return this.#reading;
    }
    this.#queued ??= this.#reading.then(
      () => this.#next(),
      () => this.#next(),
    );
    return this.#queued;
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#closing.abort();
  }

  #next(): Promise<ConfigUpdate> {
    this.#queued = undefined;
    return this.reload();
  }

  async #read(): Promise<ConfigUpdate> {
    const read = await this.#stableBytes();
    if (!read.ok) return this.#rejected(read.problems);
    const digest = createHash('sha256').update(read.bytes).digest('hex');
    if (this.#current !== undefined && digest === this.#currentDigest) {
      // Also when an edit that was bad has been taken back.
      this.#lastProblems = this.#currentWarnings;
      return { kind: 'unchanged', cluster: this.#current };
    }
    const parsed = await readClusterFile(
      { bytes: read.bytes, file: this.path, revision: this.#revision + 1 },
      { ...this.#options, signal: this.#closing.signal },
    );
    if (!parsed.ok) return this.#rejected(parsed.problems);
    // One that was claimed meanwhile is somebody else's.
    const revision = this.claimRevision();
    this.#current = Object.freeze({ ...parsed.cluster, revision });
    this.#currentDigest = digest;
    this.#currentWarnings = parsed.warnings;
    this.#lastProblems = parsed.warnings;
    return this.#tell({ kind: 'changed', cluster: this.#current, warnings: parsed.warnings });
  }

  #rejected(problems: readonly Problem[]): ConfigUpdate {
    this.#lastProblems = problems;
    return this.#tell({ kind: 'rejected', problems });
  }

  #tell<U extends ConfigUpdate>(update: U): U {
    if (!this.#closing.signal.aborted) this.#options.onUpdate?.(update);
    return update;
  }

  async #stableBytes(): ReturnType<typeof readClusterBytes> {
    for (let attempt = 1; ; attempt++) {
      const before = await sourceIdentity(this.path);
      const read = await readClusterBytes(this.path);
      if (attempt === maxAttempts || before === (await sourceIdentity(this.path))) return read;
    }
  }
}
