/**
 * Boots a Linux kernel as an ordinary process (user-mode-linux), with this machine's files as its
 * root, runs one script in it and waits for the end. Kernel ipip, sit, ip6tnl and netem, which the
 * machine's own kernel may lack, are there.
 *
 * Limits, measured: 2 s from start to the first command, 3 s with the default modules; one CPU;
 * Node starts in 1 s and `ip` in 20 ms; nftables only in the bridge family (the IPv4 side is
 * iptables-legacy, with u32 and bpf matches); the files of the machine are read-only, except
 * `writable` folders; unix sockets only on /run and /tmp, which are the guest's own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../support/root.js';
import { findUml } from './find-uml.js';
import { exitCodeFile, initScript, startedFile } from './init-script.js';

export interface BootOptions {
  /** Shell text, run as root by /bin/sh with a clean environment. */
  readonly script: string;
  readonly memMb?: number;
  /** From the start of the kernel to its power-off; afterwards it is killed. */
  readonly timeoutMs?: number;
  /** Added to the clean environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Loaded before the script; what else is needed the kernel asks for itself. */
  readonly modules?: readonly string[];
  /** Host folders that the script may write, at the same path. */
  readonly writable?: readonly string[];
  /** Host folders to show at the same path although the guest covers their parent (/tmp, /run). */
  readonly visible?: readonly string[];
  /** Called with the script's output as it comes. */
  readonly onOutput?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface BootResult {
  /** The script's. */
  readonly exitCode: number;
  /** The script's standard output and error. */
  readonly output: string;
  /** What the kernel said meanwhile. */
  readonly kernelLog: string;
  /** From the start of the process to the start of the script. */
  readonly bootMs: number;
  readonly totalMs: number;
}

/** The kernel ended, or had to be killed, before the script did. */
export class BootFailure extends Error {
  override readonly name = 'BootFailure';
  constructor(
    problem: string,
    readonly output: string,
    readonly kernelLog: string,
  ) {
    const tail = (text: string): string => text.trimEnd().split('\n').slice(-25).join('\n');
    super(`${problem}\n--- kernel:\n${tail(kernelLog)}\n--- script:\n${tail(output)}`);
  }
}

/** `tun` has no alias that the kernel could ask for; the others save their first user a pause. */
export const defaultModules: readonly string[] = ['ipv6', 'veth', 'tun'];

const coveredFolders = ['/tmp/', '/run/', '/var/run/', '/dev/'];
/** How long a guest may take to vanish after its script has ended. */
const powerOffMs = 5_000;

