/**
 * What a simulation found. The shapes are the one source of the types and of the published JSON
 * Schema; times are in milliseconds and sizes in bytes or, as the name says, in MiB.
 */
import * as z from 'zod';
import { providers } from '../../encap/cluster.js';

const count = z.int().min(0);
const amount = z.number().min(0);

const distribution = z
  .object({ count, p50: amount, p90: amount, p99: amount, max: amount })
  .describe('Over all events and observers; each number was really seen.');

const observer = z.object({
  node: z.string(),
  zone: z.string(),
  provider: z.enum(providers),
  routes: count.describe('Routes of ours in its kernel.'),
  modes: z
    .object({ native: count, ipip: count, vxlan: count, none: count })
    .describe("How packets to the others' prefixes go."),
  entries: count.describe('Forwarding and neighbour entries of ours in its kernel.'),
  heapMiB: amount.describe('What the process needs more with this agent and its kernel.'),
  coldStart: z.object({
    workMs: amount.describe('Processor time from the first message to the kernel as it should be.'),
    listedBytes: count.describe('What the store sent it at the start.'),
  }),
  decisionsPerSecond: amount.describe('Of deciding every prefix anew.'),
});

const phase = z.object({
  name: z.enum(['churn', 'address changes', 'zone loss', 'zone return', 'rule change']),
  events: count.describe('Of nodes and operators; one may change several keys.'),
  virtualSeconds: amount,
  perWatcher: z.object({
    messages: amount.describe('Changes of keys that one agent was told of.'),
    bytes: amount,
    messagesPerEvent: amount,
    bytesPerEvent: amount,
    unexplained: z
      .int()
      .describe('Messages that no change of a watched key explains, such as renewals.'),
    status: count.describe('Messages of what other agents say of how they are.'),
  }),
  convergence: z.object({
    virtualMs: distribution
      .nullable()
      .describe(
        "From the write to the observer's kernel, on a machine that has nothing else to do.",
      ),
    workMs: distribution
      .nullable()
      .describe('Processor time of that observer from the message to its kernel.'),
  }),
  workMsPerEvent: amount.describe(
    'Processor time of one agent an event, all that follows included and resyncs not.',
  ),
  workMsPerEventMost: amount.describe('Of the agent that worked most.'),
  passes: amount.describe('Of one agent.'),
  writes: amount.describe("Changes of one agent's kernel."),
  quietAfterSeconds: amount.describe('Virtual time from the first event to the last write.'),
  notFollowed: count.describe('Events that an observer had not followed at the end.'),
  checked: z.boolean().describe('False: interrupted before the kernels were looked at.'),
  differences: z
    .array(
      z.object({
        node: z.string(),
        missing: count,
        unwanted: count,
        lines: z.array(z.string()).describe('The first of them.'),
      }),
    )
    .describe('Observers whose kernel is not what a decision from nothing asks for.'),
});

export const simulationSchema = z.object({
  schema: z.literal('selvage.simulate/1'),
  complete: z.boolean().describe('False: it was interrupted, and this is what was known by then.'),
  converged: z.boolean(),
  input: z.object({
    nodes: count,
    zones: count,
    churnPerMinute: amount.describe('Part of the nodes.'),
    durationSeconds: amount,
    seed: count,
    observers: count,
  }),
  notes: z.array(z.string()).describe('What is real in these numbers, and what is not.'),
  fleet: z.object({
    providers: z.partialRecord(z.enum(providers), count).describe('Zones.'),
    keys: count,
    storeMiB: amount.describe('Heap that the store in memory needs.'),
  }),
  observers: z.array(observer),
  phases: z.array(phase),
  memory: z.object({ residentMiB: amount, heapMiB: amount }),
  wallSeconds: amount,
});

export type SimulationReport = z.infer<typeof simulationSchema>;
export type ObserverReport = SimulationReport['observers'][number];
export type PhaseReport = SimulationReport['phases'][number];
export type PhaseName = PhaseReport['name'];
export type Difference = PhaseReport['differences'][number];

/** Path of the published copy, from the root of the package. */
export const simulationJsonSchemaPath = 'deploy/schema/simulate-1.json';

/** As it is written to the published copy. */
export function simulationJsonSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(simulationSchema, {
    target: 'draft-7',
    io: 'input',
  });
  const titled = { $schema, title: 'What simulate answers, version 1', ...schema };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
