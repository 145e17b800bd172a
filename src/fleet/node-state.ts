/** How a node is, as far as the store tells. */
export const nodeStates = ['alive', 'stale', 'withdrawn', 'refused', 'listed'] as const;
/**
 * `stale`: no agent is heard of; its paths stay for the grace of the configuration. `withdrawn`: that
 * is over, and its paths are gone; only an agent knows. `refused`: agents do not use its record. `listed`: the configuration has it, and no
 * agent of it is heard of.
 */
export type NodeState = (typeof nodeStates)[number];
