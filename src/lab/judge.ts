/** From what was decided, sent, captured and received: the pair's row of the matrix. */
import type { Mode } from '../../encap/mode.js';
import { type Expectation, describeExpectation } from './expectation.js';
import { type DecidedMode, type MatrixPair, type SeenMode, isForwarded } from './matrix.js';
import type { Observation } from './observe.js';
import type { Trial } from './probes.js';

export interface Evidence {
  readonly trial: Trial;
  readonly observation: Observation;
  /** What the sender's agent says, where there is one. */
  readonly agent: Expectation | undefined;
  /** What the trial's expectation is read off. */
  readonly source: 'file' | 'store';
  /** Probes that reached the receiving workload. */
  readonly received: { readonly small: number; readonly full: number; readonly over: number };
}

export function judge(evidence: Evidence): MatrixPair {
  const { trial, observation, received } = evidence;
  const { pair, expectation, sent } = trial;
  const forwarded = isForwarded(expectation.decided);
  const seen = seenMode(observation.departed);
  const promised = forwarded ? sent.small + sent.full : sent.small;
  const lost = promised - received.small - (forwarded ? received.full : 0);
  const row: Omit<MatrixPair, 'failures'> = {
    from: pair.from.name,
    to: pair.to.name,
    family: pair.source.family,
    decided: expectation.decided,
    plane: evidence.agent?.plane ?? expectation.plane,
    seen,
    departed: observation.departed,
    arrived: observation.arrived,
    outer: observation.outer,
    vni: observation.vni,
    mtu: expectation.mtu,
    sent: promised,
    lost,
    fullSize: !forwarded
      ? 'not-tried'
      : received.full > 0 && observation.largestProbe === expectation.mtu
        ? 'passed'
        : 'failed',
    oversize: !forwarded ? 'not-tried' : oversize(trial, received.over),
    refusal: trial.refusal,
    transfer:
      trial.transfer === undefined
        ? undefined
        : {
            bytes: trial.transfer.confirmed,
            durationMs: trial.transfer.durationMs,
            problem: trial.transfer.problem,
          },
  };
  return { ...row, failures: [...disagreement(evidence), ...failuresOf(row, observation)] };
}

function seenMode(counts: Readonly<Partial<Record<Mode, number>>>): SeenMode {
  const seen = Object.keys(counts) as Mode[];
  return seen.length > 1 ? 'mixed' : (seen[0] ?? 'none');
}

function oversize(trial: Trial, arrived: number): MatrixPair['oversize'] {
  if (arrived > 0) return 'passed';
  return trial.oversizeRefusal === 'EMSGSIZE' ? 'refused' : 'silent';
}

function disagreement({ trial, agent, source }: Evidence): readonly string[] {
  const { expectation } = trial;
  if (agent === undefined) return [];
  if (agent.decided === expectation.decided && agent.mtu === expectation.mtu) return [];
  return [
    `the agent decided ${describeExpectation(agent)}, the ${source} says ${describeExpectation(expectation)}`,
  ];
}

function failuresOf(
  row: Omit<MatrixPair, 'failures'>,
  observation: Observation,
): readonly string[] {
  const failures = [...observation.oddities];
  if (!isForwarded(row.decided)) {
    const passed = row.sent - row.lost;
    if (passed > 0)
      failures.push(
        `${passed} of ${row.sent} packets passed a pair that is ${denied(row.decided)}`,
      );
    else if (row.seen !== 'none')
      failures.push(`packets left as ${row.seen} although the pair is ${denied(row.decided)}`);
    return failures;
  }
  if (row.seen !== row.decided)
    failures.push(
      row.seen === 'none'
        ? `nothing left the node${row.refusal === undefined ? '' : ` (${row.refusal})`}`
        : `decided ${row.decided}, seen ${counted(row.departed)}`,
    );
  const arrived = seenMode(row.arrived);
  if (arrived !== row.seen && arrived !== 'none')
    failures.push(`left as ${counted(row.departed)}, arrived as ${counted(row.arrived)}`);
  if (row.lost > 0) failures.push(`${row.lost} of ${row.sent} packets lost`);
  if (row.fullSize === 'failed')
    failures.push(
      row.lost === 0
        ? `the full-size packet did not cross whole at ${row.mtu} bytes (largest ${observation.largestProbe})`
        : `no packet of ${row.mtu} bytes arrived`,
    );
  if (row.oversize === 'passed') failures.push(`a packet of ${row.mtu! + 1} bytes passed`);
  if (row.oversize === 'silent')
    failures.push(`a packet of ${row.mtu! + 1} bytes vanished without "fragmentation needed"`);
  if (row.transfer?.problem !== undefined) failures.push(`TCP transfer: ${row.transfer.problem}`);
  return failures;
}

function denied(decided: DecidedMode): string {
  return decided === 'deny' ? 'denied' : 'unreachable';
}

function counted(counts: Readonly<Partial<Record<Mode, number>>>): string {
  const parts = Object.entries(counts).map(([mode, packets]) => `${mode} (${packets})`);
  return parts.length === 0 ? 'nothing' : parts.join(' and ');
}
