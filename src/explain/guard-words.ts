/** What was read of the packet filter, in words. */
import type { GuardReading } from '../agent/read-guard.js';

/** One line each; first the guard's own rules as somebody else has left them. */
export function guardLines({ difference, problems }: GuardReading): readonly string[] {
  const own =
    difference === undefined ? [] : [`selvage's own guard is not as it should be: ${difference}`];
  return [...own, ...problems];
}
