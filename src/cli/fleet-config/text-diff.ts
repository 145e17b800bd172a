/** Two texts as a unified diff, by the `diff` of this machine. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maxFileBytes } from '../../config/limits.js';
import { unableFailure } from '../failure.js';

export interface LabelledText {
  readonly label: string;
  readonly text: string;
}

/** Empty: they are the same. */
export async function unifiedDiff(old: LabelledText, next: LabelledText): Promise<string> {
  if (old.text === next.text) return '';
  const folder = await mkdtemp(join(tmpdir(), 'selvage-diff-'));
  try {
    const files = [join(folder, 'old'), join(folder, 'new')] as const;
    await Promise.all([writeFile(files[0], old.text), writeFile(files[1], next.text)]);
    const labels = [old, next].flatMap(({ label }) => ['--label', label]);
    return await run(['-u', ...labels, ...files]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('diff', args, { maxBuffer: 4 * maxFileBytes }, (error, stdout, stderr) => {
      // 1: they differ, as diff(1) says.
      if (error === null || error.code === 1) resolve(stdout);
      else if (error.code === 'ENOENT')
        reject(unableFailure('there is no "diff" on this machine: install diffutils'));
      else reject(unableFailure(`diff failed: ${stderr.trim() || error.message}`));
    });
  });
}
