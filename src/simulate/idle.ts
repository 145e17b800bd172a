/** Until nothing of what was begun goes on: the memory engines answer within a turn or two. */
import { setImmediate as turn } from 'node:timers/promises';

/** Turns of the event loop in which a promise chain through the engines in memory comes to its end. */
const turns = 2;

export async function idle(isBusy: () => boolean): Promise<void> {
  for (let quiet = 0; quiet < turns; quiet = isBusy() ? 0 : quiet + 1) await turn();
}
