/** One change of a kernel object, as the log says it. */
import type { Change } from '../../routes/diff.js';
import { formatObject } from '../../tunnel/format.js';

export function changeLine(change: Change): string {
  return `${change.kind} ${formatObject(change.kind === 'delete' ? change.actual : change.desired)}`;
}
