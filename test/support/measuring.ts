/**
 * A process that sends or counts packets must not be the one that loses them: on a busy machine it
 * is let run before what it measures.
 */
import { constants, setPriority } from 'node:os';

export function runFirst(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Without the privilege it is measured as well as may be.
  }
}
