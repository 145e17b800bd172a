/** How long probes wait: for packets to leave in turn, and for answers as long as the path is slow. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

/** Between two packets of a train, so that they do not fill a queue. */
export const packetGapMs = 5;
/** For answers, when none has come yet that tells how slow the path is. */
const unknownPathMs = 600;
/** At least, also on a fast path: the other end may be busy. */
const leastMs = 200;
const roundTrips = 4;
const mostMs = 1_500;

/** After the last packet; `rttMs`: the slowest answer so far. */
export function patienceMs(rttMs: number | undefined): number {
  if (rttMs === undefined) return unknownPathMs;
  return Math.min(mostMs, Math.max(leastMs, roundTrips * rttMs));
}

/**
 * Waits until `done`, or until the patience that `rttMs` calls for is over, counted from now. A busy
 * process runs its timers before it reads what has come meanwhile: that is read before giving up.
 */
export async function untilDone(
  done: () => boolean,
  rttMs: () => number | undefined,
): Promise<void> {
  const startMs = performance.now();
  while (!done() && performance.now() - startMs < patienceMs(rttMs())) await sleep(packetGapMs);
  await turn();
  await turn();
}
