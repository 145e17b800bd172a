/**
 * Reads a cluster file where it hurts the agent least.
 *
 * A large file is read by a process of its own: it takes a second or two, in which the agent goes
 * on answering, and several hundred megabytes, which end with that process instead of staying in
 * the agent's heap. A small one costs less than starting a process and is read here. Either way it
 * is the same reading, and the same cluster or the same problems come of it.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import type { ClusterFile, ParseResult } from './parse.js';
import { type PortableCluster, fromPortable, portableFormat } from './portable.js';
import type { Problem } from './problem.js';

export interface ReadOptions {
  /** Files of more bytes than this are read by a process of their own. */
  readonly inProcessBytes?: number;
  /** Heap of that process at most. */
  readonly heapLimitMb?: number;
  readonly timeoutMs?: number;
  /** Ends the process. */
  readonly signal?: AbortSignal;
}

/** What that process answers. */
export interface ReaderAnswer {
  readonly format: number;
  readonly result:
    | Exclude<ParseResult, { readonly ok: true }>
    | (Omit<Extract<ParseResult, { readonly ok: true }>, 'cluster'> & {
        readonly cluster: PortableCluster;
      });
}

/** About 2,000 nodes: reading them takes about as long as starting a process. */
const defaultInProcessBytes = 128 * 1024;
/** The largest file that is read at all (16 MB) needs about two thirds of it. */
const defaultHeapLimitMb = 4096;
const defaultTimeoutMs = 180_000;

export async function readClusterFile(
  input: Omit<ClusterFile, 'text'> & { readonly bytes: Uint8Array },
  options: ReadOptions = {},
): Promise<ParseResult> {
  const { bytes, ...rest } = input;
  if (bytes.length > (options.inProcessBytes ?? defaultInProcessBytes))
    return readElsewhere(input, options);
  // Not at the top: an agent with a large file never needs the parsers itself.
  const { parseClusterFile } = await import('./parse.js');
  return parseClusterFile({ ...rest, text: bytes });
}

async function readElsewhere(
  input: Parameters<typeof readClusterFile>[0],
  options: ReadOptions,
): Promise<ParseResult> {
  const { file, revision = 1, members = 'listed' } = input;
  const end = await runReader(input, { ...options, args: [file, String(revision), members] });
  if (end.failure !== undefined) return failed(file, end.failure);
  const answer = decode(end.stdout);
  if (answer?.format !== portableFormat) return failed(file, otherVersion);
  const { result } = answer;
  return result.ok ? { ...result, cluster: fromPortable(result.cluster) } : result;
}

interface Failure {
  readonly value: string;
  readonly message: string;
  readonly remedy: string;
}

type ReaderEnd =
  { readonly failure: undefined; readonly stdout: Buffer } | { readonly failure: Failure };

function runReader(
  input: { readonly bytes: Uint8Array },
  options: ReadOptions & { readonly args: readonly string[] },
): Promise<ReaderEnd> {
  const { heapLimitMb = defaultHeapLimitMb, timeoutMs = defaultTimeoutMs, signal } = options;
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const entry = fileURLToPath(new URL(`./reader-main${extension}`, import.meta.url));
  const flags = [
    ...process.execArgv,
    `--max-old-space-size=${heapLimitMb}`,
    // Most of what is made stays until the end: a small nursery would copy it over and over.
    '--min-semi-space-size=16',
    '--max-semi-space-size=16',
  ];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...flags, entry, ...options.args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
      killSignal: 'SIGKILL',
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => {
      // Of one that runs, its end is waited for.
      if (child.pid !== undefined) return;
      clearTimeout(timer);
      resolve({ failure: notStarted(error) });
    });
    child.on('close', (status, ended) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString('utf8');
      if (status === 0) resolve({ failure: undefined, stdout: Buffer.concat(out) });
      else if (timedOut) resolve({ failure: tookTooLong(timeoutMs) });
      else if (/heap out of memory|heap limit/i.test(stderr))
        resolve({ failure: tookTooMuch(heapLimitMb) });
      else resolve({ failure: diedOf(ended ?? `exit status ${status}`, stderr) });
    });
    // A process that ends early closes its input; its end tells why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input.bytes);
  });
}

function decode(bytes: Buffer): ReaderAnswer | undefined {
  try {
    return deserialize(bytes) as ReaderAnswer;
  } catch {
    return undefined;
  }
}

function failed(file: string, failure: Failure): ParseResult {
  const problem: Problem = {
    code: 'reader-failed',
    severity: 'error',
    file,
    line: 1,
    column: 1,
    path: '',
    ...failure,
  };
  return { ok: false, problems: [problem] };
}

function notStarted(error: Error): Failure {
  return {
    value: (error as NodeJS.ErrnoException).code ?? error.name,
    message: `the process that reads large files could not be run: ${error.message}`,
    remedy: 'free memory or processes on this machine, then reload',
  };
}

function tookTooLong(timeoutMs: number): Failure {
  return {
    value: `${timeoutMs / 1000} s`,
    message: 'reading the file took too long and was given up',
    remedy: 'reload when the machine has less to do, or make the file smaller',
  };
}

function tookTooMuch(heapLimitMb: number): Failure {
  return {
    value: `${heapLimitMb} MB`,
    message: 'reading the file takes more memory than it may',
    remedy: 'make the file smaller, or give this machine more memory',
  };
}

function diedOf(cause: string, stderr: string): Failure {
  const said = /^\w*Error.*$/m.exec(stderr)?.[0];
  return {
    value: cause,
    message: `the process that reads large files ended too early${said === undefined ? '' : `: ${said}`}`,
    remedy:
      'free memory on this machine and reload; restart the agent if the program was exchanged',
  };
}

const otherVersion: Failure = {
  value: `format ${portableFormat} expected`,
  message: 'the program was exchanged for another version while this agent runs',
  remedy: 'restart the agent; forwarding goes on meanwhile',
};
