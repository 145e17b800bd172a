/** The bytes of a cluster file that is handed to an agent, which judges them itself. */
import { readClusterBytes } from '../config/load.js';
import { unableFailure } from './failure.js';

export async function readHandedFile(file: string): Promise<Uint8Array> {
  const read = await readClusterBytes(file);
  if (read.ok) return read.bytes;
  const [problem] = read.problems;
  throw unableFailure(`cannot read ${file}: ${problem?.message}; ${problem?.remedy}`);
}
