/**
 * One writer for each network namespace. Devices, routes and rules belong to the namespace, whatever
 * directories two processes keep their files in, so what tells them of each other lives there too: a
 * unix socket with an abstract name (unix(7)). It is in no file system, namespaces do not share it,
 * and the kernel frees it when its owner ends, however that happens.
 *
 * Whoever connects is told who holds it, and nothing else. An abstract name has no permissions: a
 * local user could take it first and keep the agent from starting, never make two of them write.
 */
import type { Server } from 'node:net';
import { connect, createServer } from 'node:net';
import * as z from 'zod';

const lockName = '\0selvage/writer';
/** A holder that is busy with a large pass answers late; it holds the lock all the same. */
const answerTimeoutMs = 1_000;

const holderSchema = z.object({
  command: z.enum(['agent', 'apply', 'down', 'rollback']),
  pid: z.int(),
  node: z.string().optional(),
  /** Control socket, where it answers on one. */
  socket: z.string().optional(),
});

export type LockHolder = Readonly<z.infer<typeof holderSchema>>;

export interface NamespaceLock {
  release(): Promise<void>;
}

/** Another process writes in this network namespace. */
export class NamespaceTakenError extends Error {}

/** Throws `NamespaceTakenError`, which names the holder. */
export async function lockNamespace(holder: Omit<LockHolder, 'pid'>): Promise<NamespaceLock> {
  const greeting = `${JSON.stringify({ ...holder, pid: process.pid })}\n`;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(greeting);
  });
  try {
    await listen(server);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new NamespaceTakenError(taken(await askHolder()));
  }
  // It is there as long as the process works, and no reason for it to go on.
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(lockName, resolve);
  });
}

function taken(holder: LockHolder | undefined): string {
  const where = 'in this network namespace';
  if (holder === undefined)
    return `another process writes ${where} already, and does not say who it is: "ss -xlp" as root shows who listens on @selvage/writer; stop that first`;
  const { command, pid, node, socket } = holder;
  const who = `pid ${pid}${node === undefined ? '' : `, node ${node}`}`;
  if (command !== 'agent')
    return `"selvage ${command}" (${who}) is at work ${where}: wait for its end${socket === undefined ? '' : `, or settle it with --socket ${socket}`}`;
  return `another agent (${who}) is at work ${where}${socket === undefined ? '' : ` and answers on ${socket}`}: stop it first${socket === undefined ? '' : `, or ask it with --socket ${socket}`}`;
}

/** Undefined: nobody answers in time, or not as one of us would. */
function askHolder(): Promise<LockHolder | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const end = (): void => {
      socket.destroy();
      resolve(parseHolder(text));
    };
    const socket = connect(lockName);
    socket.setEncoding('utf8').setTimeout(answerTimeoutMs, end);
    socket.on('data', (chunk: string) => {
      text += chunk;
      // Whoever took the name may send without an end.
      if (text.length > 4_096) end();
    });
    socket.once('end', end).once('error', end);
  });
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
