/**
 * A numbered stream of UDP packets, its sender and its receiver. Run as a program of its own in a
 * namespace: `stream.js receive PORT` prints `ready` and, told on its standard input how many were
 * sent, a JSON summary; `stream.js send ADDRESS PORT PER_SECOND SECONDS` prints how many it
 * sent, be it that it was interrupted.
 *
 * Ready-made tools lose packets in their own receive buffers, which would count as ours.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { runFirst } from './measuring.js';

export interface StreamSummary {
  readonly received: number;
  readonly duplicates: number;
  /** Packets with a smaller number than one before them. */
  readonly reordered: number;
  readonly missing: readonly number[];
}

/** Without a packet for so long, none is still on its way. */
const silenceMs = 2_000;

runFirst();
const [, , role, ...rest] = process.argv;

function receive(port: number): void {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  const seen = new Set<number>();
  let duplicates = 0;
  let reordered = 0;
  let highest = -1;
  socket.on('message', (message) => {
    const sequence = message.readUInt32BE(0);
    if (seen.has(sequence)) duplicates++;
    else if (sequence < highest) reordered++;
    seen.add(sequence);
    highest = Math.max(highest, sequence);
  });
  socket.bind(port, '0.0.0.0', () => process.stdout.write('ready\n'));
  process.stdin.once('data', (text) => void conclude(Number(text.toString().trim())));

  // On a busy machine much of the stream still waits in the socket: only silence means lost.
  async function conclude(sent: number): Promise<void> {
    for (let before = -1; seen.size < sent && seen.size > before; await sleep(silenceMs))
      before = seen.size;
    const missing: number[] = [];
    for (let n = 0; n < sent && missing.length < 20; n++) if (!seen.has(n)) missing.push(n);
    const summary: StreamSummary = { received: seen.size, duplicates, reordered, missing };
    process.stdout.write(`${JSON.stringify(summary)}\n`, () => process.exit(0));
  }
}

interface SendOptions {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
}

/** Catches up after a pause, but never in bursts that would overflow a queue of the kernel. */
function send(address: string, options: SendOptions): void {
  const burst = 20;
  let total = options.perSecond * options.seconds;
  const socket = createSocket('udp4');
  const packet = Buffer.alloc(200);
  let sent = 0;
  let failed = 0;
  socket.connect(options.port, address, () => {
    const startedAt = performance.now();
    process.once('SIGINT', () => (total = sent));
    const timer = setInterval(() => {
      const elapsedS = (performance.now() - startedAt) / 1000;
      const due = Math.min(total, Math.floor(elapsedS * options.perSecond), sent + burst);
      while (sent < due) {
        const copy = Buffer.from(packet);
        copy.writeUInt32BE(sent++);
        socket.send(copy, (error) => {
          if (error !== null) failed++;
        });
      }
      if (sent < total) return;
      clearInterval(timer);
      setTimeout(() => {
        process.stdout.write(`${JSON.stringify({ sent, failed })}\n`, () => process.exit(0));
      }, 200);
    }, 2);
  });
}

if (role === 'receive') receive(Number(rest[0]));
else if (role === 'send')
  send(rest[0] ?? '', {
    port: Number(rest[1]),
    perSecond: Number(rest[2]),
    seconds: Number(rest[3]),
  });
else throw new Error(`no such role: ${role ?? '(none)'}; say receive or send`);
