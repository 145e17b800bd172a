/** How a store is that other machines serve; each part is absent where the store cannot tell. */
export interface StoreHealth {
  /** Does what is known hold everything that the store has told? */
  readonly synced: boolean;
  /** Of the engine: the last one that this node has seen. */
  readonly revision?: number;
  /** How long what is known may have been out of date; 0 while it is not. */
  readonly lagSeconds?: number;
  /** Values under the cluster's prefix that cannot be used: garbage, or claims of what is another's. */
  readonly refusedRecords?: number;
  /** Times that the connection was lost. */
  readonly outages?: number;
  /** Number of the configuration in force, and the phase of a change that is led to it. */
  readonly config?: number;
  readonly phase?: 'prepare' | 'switch' | 'settled';
  /** Nodes that are registered and not heard of. */
  readonly absent?: number;
}
