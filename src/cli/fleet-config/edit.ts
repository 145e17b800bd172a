/** The configuration in an editor, as often as it takes until it is valid or given up. */
import { createInterface } from 'node:readline/promises';
import type { Problem } from '../../config/problem.js';
import { formatProblem } from '../../config/problem.js';
import { currentOf, lastNumber, readHistory } from '../../store/fleet/config-history.js';
import { unableFailure } from '../failure.js';
import type { Format } from '../options.js';
import { remark } from '../output.js';
import type { StoreFlags } from '../store-options.js';
import { DraftFile, runEditor } from './draft-file.js';
import type { ChangeFlags } from './options.js';
import { type ConfigChangeReport, propose } from './propose.js';
import { printChange } from './set.js';
import { requireVersion, withConfigStore, writer } from './store.js';

interface Edited {
  readonly report: ConfigChangeReport;
  readonly text: string;
}

export async function editConfig(
  options: StoreFlags & ChangeFlags & { readonly output: Format },
): Promise<void> {
  const draft = await DraftFile.make();
  let keep = false;
  try {
    const edited = await edit(draft, options);
    if (edited === 'unchanged') {
      remark('the text was not changed; nothing was written');
      return;
    }
    keep = !['written', 'unchanged'].includes(edited.report.outcome);
    await printChange(edited.report, { text: edited.text, output: options.output });
  } catch (error) {
    // The store does not answer any more: what was typed is worth keeping.
    keep = await draft.isWorthKeeping();
    throw error;
  } finally {
    if (keep) {
      await draft.keep();
      remark(`your text is kept in ${draft.path}`);
    } else {
      await draft.remove();
    }
  }
}

/**
 * A program in the place of an editor would make a mistake of its own each time, for ever; somebody
 * at a terminal sees what is wrong in the text, and may rather give up.
 */
async function wantsToEditAgain({ problems }: ConfigChangeReport): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const [first, ...others] = problems.filter(({ severity }) => severity === 'error');
  if (first !== undefined) remark(formatProblem(first));
  if (others.length > 0) remark(`and ${others.length} more, told in the text`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('n')));
    const answer = await Promise.race([lines.question('edit again? [Y/n] '), closed]);
    return !/^\s*n/i.test(answer);
  } finally {
    lines.close();
  }
}

async function edit(
  draft: DraftFile,
  options: StoreFlags & ChangeFlags,
): Promise<Edited | 'unchanged'> {
  const read = await withConfigStore(options, async ({ kv, keys }) => {
    const history = await readHistory(kv, keys);
    requireVersion(history, undefined);
    return { text: currentOf(history)!.value.text, number: lastNumber(history) };
  });
  let before = read.text;
  let last: ConfigChangeReport | undefined;
  let problems: readonly Problem[] = [];
  for (;;) {
    await draft.write(before, problems);
    await runEditor(draft.path);
    const text = await draft.read();
    if (text.trim() === '') throw unableFailure('the text is empty; nothing was written');
    if (text === before) return last === undefined ? 'unchanged' : { report: last, text };
    // Opened for each try: an editor may be open for hours, and a connection need not.
    const report = await withConfigStore(options, (target) =>
      propose(target, {
        proposal: {
          text,
          file: draft.path,
          by: writer(),
          at: new Date(),
          message: options.message,
          ifVersion: read.number,
        },
        flags: { forceChange: options.forceChange, dryRun: false },
      }),
    );
    if (report.outcome !== 'invalid' || !(await wantsToEditAgain(report))) return { report, text };
    last = report;
    before = text;
    problems = report.problems.filter(({ severity }) => severity === 'error');
  }
}
