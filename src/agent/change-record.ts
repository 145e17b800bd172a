/**
 * The last guarded change, on disk, so that it is settled whatever becomes of the process that
 * watches over it.
 */
import { readFileSync, statSync } from 'node:fs';
import type { TermsHistory } from '../../routes/changeover.js';
import { DamagedFileError, readChecked, sha256, writeChecked } from './checked-file.js';

const format = 'selvage.change-record/1';

export interface ChangeRecord {
  readonly schema: typeof format;
  readonly state: 'provisional' | 'confirmed' | 'rolled-back';
  /** Who watches over it: a running agent, or an `apply` without one. */
  readonly keeper: 'agent' | 'apply';
  readonly node: string;
  /** Name of the file that was applied. */
  readonly file: string;
  readonly candidateSha256: string;
  /** The file that the candidate becomes when it is confirmed. */
  readonly configFile: string;
  readonly startedAt: string;
  readonly reason: string;
  readonly previous: PreviousState;
  /** What peers may have been sending by before; its times count from this boot. */
  readonly terms?: { readonly boot: string; readonly history: TermsHistory } | undefined;
}

/** What comes back when nobody confirms. */
export type PreviousState =
  /** What the configured file says; a change never touches it before it is confirmed. */
  | { readonly kind: 'configured' }
  /** Nothing of ours was in the kernel. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'text'; readonly file: string; readonly text: string };

export class ChangeRecordFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Undefined when there is none; throws `DamagedFileError`, also for what a later release wrote. */
  read(): ChangeRecord | undefined {
    const content = readChecked(this.path);
    if (content === undefined) return undefined;
    const record = JSON.parse(content) as { readonly schema?: unknown };
    if (record.schema !== format)
      throw new DamagedFileError(
        `cannot use ${this.path}: it is of format ${String(record.schema)}, and this release reads ${format}; settle that change with the release that began it, or remove the file and look at the node with "selvage plan"`,
      );
    return record as ChangeRecord;
  }

  write(record: ChangeRecord): void {
    writeChecked(this.path, `${JSON.stringify(record)}\n`);
  }
}

/**
 * What an agent that starts makes of a change that nobody settled. It goes by the configured file,
 * which is the previous one unless the other process died between replacing it and saying so.
 */
export function settleLeftover(
  file: ChangeRecordFile,
  configFile: string,
): ChangeRecord | undefined {
  const record = file.read();
  if (record?.state !== 'provisional') return undefined;
  const confirmed = digestOf(configFile) === record.candidateSha256;
  const settled: ChangeRecord = {
    ...record,
    state: confirmed ? 'confirmed' : 'rolled-back',
    reason: confirmed
      ? `${configFile} holds it`
      : 'the process that watched over it ended before anybody confirmed',
  };
  file.write(settled);
  return settled;
}

/** Tells one boot of this machine from another, as its monotonic clock begins anew with each. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

/** Of a file's content, or `absent`. */
export function digestOf(file: string): string {
  try {
    return sha256(readFileSync(file));
  } catch {
    return 'absent';
  }
}

/** Several files make the configuration. */
export function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}
