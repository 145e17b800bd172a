/**
 * The last good cluster, kept on this node's disk, so that a reboot while the store is out (the file
 * is gone or garbage, a server does not answer) still forwards. A wrapper around any store: it
 * writes down every good version, and stands in with the last one until the store has a good one.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { Clock } from '../../routes/reconciler.js';
import { systemClock } from '../../routes/reconciler.js';
import type { SavedCluster } from './last-good-file.js';
import { readLastGood, writeLastGood } from './last-good-file.js';
import type { ClusterStore, StoreChange } from './store.js';

export interface LastGoodStore extends ClusterStore {
  /** Set while the store itself has no good version: when the one in use was written down. */
  readonly lastGoodOf: Date | undefined;
  /** Why the one on disk could not be used at the start; one line. */
  readonly lastGoodProblem: string | undefined;
  /** Resolves when what was to be written has been written, or could not be. */
  saved(): Promise<void>;
}

export interface LastGoodOptions {
  /** File of this node alone, in its state directory. */
  readonly path: string;
  readonly now?: () => Date;
  readonly clock?: Clock;
  /** Nothing is written before it: at a start the packets come first. */
  readonly after?: Promise<void>;
}

/**
 * Changes of single nodes are written down together: in a large fleet there is one every second, and
 * each would write all of the cluster. A reboot in between starts from nodes as they were.
 */
const nodesEveryMs = 30_000;

export async function withLastGood(
  store: ClusterStore,
  options: LastGoodOptions,
): Promise<LastGoodStore> {
  const { path, now = () => new Date(), clock = systemClock } = options;
  let saved: SavedCluster | undefined;
  let readProblem: string | undefined;
  let writeProblem: string | undefined;
  let written: Cluster | undefined;
  let writing: Promise<void> = options.after ?? Promise.resolve();

  if (store.current === undefined) {
    const read = await readLastGood(path, { source: store.name });
    if (read.kind === 'found') saved = read.saved;
    if (read.kind === 'refused') readProblem = read.problem;
  }

  let later: { cancel(): void } | undefined;
  const listeners: ((change: StoreChange) => void)[] = [];

  /** Versions that come faster than the disk takes them are skipped but for the last. */
  function save(): void {
    later?.cancel();
    later = undefined;
    writing = writing.then(async () => {
      const cluster = store.current;
      if (cluster === undefined || cluster === written) return;
      const before = writeProblem;
      try {
        await writeLastGood(path, { cluster, source: store.name, savedAt: now() });
        written = cluster;
        writeProblem = undefined;
      } catch (error) {
        writeProblem = `cannot keep the last good configuration in ${path}: ${(error as Error).message}; a restart without the store would have to go without it`;
      }
      // Nobody else has a reason to look just now.
      if (writeProblem !== before) for (const listener of listeners) listener({ kind: 'problems' });
    });
  }
  save();
  store.onChange((change: StoreChange) => {
    if (change.kind === 'all') save();
    else if (change.kind === 'nodes' && change.names.length > 0)
      later ??= clock.setTimer(save, nodesEveryMs);
  });

  return {
    name: store.name,
    get current() {
      return store.current ?? saved?.cluster;
    },
    get problems() {
      return [
        ...(store.current === undefined && saved !== undefined
          ? [standIn(store, saved)]
          : store.current === undefined && readProblem !== undefined
            ? [readProblem]
            : []),
        ...(writeProblem === undefined ? [] : [writeProblem]),
        ...store.problems,
      ];
    },
    lastGoodProblem: readProblem,
    get lastGoodOf() {
      return store.current === undefined ? saved?.savedAt : undefined;
    },
    get health() {
      return store.health;
    },
    get probedPlanes() {
      return store.probedPlanes;
    },
    claimRevision: () => store.claimRevision(),
    onChange: (listener) => {
      listeners.push(listener);
      store.onChange(listener);
    },
    reload: async () => {
      await store.reload();
      // A write that failed is tried again, also when the content is the same.
      save();
      await writing;
    },
    saved: () => writing,
    ...(store.publish === undefined ? {} : { publish: (report) => store.publish?.(report) }),
    close: () => {
      if (later !== undefined) save();
      store.close();
    },
  };
}

function standIn(store: ClusterStore, saved: SavedCluster): string {
  return `${store.name} has no usable configuration: the last good one, of ${saved.savedAt.toISOString()}, is in force until it has`;
}
