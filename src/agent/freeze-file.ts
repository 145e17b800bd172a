/** A freeze on disk, so that an agent that is started again goes on keeping its hands off. */
import { rmSync } from 'node:fs';
import * as z from 'zod';
import type { FreezeReport } from '../../routes/explain-report.js';
import { DamagedFileError, readChecked, writeChecked } from './checked-file.js';

const schema = z.object({
  schema: z.literal('selvage.freeze/1'),
  since: z.iso.datetime(),
  until: z.iso.datetime().nullable(),
  reason: z.string().nullable(),
});

/**
 * Undefined when there is none. One that cannot be read holds too: that somebody wanted no writes is
 * known, and until when is not.
 */
export function readFreeze(path: string, now: () => Date): FreezeReport | undefined {
  const unreadable = (why: string): FreezeReport => ({
    since: now().toISOString(),
    until: null,
    reason: `${path} ${why}, so nobody knows until when`,
  });
  let text: string | undefined;
  try {
    text = readChecked(path);
  } catch (error) {
    if (error instanceof DamagedFileError) return unreadable('is damaged');
    return unreadable(`cannot be read (${(error as Error).message})`);
  }
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(tryJson(text));
  if (!parsed.success) return unreadable('is of another version');
  const { since, until, reason } = parsed.data;
  return { since, until, reason };
}

export function writeFreeze(path: string, freeze: FreezeReport): void {
  writeChecked(path, JSON.stringify({ schema: 'selvage.freeze/1', ...freeze }));
}

export function forgetFreeze(path: string): void {
  rmSync(path, { force: true });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
