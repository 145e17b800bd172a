/** The plain form of a stage report, for the parts of the view to fill in. */
import type { StageReport } from './evidence.js';

type Given = Pick<StageReport, 'stage' | 'direction' | 'state' | 'key'> & Partial<StageReport>;

export function stageReport(given: Given): StageReport {
  return {
    desired: null,
    actual: null,
    attributes: [],
    holder: null,
    changedAt: null,
    changedBy: null,
    ...given,
  };
}
