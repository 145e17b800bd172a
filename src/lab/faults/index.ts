/** The faults that a lab can be given; a further one is one more entry of these lists. */
import type { Fault } from './fault.js';
import { nodeFaults } from './node.js';
import { underlayFaults } from './underlay.js';

export type { Fault } from './fault.js';

/** The agent's process: signals, sent by `inject.ts`, which knows the process. */
export const agentFaults: readonly Fault[] = [
  {
    name: 'agent-dead',
    summary: 'the agent was killed; the kernel goes on forwarding',
    kind: 'agent',
    steps: () => ({ inject: [], undo: [] }),
  },
  {
    name: 'agent-hung',
    summary: 'the agent is stopped and answers nobody',
    kind: 'agent',
    steps: () => ({ inject: [], undo: [] }),
  },
];

export const faults: readonly Fault[] = [...underlayFaults, ...nodeFaults, ...agentFaults];
