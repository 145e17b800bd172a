/** The configuration in an editor, as often as it takes until it is valid or given up. */
import type { Problem } from '../../config/problem.js';
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
    if (report.outcome !== 'invalid') return { report, text };
    last = report;
    before = text;
    problems = report.problems.filter(({ severity }) => severity === 'error');
  }
}