export async function bootUml(options: BootOptions): Promise<BootResult> {
  const search = findUml();
  if (!search.found) throw new Error(`cannot boot user-mode-linux: ${search.reason}`);
  const { memMb = 1024, timeoutMs = 60_000 } = options;
  const bootFolder = realpathSync(mkdtempSync(join(tmpdir(), 'selvage-uml-')));
  try {
    const scriptFile = join(bootFolder, 'script.sh');
    const initFile = join(bootFolder, 'init.sh');
    const node = realpathSync(process.execPath);
    const covered = (folder: string): boolean =>
      coveredFolders.some((parent) => `${folder}/`.startsWith(parent));
    writeFileSync(scriptFile, options.script);
    writeFileSync(
      initFile,
      initScript({
        bootFolder,
        scriptFile,
        modules: options.modules ?? defaultModules,
        modulesFolder: search.uml.modules,
        env: {
          PATH: `${dirname(node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
          HOME: '/tmp',
          TMPDIR: '/tmp',
          LANG: 'C.UTF-8',
          SELVAGE_UML: '1',
          // What is missing in here is a mistake, not a reason to skip.
          SELVAGE_REQUIRE_ALL: '1',
          ...options.env,
        },
        visible: [
          ...new Set([realpathSync(root), dirname(dirname(node)), ...(options.visible ?? [])]),
        ].filter(covered),
        writable: options.writable ?? [],
        lifetimeS: Math.ceil(timeoutMs / 1000) + 5,
      }),
      { mode: 0o755 },
    );
    mkdirSync(join(bootFolder, 'uml'));
    return await run({
      binary: search.uml.binary,
      bootFolder,
      initFile,
      memMb,
      timeoutMs,
      options,
    });
  } finally {
    rmSync(bootFolder, { recursive: true, force: true });
  }
}

interface Run {
  readonly binary: string;
  readonly bootFolder: string;
  readonly initFile: string;
  readonly memMb: number;
  readonly timeoutMs: number;
  readonly options: BootOptions;
}

async function run(plan: Run): Promise<BootResult> {
  const startedAt = performance.now();
  const elapsedMs = (): number => Math.round(performance.now() - startedAt);
  // A process group of its own: every process of the guest is one of the host's, in this group.
  const child = spawn(
    plan.binary,
    [
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      `init=${plan.initFile}`,
      `mem=${plan.memMb}M`,
      'con=null',
      'con0=null,fd:1',
      'ssl=null',
      'ssl0=null,fd:3',
      `uml_dir=${plan.bootFolder}/uml/`,
      'umid=guest',
    ],
    {
      cwd: plan.bootFolder,
      detached: true,
      env: { PATH: '/usr/bin:/bin', HOME: plan.bootFolder, ...memoryFolder(plan) },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    },
  );
  const kill = (): void => killGroup(child);
  process.once('exit', kill);
  plan.options.signal?.addEventListener('abort', kill);

  let output = '';
  let kernelLog = '';
  let timedOut = false;
  let bootMs: number | undefined;
  collect(child, 3, (text) => {
    output += text;
    plan.options.onOutput?.(text);
  });
  for (const descriptor of [1, 2]) collect(child, descriptor, (text) => (kernelLog += text));

  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, plan.timeoutMs);
  // The guest can only leave files, so its progress is looked for.
  let endedAt: number | undefined;
  const progress = setInterval(() => {
    if (bootMs === undefined && existsSync(join(plan.bootFolder, startedFile)))
      bootMs = elapsedMs();
    if (endedAt === undefined && existsSync(join(plan.bootFolder, exitCodeFile)))
      endedAt = elapsedMs();
    if (endedAt !== undefined && elapsedMs() - endedAt > powerOffMs) kill();
  }, 50);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve());
    });
  } finally {
    clearTimeout(timer);
    clearInterval(progress);
    process.removeListener('exit', kill);
    plan.options.signal?.removeEventListener('abort', kill);
    kill();
  }
  const file = join(plan.bootFolder, exitCodeFile);
  const code = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (!/^\d+$/.test(code)) {
    const problem = timedOut
      ? `the guest was killed after ${plan.timeoutMs} ms: raise timeoutMs, or look at what hangs`
      : `the guest ended after ${elapsedMs()} ms (${child.exitCode ?? child.signalCode}) before its script did`;
    throw new BootFailure(problem, output, kernelLog);
  }
  return Object.freeze({
    exitCode: Number(code),
    output,
    kernelLog,
    bootMs: bootMs ?? elapsedMs(),
    totalMs: elapsedMs(),
  });
}

function collect(child: ChildProcess, descriptor: number, sink: (text: string) => void): void {
  const stream = child.stdio[descriptor];
  if (stream === null || stream === undefined || !('setEncoding' in stream)) return;
  stream.setEncoding('utf8');
  stream.on('data', sink);
}

/** Only the guest's own processes: the group was made for it, and its leader is our child. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

/**
 * The guest's memory is a file that it maps executable, in /dev/shm by preference; a container's
 * /dev/shm is often 64 MB small or mounted noexec.
 */
function memoryFolder(plan: Run): { readonly TMPDIR?: string } {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const options = mounts.find((line) => line.split(' ')[1] === '/dev/shm')?.split(' ')[3];
  const room = existsSync('/dev/shm') ? statfsSync('/dev/shm') : undefined;
  const free = room === undefined ? 0 : room.bavail * room.bsize;
  const fit = free > plan.memMb * 1024 * 1024 && !options?.split(',').includes('noexec');
  return fit ? {} : { TMPDIR: plan.bootFolder };
}
