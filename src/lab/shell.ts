/**
 * Running programs to their end: `ip`, `nft`, `sh`. A failure carries the command line and what
 * the program said, because "exit 1" helps nobody.
 */
import { spawn } from 'node:child_process';
import { LabError } from './names.js';

export interface CommandOptions {
  /** Network namespace to run in. */
  readonly namespace?: string;
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `ip netns exec` before the command; it replaces itself, so the process id stays. */
export function inNamespace(
  namespace: string | undefined,
  argv: readonly string[],
): readonly string[] {
  return namespace === undefined ? argv : ['ip', 'netns', 'exec', namespace, ...argv];
}

/** Runs a program; its failure is a result. Rejects only when it cannot be started. */
export function tryCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = inNamespace(options.namespace, argv);
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new LabError(`cannot run "${program}": it is not installed`)
          : error,
      ),
    );
    child.on('close', (code, signal) => {
      const killed = signal === null ? '' : `killed by ${signal}\n`;
      resolve({
        status: code ?? 128,
        stdout: Buffer.concat(stdout).toString(),
        stderr: killed + Buffer.concat(stderr).toString(),
      });
    });
    // A program that stops reading early says why on stderr; the broken pipe itself says nothing.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program and returns what it printed; throws when it fails. */
export async function command(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryCommand(argv, options);
  if (result.status === 0) return result.stdout;
  const where = options.namespace === undefined ? '' : ` in ${options.namespace}`;
  throw new LabError(
    `"${argv.join(' ')}"${where} failed (${result.status}): ${result.stderr.trim() || 'no message'}`,
  );
}

/**
 * Lines of `ip` in one process. `ip -batch` names a failed line by its number only, so the line
 * itself is put into the error.
 */
export async function ipBatch(
  lines: readonly string[],
  options: { readonly namespace?: string } = {},
): Promise<void> {
  if (lines.length === 0) return;
  const where = options.namespace === undefined ? [] : ['-netns', options.namespace];
  const result = await tryCommand(['ip', ...where, '-batch', '-'], {
    input: lines.join('\n') + '\n',
  });
  if (result.status === 0) return;
  const number = Number(/Command failed -:(\d+)/.exec(result.stderr)?.[1] ?? 0);
  const line = lines[number - 1] ?? lines.join('; ');
  throw new LabError(
    `"ip ${line}"${options.namespace === undefined ? '' : ` in ${options.namespace}`} failed: ` +
      result.stderr.trim(),
  );
}
