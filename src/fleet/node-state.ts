/** How a node is, as far as the store tells. */
export const nodeStates = ['alive', 'stale', 'refused', 'listed'] as const;
/**
 * `stale`: no agent is heard of; its paths stay for the grace of the configuration, then it is
 * withdrawn. `refused`: agents do not use its record. `listed`: the configuration has it, and no
 * agent of it is heard of.
 */
export type NodeState = (typeof nodeStates)[number];
