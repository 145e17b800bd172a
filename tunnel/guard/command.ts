/**
 * Runs the packet-filter tools (`nft`, `iptables-restore`, …) in a network namespace. They are
 * system tools like any other: absent or failing, the error names the tool, what it said, and
 * what to do.
 */
import { spawn } from 'node:child_process';

/** Longer than any table of ours takes to load, even under user-mode-linux. */
const toolTimeoutMs = 120_000;

export interface ToolRun {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Name or path of a network namespace; undefined: the process's own. */
  readonly netns: string | undefined;
  /** Given to the program's standard input. */
  readonly input?: string;
}

export interface ToolResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; undefined when a signal ended it. */
  readonly status: number | undefined;
}

/** The tool is not installed: another back end may do. */
export class ToolMissingError extends Error {}

/** Runs the tool to its end; a non-zero status is a result here, not an error. */
export function runTool(run: ToolRun): Promise<ToolResult> {
  const argv = inNamespace(run);
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    // Not spawn's own `timeout`: its timer outlives a program that could not be started.
    const timer = setTimeout(() => child.kill(), toolTimeoutMs);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(error.code === 'ENOENT' ? missing(argv[0]!) : error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString('utf8');
      if (code !== 0 && isMissing(stderr, run.argv[0]!)) reject(missing(run.argv[0]!));
      else
        resolve({ stdout: Buffer.concat(out).toString('utf8'), stderr, status: code ?? undefined });
    });
    // A tool that refuses its arguments closes its input early; its status tells why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(run.input ?? '');
  });
}

/** Runs the tool and returns its output; any failure is an error that names the action. */
export async function requireTool(action: string, run: ToolRun): Promise<string> {
  const result = await runTool(run);
  if (result.status === 0) return result.stdout;
  const said = firstLines(result.stderr) || `ended with status ${result.status ?? 'signal'}`;
  throw new Error(`${action}: ${run.argv[0]!}: ${said}`);
}

/** The first lines of a tool's complaint: enough to act on, never a whole ruleset. */
export function firstLines(text: string): string {
  const lines = text.trim().split('\n').slice(0, 3);
  return lines.map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line)).join(' | ');
}

function inNamespace(run: ToolRun): readonly string[] {
  if (run.netns === undefined) return run.argv;
  const path = run.netns.includes('/') ? run.netns : `/run/netns/${run.netns}`;
  return ['nsenter', `--net=${path}`, '--', ...run.argv];
}

/** `nsenter` runs, but not the tool behind it. */
function isMissing(stderr: string, tool: string): boolean {
  return stderr.startsWith('nsenter: failed to execute') && stderr.includes(tool);
}

function missing(tool: string): ToolMissingError {
  const name = tool.startsWith('ip') ? 'iptables' : tool === 'nft' ? 'nftables' : 'util-linux';
  return new ToolMissingError(`cannot run ${tool}: it is not installed; install package ${name}`);
}
