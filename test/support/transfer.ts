/**
 * A TCP transfer in both directions at once, its server and its client. Run as a program of its own
 * in a namespace: `transfer.js serve PORT` prints `ready`, `transfer.js connect ADDRESS PORT
 * SECONDS` (less when interrupted); in the end each prints a JSON summary of what it received.
 */
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export interface TransferSummary {
  readonly bytes: number;
  /** Bytes that are not those that were sent at this place. */
  readonly wrong: number;
  /** Longest time without any data. */
  readonly longestPauseMs: number;
  readonly error: string | undefined;
}

const chunkBytes = 16 * 1024;
/** About 1.6 MB/s: the machine has other things to do. */
const everyMs = 10;

const byteAt = (position: number): number => (position ^ (position >> 8) ^ (position >> 16)) & 0xff;

/** Sends until told to end, checks what comes, and reports when both directions are closed. */
function exchange(socket: Socket, done: (summary: TransferSummary) => void): { end(): void } {
  let sent = 0;
  let bytes = 0;
  let wrong = 0;
  let longestPauseMs = 0;
  let lastMs = performance.now();
  let error: string | undefined;
  const timer = setInterval(() => {
    if (socket.writableNeedDrain) return;
    const chunk = Buffer.alloc(chunkBytes);
    for (let i = 0; i < chunkBytes; i++) chunk[i] = byteAt(sent + i);
    sent += chunkBytes;
    socket.write(chunk);
  }, everyMs);
  const heard = (): void => {
    longestPauseMs = Math.max(longestPauseMs, Math.round(performance.now() - lastMs));
    lastMs = performance.now();
  };
  socket.on('data', (data) => {
    heard();
    for (const byte of data) if (byte !== byteAt(bytes++)) wrong++;
  });
  socket.on('end', () => {
    clearInterval(timer);
    socket.end();
  });
  socket.on('error', (problem) => (error = problem.message));
  socket.on('close', () => {
    clearInterval(timer);
    done({ bytes, wrong, longestPauseMs, error });
  });
  return {
    end() {
      clearInterval(timer);
      socket.end();
    },
  };
}

const report = (summary: TransferSummary): void => {
  process.stdout.write(`${JSON.stringify(summary)}\n`, () => process.exit(0));
};

const [, , role, ...rest] = process.argv;

if (role === 'serve') {
  const server = createServer((socket) => exchange(socket, report));
  server.listen(Number(rest[0]), () => process.stdout.write('ready\n'));
} else if (role === 'connect') {
  const socket = connect(Number(rest[1]), rest[0], () => {
    const running = exchange(socket, report);
    setTimeout(() => running.end(), Number(rest[2]) * 1000);
    process.once('SIGINT', () => running.end());
  });
  socket.once('error', (problem) => {
    process.stderr.write(`${problem.message}\n`);
    process.exitCode = 1;
  });
} else throw new Error(`no such role: ${role ?? '(none)'}; say serve or connect`);
