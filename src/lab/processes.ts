/**
 * Processes of a lab: started in a namespace, recorded so that another command (or the next one
 * after a crash) can stop them, and stopped only while they are still the same processes.
 *
 * A process id is used again by the kernel; a process id together with its start time is not.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './names.js';
import { inNamespace } from './shell.js';

export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks since boot at which it started: field 22 of /proc/PID/stat, proc(5). */
  readonly startTicks: number;
  readonly what: string;
}

export interface StartOptions {
  readonly namespace: string;
  /** Gets the output of the process. */
  readonly logFile: string;
  readonly what: string;
}

/** Starts a process that outlives this one. */
export async function startDetached(
  argv: readonly string[],
  options: StartOptions,
): Promise<ProcessRecord> {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const [program, ...args] = inNamespace(options.namespace, argv);
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', log, log] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid!;
    const startTicks = startTicksOf(pid);
    if (startTicks === undefined)
      throw new LabError(
        `${options.what} ended at once; its output is in ${options.logFile}: ${tail(options.logFile)}`,
      );
    return { pid, startTicks, what: options.what };
  } finally {
    closeSync(log);
  }
}

/** Undefined when there is no such process, or only what is left of one. */
export function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may itself hold brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

export function isRunning(record: ProcessRecord): boolean {
  return startTicksOf(record.pid) === record.startTicks;
}

/** Asks the processes to end, and makes them after `graceMs`. */
export async function stopProcesses(
  records: readonly ProcessRecord[],
  options: { readonly graceMs?: number } = {},
): Promise<void> {
  const running = (): readonly ProcessRecord[] => records.filter(isRunning);
  signal(running(), 'SIGTERM');
  const deadline = Date.now() + (options.graceMs ?? 3000);
  while (running().length > 0 && Date.now() < deadline) await sleep(20);
  signal(running(), 'SIGKILL');
  const killed = Date.now() + 5000;
  while (running().length > 0) {
    if (Date.now() > killed)
      throw new LabError(
        `cannot stop ${running()
          .map((record) => `${record.what} (process ${record.pid})`)
          .join(', ')}: still there after SIGKILL`,
      );
    await sleep(10);
  }
}

/** Every process whose network namespace is one of these. */
export function processesIn(namespaces: readonly string[]): readonly ProcessRecord[] {
  const inodes = new Map<number, string>();
  for (const name of namespaces) {
    try {
      inodes.set(statSync(`/run/netns/${name}`).ino, name);
    } catch {
      // The namespace is gone, and with it whatever ran there.
    }
  }
  if (inodes.size === 0) return [];
  const found: ProcessRecord[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const pid = Number(entry);
    try {
      const namespace = inodes.get(statSync(`/proc/${entry}/ns/net`).ino);
      const startTicks = startTicksOf(pid);
      if (namespace !== undefined && startTicks !== undefined)
        found.push({ pid, startTicks, what: `a process in ${namespace}` });
    } catch {
      // It ended while we were looking.
    }
  }
  return found;
}

/** The end of a log, for an error message. */
export function tail(file: string, lines = 5): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-lines).join('\n') || '(empty)';
  } catch {
    return '(no log)';
  }
}

function signal(records: readonly ProcessRecord[], name: 'SIGTERM' | 'SIGKILL'): void {
  for (const record of records) {
    try {
      process.kill(record.pid, name);
    } catch {
      // It ended by itself between the look and the signal.
    }
  }
}
