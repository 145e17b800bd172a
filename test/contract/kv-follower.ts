/** Follows a prefix for a test: what was told, and the keys and values that follow from it. */
import type { KeyEvent, KeyValue, Listing, WatchState } from '../../src/store/kv.js';
import { eventually } from '../support/agents.js';

export interface Follower {
  readonly snapshots: readonly Listing[];
  readonly events: readonly KeyEvent[];
  /** Revisions of the calls of `onEvents`. */
  readonly revisions: readonly number[];
  readonly states: readonly WatchState['kind'][];
  readonly problems: readonly string[];
  /** By what was told. */
  readonly view: ReadonlyMap<string, string>;
  until(condition: (follower: Follower) => boolean, what: string): Promise<void>;
  close(): void;
}

export function follow(kv: KeyValue, prefix: string): Follower {
  const snapshots: Listing[] = [];
  const events: KeyEvent[] = [];
  const revisions: number[] = [];
  const states: WatchState['kind'][] = [];
  const problems: string[] = [];
  const view = new Map<string, string>();
  const watch = kv.watch(prefix, {
    onSnapshot: (listing) => {
      snapshots.push(listing);
      view.clear();
      for (const { key, value } of listing.entries) view.set(key, value);
    },
    onEvents: (batch, revision) => {
      revisions.push(revision);
      for (const event of batch) {
        events.push(event);
        if (event.kind === 'put') view.set(event.entry.key, event.entry.value);
        else view.delete(event.key);
      }
    },
    onState: (state) => {
      states.push(state.kind);
      if (state.kind === 'broken') problems.push(state.problem);
    },
  });
  const follower: Follower = {
    snapshots,
    events,
    revisions,
    states,
    problems,
    view,
    until: async (condition, what) => {
      await eventually(
        () => condition(follower),
        () => `${what}: told ${JSON.stringify({ states, problems, view: [...view] })}`,
        60_000,
      );
    },
    close: () => watch.close(),
  };
  return follower;
}
