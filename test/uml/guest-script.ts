/**
 * The shell script that runs the checks in the guest, one after the other, and leaves each one's
 * report, standard error and exit code in a folder of the host.
 */
import { join } from 'node:path';
import type { UmlCheck } from './checks.js';
import { shellQuote } from './init-script.js';

export interface CheckFiles {
  readonly report: string;
  readonly errors: string;
  readonly exitCode: string;
}

export function checkFiles(folder: string, index: number): CheckFiles {
  const file = (extension: string): string => join(folder, `${index}.${extension}`);
  return { report: file('tap'), errors: file('err'), exitCode: file('exit') };
}

export interface GuestScriptOptions {
  /** Root of the compiled tree. */
  readonly compiled: string;
  /** Where reports go; writable in the guest. */
  readonly folder: string;
}

/** Every check runs, whatever became of the ones before; what it left running is killed. */
export function guestScript(checks: readonly UmlCheck[], options: GuestScriptOptions): string {
  const lines = checks.map((check, index) => {
    const files = checkFiles(options.folder, index);
    // Without it tap gives a file that runs by itself 30 s.
    const env = Object.entries({ TAP_TIMEOUT: check.timeoutS, ...check.env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const command = ['env', ...env, 'timeout', '-k', '2', String(check.timeoutS), 'node'];
    return (
      [...command, join(options.compiled, check.file)].map(shellQuote).join(' ') +
      ` </dev/null >${shellQuote(files.report)} 2>${shellQuote(files.errors)}\n` +
      `echo $? >${shellQuote(files.exitCode)}`
    );
  });
  return `cd ${shellQuote(options.compiled)} || exit 1\n${lines.join('\n')}\n`;
}
