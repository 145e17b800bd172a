/** The cluster file as a store: watched, read atomically, a bad version never replaces a good one. */
import { formatProblem } from '../config/problem.js';
import { openConfigSource } from '../config/source.js';
import type { ClusterStore, StoreChange } from './store.js';

export async function openFileStore(path: string): Promise<ClusterStore> {
  const listeners = new Set<(change: StoreChange) => void>();
  const source = await openConfigSource(path, {
    onUpdate: () => {
      for (const listener of listeners) listener({ kind: 'all' });
    },
  });
  await source.watch();
  return {
    name: path,
    get current() {
      return source.current;
    },
    get problems() {
      return source.lastProblems.map((problem) => formatProblem(problem));
    },
    claimRevision: () => source.claimRevision(),
    onChange: (listener) => void listeners.add(listener),
    reload: async () => {
      await source.reload();
    },
    close: () => source.close(),
  };
}
