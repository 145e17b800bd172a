/** Times (`60s`, `5m`, `1h`, or seconds without a unit) and counts, as options take them. */
import { InvalidArgumentError } from '@commander-js/extra-typings';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
/** As much as the agent takes. */
const maxMs = 24 * 3_600_000;

export function parseDuration(text: string): number {
  const [, digits, unit = 's'] = /^(\d{1,6})([smh]?)$/.exec(text) ?? [];
  const ms = Number(digits) * unitMs[(unit || 's') as keyof typeof unitMs];
  if (!(ms >= 1_000 && ms <= maxMs))
    throw new InvalidArgumentError('a time from 1s to 24h is right, such as 60s or 5m.');
  return ms;
}

const shortestWatchSeconds = 0.2;
const longestWatchSeconds = 3_600;

/** Seconds between two looks. */
export function parseSeconds(text: string): number {
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (!(seconds >= shortestWatchSeconds && seconds <= longestWatchSeconds))
    throw new InvalidArgumentError(
      `seconds from ${shortestWatchSeconds} to ${longestWatchSeconds} are right, or none for 2; what to look at comes before it.`,
    );
  return seconds;
}

const maxCount = 1_000;

/** Packets to show. */
export function parseCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > maxCount)
    throw new InvalidArgumentError(`a number from 1 to ${maxCount} is right.`);
  return count;
}
