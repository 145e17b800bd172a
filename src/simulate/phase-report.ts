/** What a phase did to its observers, from what was counted before and after. */
import type { MeteredKeyValue } from './metered-kv.js';
import type { ObserverFigures } from './observer.js';
import { quantiles, round } from './quantiles.js';
import type { Difference, PhaseName, PhaseReport } from './report.js';

export interface PhaseInput {
  readonly name: PhaseName;
  readonly events: number;
  /** Keys that watchers were to be told of. */
  readonly changes: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly traffic: readonly TrafficSince[];
  readonly figures: readonly ObserverFigures[];
  /** Undefined: it was interrupted, and nobody looked. */
  readonly differences: readonly Difference[] | undefined;
}

/** Of one observer in the phase. */
export type TrafficSince = Pick<MeteredKeyValue['traffic'], 'events' | 'statusEvents' | 'bytes'>;

export function trafficSince(before: TrafficSince, now: MeteredKeyValue['traffic']): TrafficSince {
  return {
    events: now.events - before.events,
    statusEvents: now.statusEvents - before.statusEvents,
    bytes: now.bytes - before.bytes,
  };
}

export function phaseReport(input: PhaseInput): PhaseReport {
  const { name, events, figures, traffic, startMs, endMs } = input;
  const messages = mean(traffic.map((each) => each.events));
  const bytes = mean(traffic.map((each) => each.bytes));
  const status = mean(traffic.map(({ statusEvents }) => statusEvents));
  const arrivals = figures.flatMap((each) => each.arrivals);
  const lastWriteMs = Math.max(startMs, ...figures.map((each) => each.lastWriteMs));
  const worked = figures.map((each) => each.workMs - each.resyncWorkMs);
  const perEvent = (amount: number): number => round(events === 0 ? 0 : amount / events);
  return {
    name,
    events,
    virtualSeconds: round((endMs - startMs) / 1000),
    perWatcher: {
      messages: round(messages),
      bytes: round(bytes),
      messagesPerEvent: perEvent(messages),
      bytesPerEvent: perEvent(bytes),
      unexplained: Math.max(0, ...traffic.map((each) => each.events - input.changes)),
      status: round(status),
    },
    convergence: {
      virtualMs: quantiles(arrivals.map(({ afterMs }) => afterMs)) ?? null,
      workMs: quantiles(arrivals.map(({ workMs }) => workMs)) ?? null,
    },
    workMsPerEvent: perEvent(mean(worked)),
    workMsPerEventMost: perEvent(Math.max(0, ...worked)),
    passes: round(mean(figures.map(({ passes }) => passes))),
    writes: round(mean(figures.map(({ ops }) => ops))),
    quietAfterSeconds: round((lastWriteMs - startMs) / 1000),
    notFollowed: figures.reduce((sum, { missed }) => sum + missed, 0),
    checked: input.differences !== undefined,
    differences: [...(input.differences ?? [])],
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
