/**
 * The packets of a run, in phases over all pairs: small ones, one at the route's MTU with
 * don't-fragment, one a byte larger, a TCP transfer. Sizes come before TCP, so that no path MTU
 * learned by a transfer hides what a node answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../../encap/address.js';
import type { Expectation, PairEnds } from './expectation.js';
import { inTurns } from './in-turns.js';
import { isForwarded } from './matrix.js';
import type { OnProgress } from './progress.js';
import type { Arrival, TransferReply } from './traffic-protocol.js';
import type { Workload } from './workloads.js';

const smallPayloads = [64, 64, 64] as const;
/** IP and UDP headers, in bytes: RFC 791, RFC 8200, RFC 768. */
const headerBytes: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };
/** What a node needs to refuse a packet; it is the first hop. */
const refusalMs = 300;
const arrivalTimeoutMs = 1500;
const transferTimeoutMs = 5000;
const parallelProbes = 24;
const parallelTransfers = 4;

export interface Trial {
  readonly pair: PairEnds;
  readonly expectation: Expectation;
  /** What is expected of the way back, which TCP needs. */
  readonly back: Expectation;
  readonly sent: Record<ProbeKind, number>;
  refusal: string | undefined;
  oversizeRefusal: string | undefined;
  transfer: TransferReply | undefined;
}

export type ProbeKind = 'small' | 'full' | 'over';
const kinds = ['small', 'full', 'over'] as const;

/** What has arrived, by trial and kind. */
export class Arrivals {
  readonly #seen = new Map<number, Set<number>>();

  add(arrival: Arrival): void {
    const sequences = this.#seen.get(arrival.arrived) ?? new Set();
    this.#seen.set(arrival.arrived, sequences.add(arrival.sequence));
  }

  count(trial: number, kind: ProbeKind): number {
    return this.#seen.get(flowOf(trial, kind))?.size ?? 0;
  }
}

export interface ProbeContext {
  readonly trials: readonly Trial[];
  readonly workloads: ReadonlyMap<string, Workload>;
  readonly arrivals: Arrivals;
  readonly transferBytes: number;
  readonly onProgress: OnProgress;
}

export function newTrial(pair: PairEnds, expected: (pair: PairEnds) => Expectation): Trial {
  return {
    pair,
    expectation: expected(pair),
    back: expected({
      from: pair.to,
      to: pair.from,
      source: pair.destination,
      destination: pair.source,
    }),
    sent: { small: 0, full: 0, over: 0 },
    refusal: undefined,
    oversizeRefusal: undefined,
    transfer: undefined,
  };
}

export async function probeAll(context: ProbeContext): Promise<void> {
  await phase(context, { kind: 'small', step: 'small packets' });
  await phase(context, { kind: 'full', step: 'full-size packets' });
  await phase(context, { kind: 'over', step: 'oversize packets' });
  await transfers(context);
}

function flowOf(trial: number, kind: ProbeKind): number {
  return trial * kinds.length + kinds.indexOf(kind);
}

async function phase(
  context: ProbeContext,
  what: { readonly kind: ProbeKind; readonly step: string },
): Promise<void> {
  const { trials, arrivals } = context;
  const { kind, step } = what;
  const taking = [...trials.entries()].filter(
    ([, trial]) => kind === 'small' || trial.expectation.mtu !== undefined,
  );
  let done = 0;
  await inTurns(taking, {
    limit: parallelProbes,
    work: async ([index, trial]) => {
      const { source, destination, from } = trial.pair;
      const forwarded = isForwarded(trial.expectation.decided);
      const reply = await context.workloads.get(from.name)!.probe({
        from: source.address.text,
        to: destination.address.text,
        flow: flowOf(index, kind),
        payloads: payloadsFor(kind, trial),
        lingerMs: kind === 'over' || !forwarded ? refusalMs : 0,
      });
      trial.sent[kind] += reply.sent;
      if (kind === 'over') trial.oversizeRefusal = reply.refusal;
      else trial.refusal ??= reply.refusal;
      context.onProgress({ step, done: ++done, total: taking.length });
    },
  });
  if (kind === 'over') return;
  // Nobody waits for a pair that nothing got through so far.
  const awaited = taking.filter(
    ([index, trial]) =>
      isForwarded(trial.expectation.decided) &&
      (kind === 'small' || arrivals.count(index, 'small') > 0),
  );
  const missing = (): boolean =>
    awaited.some(([index, trial]) => arrivals.count(index, kind) < trial.sent[kind]);
  const deadline = Date.now() + arrivalTimeoutMs;
  while (missing() && Date.now() < deadline) await sleep(10);
}

function payloadsFor(kind: ProbeKind, trial: Trial): readonly number[] {
  if (kind === 'small') return smallPayloads;
  const full = trial.expectation.mtu! - headerBytes[trial.pair.source.family];
  return [kind === 'full' ? full : full + 1];
}

/** TCP needs both directions: a way that is denied, or that lost all its probes, is not tried. */
async function transfers(context: ProbeContext): Promise<void> {
  const { trials, arrivals } = context;
  const broken = new Set(
    trials
      .filter((_, index) => arrivals.count(index, 'small') === 0)
      .map(({ pair }) => `${pair.source.address.text} ${pair.destination.address.text}`),
  );
  const taking = trials.filter(
    ({ pair, expectation, back }) =>
      isForwarded(expectation.decided) &&
      isForwarded(back.decided) &&
      !broken.has(`${pair.source.address.text} ${pair.destination.address.text}`) &&
      !broken.has(`${pair.destination.address.text} ${pair.source.address.text}`),
  );
  let done = 0;
  await inTurns(taking, {
    limit: parallelTransfers,
    work: async (trial) => {
      const { source, destination, from } = trial.pair;
      trial.transfer = await context.workloads.get(from.name)!.transfer({
        from: source.address.text,
        to: destination.address.text,
        bytes: context.transferBytes,
        timeoutMs: transferTimeoutMs,
      });
      context.onProgress({ step: 'TCP transfers', done: ++done, total: taking.length });
    },
  });
}
