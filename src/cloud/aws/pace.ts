/**
 * How often a node asks EC2 again. All nodes of an account and region draw on one allowance: EC2
 * refills 20 Describe calls a second ("Request throttling for the Amazon EC2 API"), and a cluster
 * takes half of it at most. So where there are many nodes, answers are kept for longer than the
 * refresh interval; a change of our own has the next reading ask anew.
 *
 *     nodes   own part: 3 calls     peers' part: 3 calls (from 200 addresses on: 1 for each
 *                                   1000 tagged interfaces, and 2)
 *       100   every reading         every reading
 *     1,000   10 min                10 min
 *    10,000   100 min               7 h
 */
const callsPerSecond = 5;
/** Below this, nothing is kept. */
const leastMs = 60_000;

/** The own interfaces, the main route table, the route tables of subnets. */
const ownCalls = 3;
/** Security groups and network ACLs, besides the interfaces. */
const firewallCalls = 2;
const taggedPage = 1000;

export interface Pace {
  /** Milliseconds for which this node's own interfaces and the route tables are kept. */
  readonly ownMs: number;
  /** And the interfaces of peers, security groups and ACLs. */
  readonly peersMs: number;
}

export function paceFor(nodes: number): Pace {
  const pages = nodes <= 200 ? 1 : Math.ceil(nodes / taggedPage);
  return {
    ownMs: keepFor(nodes * ownCalls),
    peersMs: keepFor(nodes * (pages + firewallCalls)),
  };
}

function keepFor(calls: number): number {
  const neededMs = Math.ceil((calls / callsPerSecond) * 1000);
  return neededMs <= leastMs ? 0 : neededMs;
}

/** What this means for an operator; undefined: nothing. */
export function paceNote(nodes: number, pace: Pace): string | undefined {
  if (pace.ownMs === 0 && pace.peersMs === 0) return undefined;
  const minutes = (ms: number): string => `${Math.max(1, Math.round(ms / 60_000))} min`;
  return `${nodes} nodes share EC2's allowance of calls: this node reads its own interfaces and route tables every ${minutes(pace.ownMs)}, those of its peers and the security groups every ${minutes(pace.peersMs)}`;
}
