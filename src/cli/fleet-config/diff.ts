/** What differs between two versions: the lines, and whom it sends another way. */
import { effectBetween } from '../../store/fleet/config-change.js';
import { readHistory } from '../../store/fleet/config-history.js';
import { exitCodes } from '../exit-codes.js';
import { unableFailure } from '../failure.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderConfigDiff } from '../render/config-diff.js';
import type { StoreFlags } from '../store-options.js';
import type { ConfigDiffReport } from './reports.js';
import { requireVersion, versionBefore, withConfigStore } from './store.js';
import { unifiedDiff } from './text-diff.js';

export async function diffConfig(
  asked: { readonly old: number | undefined; readonly next: number | undefined },
  options: StoreFlags & { readonly effect: boolean; readonly output: Format },
): Promise<void> {
  const report = await withConfigStore(options, async (target): Promise<ConfigDiffReport> => {
    const history = await readHistory(target.kv, target.keys);
    const next = requireVersion(history, asked.next);
    const old =
      asked.old === undefined ? versionBefore(history, next) : requireVersion(history, asked.old);
    const text = await unifiedDiff(
      { label: `version ${old.number}`, text: old.value.text },
      { label: `version ${next.number}`, text: next.value.text },
    );
    const effect = options.effect ? await effectBetween(target, [old, next]) : null;
    if (effect === undefined)
      throw unableFailure(
        `cannot tell the effect: version ${old.number} or ${next.number} is not valid for this release; compare the texts without --effect`,
      );
    return {
      schema: 'selvage.config-diff/1',
      old: old.number,
      new: next.number,
      same: text === '' && (effect?.same ?? true),
      text,
      effect,
    };
  });
  await printAnswer(report, { output: options.output, render: renderConfigDiff });
  process.exitCode = report.same ? exitCodes.ok : exitCodes.found;
}
