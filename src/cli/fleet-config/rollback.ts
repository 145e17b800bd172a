/** An earlier text becomes the next version; history is never rewritten. */
import { readHistory } from '../../store/fleet/config-history.js';
import { lastNumber } from '../../store/fleet/config-history.js';
import type { Format } from '../options.js';
import type { StoreFlags } from '../store-options.js';
import type { ChangeFlags } from './options.js';
import { propose } from './propose.js';
import { printChange } from './set.js';
import { requireVersion, versionBefore, withConfigStore, writer } from './store.js';

export async function rollbackConfig(
  number: number | undefined,
  options: StoreFlags & ChangeFlags & { readonly dryRun: boolean; readonly output: Format },
): Promise<void> {
  const { report, text } = await withConfigStore(options, async (target) => {
    const history = await readHistory(target.kv, target.keys);
    const version =
      number === undefined
        ? versionBefore(history, requireVersion(history, undefined))
        : requireVersion(history, number);
    const { text: old } = version.value;
    const proposal = {
      text: old,
      file: `version ${version.number}`,
      by: writer(),
      at: new Date(),
      message: options.message ?? `back to version ${version.number}`,
      // What was read is what is gone back from.
      ifVersion: lastNumber(history),
    };
    return { text: old, report: await propose(target, { proposal, flags: options }) };
  });
  await printChange(report, { text, output: options.output });
}
