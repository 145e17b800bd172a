/** The bytes of a cluster file, or of a directory of them, for an agent, which judges them itself. */
import { splitFiles } from '../config/file-set.js';
import { readClusterBytes } from '../config/load.js';
import { unableFailure } from './failure.js';

export async function readHandedFile(file: string): Promise<Uint8Array> {
  const read = await readClusterBytes(file);
  if (read.ok) return read.bytes;
  const [problem] = read.problems;
  throw unableFailure(`cannot read ${file}: ${problem?.message}; ${problem?.remedy}`);
}

/** Of what shall take the place of the configured file. */
export async function readOneFile(file: string): Promise<Uint8Array> {
  const bytes = await readHandedFile(file);
  if (splitFiles(bytes) === undefined) return bytes;
  throw unableFailure(
    `cannot apply ${file}: it is a directory, and what is applied with a way back is one file; put the directory in place and say "selvage apply"`,
  );
}
