/**
 * Reads the values of a fleet's store. Anybody with the right to write may have written anything,
 * so whatever is not as it should be is answered in words, and nothing here throws.
 */
import * as z from 'zod';
import { maxFileBytes } from '../../config/limits.js';
import type { Entry } from '../kv.js';
import { plainText } from './plain-text.js';
import { formatVersion } from './records.js';
import type { AliveValue, BlockValue, ConfigValue, RecordValue, StatusValue } from './records.js';

export type Reading<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Characters; of a record, an honest one has a few hundred. */
const maxValueLength = 64 * 1024;

const version = z.number();
const phase = z.enum(['prepare', 'switch', 'settled']);

const configSchema = z.looseObject({
  version,
  text: z.string(),
  at: z.string(),
  by: z.string(),
  message: z.string().optional(),
  changeover: z.object({ phase, from: z.int().min(0) }).optional(),
});
// Garbage in what was probed is as if nothing had been.
const probed = z
  .looseObject({ accepts: z.record(z.string(), z.string()).optional(), mtu: z.number().optional() })
  .optional()
  .catch(undefined);
const recordSchema = z.looseObject({
  version,
  node: z.record(z.string(), z.unknown()),
  probed,
});
const aliveSchema = z.looseObject({ version, instance: z.string(), since: z.string() });
const blockSchema = z.looseObject({
  version,
  node: z.string(),
  at: z.string(),
  addresses: z.array(z.string()).optional(),
});
const statusSchema = z.looseObject({
  version,
  release: z.string(),
  config: z.number(),
  phase: phase.optional(),
  receives: z.array(z.string()),
  sends: z.array(z.string()),
  ready: z.boolean(),
  problems: z.array(z.string()),
  at: z.string(),
});

export const readConfigValue = reader<ConfigValue>(configSchema, {
  maxLength: 2 * maxFileBytes,
  // A cluster file has lines, and its own reader of characters.
  plain: (value) => value,
});
export const readRecordValue = reader<RecordValue>(recordSchema);
export const readAliveValue = reader<AliveValue>(aliveSchema);
export const readBlockValue = reader<BlockValue>(blockSchema);
export const readStatusValue = reader<StatusValue>(statusSchema);

function reader<T>(
  schema: z.ZodType,
  { maxLength = maxValueLength, plain = plainText } = {},
): (entry: Pick<Entry, 'value'>) => Reading<T> {
  return ({ value: text }) => {
    if (text.length > maxLength)
      return failed(`it is ${text.length} characters long, and ${maxLength} are read at most`);
    // What the engine puts where bytes are no text.
    if (text.includes('\uFFFD')) return failed('it is not UTF-8');
    let value: unknown;
    try {
      value = plain(JSON.parse(text), text);
    } catch {
      return failed('it is not JSON');
    }
    const found = (value as { readonly version?: unknown } | null)?.version;
    if (typeof found === 'number' && found > formatVersion)
      return failed(
        `it is of format version ${found}, and this release reads ${formatVersion}: update this node`,
      );
    const parsed = schema.safeParse(value);
    if (parsed.success) return { ok: true, value: parsed.data as T };
    const [issue] = parsed.error.issues;
    const at = issue!.path.map(String).join('.');
    return failed(at === '' ? 'it is not a mapping' : `"${at}" is missing or wrong`);
  };
}

function failed(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
