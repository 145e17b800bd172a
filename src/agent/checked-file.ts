/**
 * Small files behind their checksum, replaced by rename: one that can be read is whole.
 *
 *     sha256 HEX
 *     content …
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { replaceFile } from './replace-file.js';

/** What stands in the file is not what was written. */
export class DamagedFileError extends Error {}

/** Undefined when there is none; throws `DamagedFileError`. */
export function readChecked(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const end = text.indexOf('\n');
  const content = text.slice(end + 1);
  if (text.slice(0, Math.max(end, 0)) !== `sha256 ${sha256(content)}`)
    throw new DamagedFileError(
      `cannot use ${path}: its checksum does not match what is in it; remove it, and look at the node with "selvage plan"`,
    );
  return content;
}

export function writeChecked(path: string, content: string): void {
  replaceFile(path, Buffer.from(`sha256 ${sha256(content)}\n${content}`), { mode: 0o600 });
}

export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
