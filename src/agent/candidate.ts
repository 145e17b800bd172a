/** A cluster file that somebody hands over, read as strictly as the configured one. */
import type { Cluster } from '../../encap/cluster.js';
import { formatProblem, parseClusterFile } from '../config/index.js';
import type { ChangeRequest } from './change.js';
import { ChangeRefused } from './change.js';

const shownErrors = 5;

export function parseCandidate(
  given: Pick<ChangeRequest, 'file' | 'content'>,
  revision: number,
): Cluster {
  const { file, content } = given;
  const parsed = parseClusterFile({ text: content, file, revision });
  if (parsed.ok) return parsed.cluster;
  const lines = parsed.problems
    .filter((problem) => problem.severity === 'error')
    .map((problem) => `  ${formatProblem(problem)}`);
  const more = lines.length - shownErrors;
  throw new ChangeRefused(
    'invalid',
    `${file} is not valid, so nothing was changed:\n${lines.slice(0, shownErrors).join('\n')}` +
      (more > 0 ? `\n  and ${more} more: see "selvage validate ${file}"` : ''),
  );
}
