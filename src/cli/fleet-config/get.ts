/** Prints one version. */
import { readHistory } from '../../store/fleet/config-history.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import type { StoreFlags } from '../store-options.js';
import { requireVersion, withConfigStore } from './store.js';

export async function getConfig(
  options: StoreFlags & { readonly version?: number | undefined; readonly output: Format },
): Promise<void> {
  const version = await withConfigStore(options, async ({ kv, keys }) =>
    requireVersion(await readHistory(kv, keys), options.version),
  );
  const { number, entry, value } = version;
  if (options.output === 'table') {
    // To the byte what was written: no line end is added.
    process.stdout.write(value.text);
    return;
  }
  await printAnswer(
    {
      schema: 'selvage.config/1',
      number,
      key: entry.key,
      revision: entry.modRevision,
      value,
    },
    { output: options.output, render: () => value.text },
  );
}
