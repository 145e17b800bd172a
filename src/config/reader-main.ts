/**
 * The process that reads a large cluster file: `node reader-main.js FILE REVISION MEMBERS`. The file's
 * bytes come on standard input, the answer goes to standard output, and with the process goes all
 * the memory that the reading took.
 */
import { writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { serialize } from 'node:v8';
import { parseClusterFile } from './parse.js';
import { portableFormat, toPortable } from './portable.js';
import type { ReaderAnswer } from './reader.js';

/** When memory runs out, this process is the one to go and not the agent (proc_pid_oom_score_adj(5)). */
const firstToGo = '1000';

try {
  writeFileSync('/proc/self/oom_score_adj', firstToGo);
} catch {
  // No such file here: the kernel chooses by size.
}
const [file, revision, members] = process.argv.slice(2);
if (file === undefined || revision === undefined || members === undefined)
  throw new Error(
    'usage: reader-main FILE REVISION MEMBERS, with the content of FILE on standard input',
  );
const result = parseClusterFile({
  text: await buffer(process.stdin),
  file,
  revision: Number(revision),
  members: members === 'registering' ? 'registering' : 'listed',
});
const answer: ReaderAnswer = {
  format: portableFormat,
  result: result.ok ? { ...result, cluster: toPortable(result.cluster) } : result,
};
process.stdout.write(serialize(answer));
