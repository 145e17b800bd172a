/** A freeze in one line, the same wherever it is told. */
import type { FreezeReport } from '../../routes/explain-report.js';

export function freezeWords({ since, until, reason }: FreezeReport): string {
  const end = until === null ? 'until "selvage thaw"' : `until ${until}`;
  const why = reason === null ? '' : `: ${reason}`;
  return `frozen since ${since}, ${end}: the agent writes nothing to the kernel${why}`;
}
