/**
 * Reads a tap file's report back into a flat list of its innermost assertions, so that they can be
 * asserted again elsewhere. Only what tap itself prints is understood: four spaces a level, a
 * `# Subtest:` line before each inner report, a YAML block after a failure.
 */
export interface TapResult {
  /** Names of the tests around it and its own. */
  readonly path: readonly string[];
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** YAML block of a failure, or the reason of a skip. */
  readonly detail: string;
}

const assertion = /^( *)(not )?ok \d+(?: - (.*?))?(?: # (SKIP|TODO|time=\S+)(?: (.*))?)?(?: \{)?$/i;

export function readTapReport(report: string): readonly TapResult[] {
  const results: TapResult[] = [];
  const titles: string[] = [];
  /** Worst outcome so far at each level: a summary line of what is inside is not one more. */
  const open = new Map<number, 'passed' | 'failed'>();
  const lines = report.split('\n');
  let insideYaml = false;
  lines.forEach((line, index) => {
    if (insideYaml || /^ *---$/.test(line)) {
      // A block may well quote another report.
      insideYaml = line.trim() !== '...';
      return;
    }
    const subtest = /^( *)# Subtest: (.*)$/.exec(line);
    if (subtest) {
      const level = (subtest[1] ?? '').length / 4;
      titles.length = level;
      titles.push(subtest[2] ?? '');
      open.delete(level + 1);
      return;
    }
    const match = assertion.exec(line);
    if (!match) return;
    const [, indent = '', not, name = '', directive = '', reason = ''] = match;
    const level = indent.length / 4;
    if (!Number.isInteger(level)) return;
    const skipped = /^(skip|todo)$/i.test(directive);
    const failed = not !== undefined && !skipped;
    const inside = open.get(level + 1);
    open.delete(level + 1);
    open.set(level, failed || open.get(level) === 'failed' ? 'failed' : 'passed');
    if (inside === 'failed' || (inside === 'passed' && !failed)) return;
    results.push({
      path: [...titles.slice(0, level), name],
      outcome: skipped ? 'skipped' : failed ? 'failed' : 'passed',
      detail: failed ? yamlBlock(lines, index + 1) : reason,
    });
  });
  return results;
}

function yamlBlock(lines: readonly string[], start: number): string {
  if (lines[start]?.trim() !== '---') return '';
  const end = lines.findIndex((line, index) => index > start && line.trim() === '...');
  return lines.slice(start + 1, end < 0 ? start + 40 : end).join('\n');
}
