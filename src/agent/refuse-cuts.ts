/** A change that would lock its operator out is not begun, unless that is what was asked for. */
import type { ManagementCut } from '../../routes/management.js';
import { ChangeRefused } from './change.js';

export function refuseCuts(file: string, cuts: readonly ManagementCut[]): void {
  if (cuts.length === 0) return;
  const lines = cuts.map((cut) => `  ${cut.message}`);
  throw new ChangeRefused(
    'management-cut',
    `${file} would cut this node's own management, so nothing was changed:\n${lines.join('\n')}\nchange the file, or say --allow-management-cut where another way in is left`,
  );
}
