/**
 * Every code that a diagnosis can end in. Codes are stable: scripts and runbooks hang on them. The
 * health is that of a pair with nothing else known; probes that pass all the same make it milder.
 */
import type { CodeEntry } from './code-entry.js';
import { networkCodes } from './codes-network.js';
import { nodeCodes } from './codes-node.js';

export type { CodeEntry } from './code-entry.js';

const entries = [...networkCodes, ...nodeCodes] as const;

export type FindingCode = (typeof entries)[number]['code'];

export const findingCodes: readonly (CodeEntry & { readonly code: FindingCode })[] = entries;

const byCode = new Map<string, CodeEntry>(entries.map((entry) => [entry.code, entry]));

export function codeEntry(code: FindingCode): CodeEntry {
  return byCode.get(code)!;
}
