/** What is real in the numbers of a simulation, in plain words, as the report says it. */
import { staleGraceSeconds } from './config-text.js';
import { leaseOfFleetSeconds } from './fleet.js';

export function notesFor(input: { readonly nodes: number; readonly observers: number }): string[] {
  const { nodes, observers } = input;
  return [
    `${observers} of the ${nodes} nodes are whole agents (store client, decisions, diff, reconciler, guard); the others only write to the store what nodes write. Nothing is extrapolated from the ones to the others.`,
    'The store is the engine in memory and answers at once; kernels and packet filters are in memory too. Network, etcd, netlink and nftables add their times.',
    'Work is processor time of this process, garbage collection included. Virtual time passes with that work on a clock of each agent, so throttles and pauses act as on a machine of its own.',
    `A zone is lost when its leases of ${leaseOfFleetSeconds} s end; its paths stay for a grace, here ${staleGraceSeconds} s, and are then withdrawn.`,
  ];
}
