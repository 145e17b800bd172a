/** A store is where the cluster comes from; it keeps the last good one when a new version is bad. */
import type { Accepts, Cluster } from '../../encap/cluster.js';
import type { Term } from '../../encap/live-record.js';
import type { StoreHealth } from './health.js';

/** How `current` differs from what it was when the same listener was told last. */
export type StoreChange =
  | { readonly kind: 'all' }
  /** In the records of these nodes and in its revision; some may have come, others gone. */
  | { readonly kind: 'nodes'; readonly names: readonly string[] }
  /** In nothing but its `problems`. */
  | { readonly kind: 'problems' };

/** What a node has found out about its own machine. */
export interface NodeFindings {
  /** What its kernel does not do, and what carries it instead. */
  readonly planes: Accepts;
  /** Of the smallest of its NICs in bytes; undefined: not known. */
  readonly mtu: number | undefined;
  /** Whatever it can receive and may be sent is received. */
  readonly isUp: boolean;
}

/** What an agent tells the others of itself. */
export interface NodeReport {
  /** Revision of the cluster that its kernel follows. */
  readonly revision: number;
  readonly receives: readonly Term[];
  readonly sends: readonly Term[];
  readonly ready: boolean;
  /** One line each. */
  readonly problems: readonly string[];
  /** Undefined: it has not looked yet. */
  readonly findings?: NodeFindings | undefined;
}

export interface ClusterStore {
  /** For people: the file's path, later an address. */
  readonly name: string;
  /** Undefined until the first good version. */
  readonly current: Cluster | undefined;
  /** What is wrong with the newest version, one line each; warnings of a good one too. */
  readonly problems: readonly string[];
  /** Set while the store has no good version of its own and an older one stands in: its time. */
  readonly lastGoodOf?: Date | undefined;
  /** How it stands with the machines that serve it; absent where none do. */
  readonly health?: StoreHealth | undefined;
  /**
   * What this node's kernel lacked when that was told to the others; they send nothing of it. Absent
   * where nodes do not register.
   */
  readonly probedPlanes?: Accepts | undefined;
  /** A revision for a candidate: no version read later gets it, whatever becomes of this one. */
  claimRevision(): number;
  /** Told after every new version, good or bad. */
  onChange(listener: (change: StoreChange) => void): void;
  /** Reads again now; resolves when the result is in force or refused. */
  reload(): Promise<void>;
  /**
   * Registers the agent of this node and keeps what it says up to date; absent where nodes do not
   * register. Never waits for the store, and never fails: `problems` tells.
   */
  publish?(report: NodeReport): void;
  close(): void;
}
