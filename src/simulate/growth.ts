/**
 * One simulation a size, and how what it costs grows with the size: as an exponent between two
 * sizes (0: it does not depend on the number of nodes; 1: twice the nodes, twice the cost), and the
 * first size at which one event at one agent begins to cost more in a larger fleet.
 */
import * as z from 'zod';
import { quantiles, round } from './quantiles.js';
import type { SimulationReport } from './report.js';
import { simulationSchema } from './report.js';

const amount = z.number().min(0).nullable();

const size = z.object({
  nodes: z.int().min(1),
  observers: z.int().min(0),
  converged: z.boolean(),
  routes: amount.describe('In the kernel of one agent; the median of the observers, as below.'),
  eventMs: amount.describe('Processor time of one agent for one event of churn, in all.'),
  eventMostMs: amount.describe('Of the agent that worked most for it.'),
  addressMs: amount.describe('Processor time of one agent for a node that gets another address.'),
  messagesPerEvent: amount,
  bytesPerEvent: amount,
  latencyMs: z
    .object({ p50: z.number(), p99: z.number() })
    .nullable()
    .describe('Virtual time from the write to the kernel, under churn.'),
  coldStartMs: amount,
  ruleChangeMs: amount.describe('Processor time of one agent for a rule that moves every peer.'),
  decisionsPerSecond: amount,
  heapMiB: amount.describe('Of one agent with its kernel in memory.'),
  residentMiB: amount.describe('Of the process: the store, all observers, and their kernels.'),
});

const growing = [
  'eventMs',
  'eventMostMs',
  'addressMs',
  'coldStartMs',
  'ruleChangeMs',
  'heapMiB',
] as const;

export const growthSchema = z.object({
  schema: z.literal('selvage.simulate-growth/1'),
  complete: z.boolean(),
  converged: z.boolean(),
  sizes: z.array(size),
  exponents: z
    .array(
      z.object({
        from: z.int(),
        to: z.int(),
        of: z.partialRecord(z.enum(growing), z.number()),
      }),
    )
    .describe('Between two sizes: the slope in a picture with logarithmic axes.'),
  bend: z
    .object({ nodes: z.int(), exponent: z.number() })
    .nullable()
    .describe(
      'The first size at which the cost of one event has grown by an exponent above 0.5; null: none.',
    ),
  notes: z.array(z.string()),
  reports: z.array(simulationSchema),
});

export type GrowthReport = z.infer<typeof growthSchema>;
export type GrowthSize = GrowthReport['sizes'][number];
export type Growing = (typeof growing)[number];

/** Above it a cost counts as one that grows with the fleet. */
export const bendExponent = 0.5;
/** In a small fleet one part in a hundred is nobody: a few events say nothing of what one costs. */
const fewestEventsPerMinute = 100;

export interface GrowthOptions {
  readonly sizes: readonly number[];
  readonly churnPerMinute: number;
  readonly run: (nodes: number, churnPerMinute: number) => Promise<SimulationReport>;
  readonly signal?: AbortSignal;
}

export async function grow(options: GrowthOptions): Promise<GrowthReport> {
  const { sizes, churnPerMinute, run, signal } = options;
  const reports: SimulationReport[] = [];
  for (const nodes of [...sizes].sort((a, b) => a - b)) {
    if (signal?.aborted === true) break;
    reports.push(await run(nodes, Math.max(churnPerMinute, fewestEventsPerMinute / nodes)));
  }
  return growthReport(reports, { complete: reports.length === sizes.length });
}

export function growthReport(
  reports: readonly SimulationReport[],
  { complete }: { readonly complete: boolean },
): GrowthReport {
  const rows = reports.map(sizeOf);
  const exponents = rows.slice(1).map((row, index) => exponentsOf(rows[index]!, row));
  const bend = exponents.find(({ of }) => (of.eventMs ?? 0) > bendExponent);
  return {
    schema: 'selvage.simulate-growth/1',
    complete: complete && reports.every((report) => report.complete),
    converged: reports.every((report) => report.converged),
    sizes: rows,
    exponents,
    bend: bend === undefined ? null : { nodes: bend.to, exponent: bend.of.eventMs! },
    notes: [
      ...(reports[0]?.notes.slice(1) ?? []),
      `Each size ran in a process of its own, with at least ${fewestEventsPerMinute} events of churn a minute.`,
    ],
    reports: [...reports],
  };
}

function sizeOf(report: SimulationReport): GrowthSize {
  const { observers, phases, input } = report;
  const churn = phases.find(({ name }) => name === 'churn');
  const rules = phases.find(({ name }) => name === 'rule change');
  const median = (values: readonly number[]): number | null => quantiles(values)?.p50 ?? null;
  const latency = churn?.convergence.virtualMs ?? null;
  return {
    nodes: input.nodes,
    observers: input.observers,
    converged: report.converged,
    routes: median(observers.map(({ routes }) => routes)),
    eventMs: churn?.workMsPerEvent ?? null,
    eventMostMs: churn?.workMsPerEventMost ?? null,
    addressMs: phases.find(({ name }) => name === 'address changes')?.workMsPerEvent ?? null,
    messagesPerEvent: churn?.perWatcher.messagesPerEvent ?? null,
    bytesPerEvent: churn?.perWatcher.bytesPerEvent ?? null,
    latencyMs: latency === null ? null : { p50: latency.p50, p99: latency.p99 },
    coldStartMs: median(observers.map(({ coldStart }) => coldStart.workMs)),
    ruleChangeMs: rules?.workMsPerEvent ?? null,
    decisionsPerSecond: median(observers.map(({ decisionsPerSecond }) => decisionsPerSecond)),
    heapMiB: median(observers.map(({ heapMiB }) => heapMiB)),
    residentMiB: report.memory.residentMiB,
  };
}

function exponentsOf(from: GrowthSize, to: GrowthSize): GrowthReport['exponents'][number] {
  const of: Partial<Record<Growing, number>> = {};
  for (const key of growing) {
    const [before, after] = [from[key], to[key]];
    if (before === null || after === null || before <= 0 || after <= 0) continue;
    of[key] = round(Math.log(after / before) / Math.log(to.nodes / from.nodes));
  }
  return { from: from.nodes, to: to.nodes, of };
}
