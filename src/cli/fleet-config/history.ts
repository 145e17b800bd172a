/** The versions of the configuration, the last one first. */
import {
  type ConfigVersion,
  currentOf,
  isUsable,
  readHistory,
} from '../../store/fleet/config-history.js';
import type { Format } from '../options.js';
import { printAnswer, remark } from '../output.js';
import { renderConfigHistory } from '../render/config-history.js';
import type { StoreFlags } from '../store-options.js';
import type { HistoryReport, VersionReport } from './reports.js';
import { withConfigStore } from './store.js';

export async function showHistory(
  options: StoreFlags & { readonly limit: number; readonly output: Format },
): Promise<void> {
  const history = await withConfigStore(options, ({ kv, keys }) => readHistory(kv, keys));
  const { versions, foreign } = history;
  const current = currentOf(history);
  const report: HistoryReport = {
    schema: 'selvage.config-history/1',
    total: versions.length,
    versions: versions
      .map((version, i) =>
        versionReport(version, {
          before: versions.slice(0, i).findLast(isUsable)?.value?.text,
          inForce: version === current,
        }),
      )
      .toReversed()
      .slice(0, options.limit),
  };
  for (const key of foreign) remark(`${key} is no version and is passed over`);
  await printAnswer(report, { output: options.output, render: renderConfigHistory });
}

function versionReport(
  { number, value, problem }: ConfigVersion,
  context: { readonly before: string | undefined; readonly inForce: boolean },
): VersionReport {
  const { before, inForce } = context;
  return {
    number,
    at: value?.at ?? null,
    by: value?.by ?? null,
    message: value?.message ?? null,
    phase: value?.changeover?.phase ?? null,
    bytes: value === undefined ? null : Buffer.byteLength(value.text),
    lines: value === undefined || before === undefined ? null : lineChanges(before, value.text),
    inForce,
    problem: problem ?? null,
  };
}

/** Lines that one text has more often than the other; a line that only moved is not counted. */
function lineChanges(
  before: string,
  after: string,
): { readonly added: number; readonly removed: number } {
  const counts = new Map<string, number>();
  const count = (text: string, by: 1 | -1): void => {
    for (const line of text.split('\n')) counts.set(line, (counts.get(line) ?? 0) + by);
  };
  count(after, 1);
  count(before, -1);
  let added = 0;
  let removed = 0;
  for (const more of counts.values()) {
    if (more > 0) added += more;
    else removed -= more;
  }
  return { added, removed };
}
