/**
 * The other end of the SSH session that a command was typed in. sudo takes SSH_CONNECTION out of
 * the environment, so the processes above this one are asked as well; root may read theirs.
 */
import { readFileSync } from 'node:fs';

/** Sessions within sessions (tmux, sudo, shells) are not that deep. */
const maxAncestors = 32;

export interface ProcessSource {
  readonly pid: number;
  /** A file below /proc/PID; undefined when it cannot be read. */
  read(pid: number, name: 'environ' | 'status'): string | undefined;
}

export function sshClient(
  env: Readonly<Record<string, string | undefined>> = process.env,
  processes: ProcessSource = { pid: process.ppid, read: readProc },
): string | undefined {
  const own = clientOf(env['SSH_CONNECTION']);
  if (own !== undefined) return own;
  let { pid } = processes;
  for (let i = 0; i < maxAncestors && pid > 1; i++) {
    const entry = processes
      .read(pid, 'environ')
      ?.split('\0')
      .find((line) => line.startsWith('SSH_CONNECTION='));
    const client = clientOf(entry?.slice('SSH_CONNECTION='.length));
    if (client !== undefined) return client;
    pid = Number(/^PPid:\s*(\d+)/m.exec(processes.read(pid, 'status') ?? '')?.[1] ?? 0);
  }
  return undefined;
}

/** `CLIENT PORT SERVER PORT`, ssh(1); an address of a link comes with its zone. */
function clientOf(connection: string | undefined): string | undefined {
  return connection?.split(' ')[0]?.split('%')[0] || undefined;
}

function readProc(pid: number, name: 'environ' | 'status'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}
