/**
 * The values in a fleet's store, JSON each, with the version of its format. A reader ignores fields
 * that it does not know and a writer keeps them, so adjacent releases share a cluster; a value of a
 * later format is named in `problems` and otherwise left alone.
 */

export const formatVersion = 1;

/** One version of the configuration. */
export interface ConfigValue {
  readonly version: number;
  /** A cluster file, as an operator wrote it. */
  readonly text: string;
  readonly at: string;
  /** User and host. */
  readonly by: string;
  readonly message?: string;
  /** Set by a change in phases; without it nodes go over by their settle time. */
  readonly changeover?: {
    /**
     * `prepare`: receive by this version and by `from`, send by `from`. `switch`: receive by both,
     * send by this version. `settled`: nobody sends by `from` any more.
     */
    readonly phase: 'prepare' | 'switch' | 'settled';
    /** Number of the version that was in force before. */
    readonly from: number;
  };
}

/** What a node is: the entry that it would have under `nodes:` of a cluster file. */
export interface RecordValue {
  readonly version: number;
  readonly node: Readonly<Record<string, unknown>>;
  /** What of `node` was found by a look at the machine, and not written by an operator. */
  readonly probed?: ProbedValue;
}

export interface ProbedValue {
  /** As in `node`; an entry that differs there is an operator's. */
  readonly accepts?: Readonly<Record<string, string>>;
  readonly mtu?: number;
}

/** An agent runs. */
export interface AliveValue {
  readonly version: number;
  /** A new one at each start. */
  readonly instance: string;
  readonly since: string;
}

/** How a node is. */
export interface StatusValue {
  readonly version: number;
  /** Of the program. */
  readonly release: string;
  /** Number of the configuration that its kernel follows. */
  readonly config: number;
  /** Phase of that version that is carried out; absent: it has none. */
  readonly phase?: 'prepare' | 'switch' | 'settled';
  /** See `Term` of encap/live-record.ts. */
  readonly receives: readonly string[];
  readonly sends: readonly string[];
  readonly ready: boolean;
  /** One line each. */
  readonly problems: readonly string[];
  readonly at: string;
}

/** Who has a block. */
export interface BlockValue {
  readonly version: number;
  readonly node: string;
  readonly at: string;
  /**
   * Underlay and public addresses that the node had when it joined. They stand here and not in its
   * record alone, as a node may write that itself, and nobody but an operator a block.
   */
  readonly addresses?: readonly string[];
}
