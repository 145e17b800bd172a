/** An explanation from a bundle: the one that was given on its node, to the letter. */
import type { ExplainReport } from '../../routes/explain-report.js';
import { noteChangeover } from '../agent/changeover-report.js';
import type { ExplainAsked } from '../explain/node-reading.js';
import { explainReading } from '../explain/node-reading.js';
import type { SnapshotBundle } from './bundle.js';
import { readingOf } from './reading.js';

export async function explainBundle(
  bundle: SnapshotBundle,
  asked: Omit<ExplainAsked, 'probe'>,
): Promise<ExplainReport | string> {
  const { destination, from, whatIf } = asked;
  const report = await explainReading(readingOf(bundle), { destination, from, whatIf });
  if (typeof report === 'string') return report;
  return noteChangeover(report, { changeover: bundle.status?.changeover, node: bundle.node });
}
