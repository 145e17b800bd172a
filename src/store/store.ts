/** A store is where the cluster comes from; it keeps the last good one when a new version is bad. */
import type { Cluster } from '../../encap/cluster.js';

export interface ClusterStore {
  /** For people: the file's path, later an address. */
  readonly name: string;
  /** Undefined until the first good version. */
  readonly current: Cluster | undefined;
  /** What is wrong with the newest version, one line each; warnings of a good one too. */
  readonly problems: readonly string[];
  /** Set while the store has no good version of its own and an older one stands in: its time. */
  readonly lastGoodOf?: Date | undefined;
  /** A revision for a candidate: no version read later gets it, whatever becomes of this one. */
  claimRevision(): number;
  /** Told after every new version, good or bad. */
  onChange(listener: () => void): void;
  /** Reads again now; resolves when the result is in force or refused. */
  reload(): Promise<void>;
  close(): void;
}
