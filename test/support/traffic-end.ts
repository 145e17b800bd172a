/**
 * One namespace's end of a test's traffic, as a program of its own: numbered UDP packets of both
 * families, sent and received, and one end of a TCP connection that carries data both ways. Told
 * what to do by JSON lines on its standard input, each answered by one line.
 *
 * One process for all of it, since processes are what a slow machine has least room for. Ready-made
 * tools lose packets in their own receive buffers, which would count as ours.
 */
import type { Socket as UdpSocket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { runFirst } from './measuring.js';

export type StreamFamily = 4 | 6;

export type EndCommand =
  | {
      readonly op: 'send';
      readonly from: string;
      readonly to: string;
      readonly perSecond: number;
    }
  | {
      readonly op: 'connect';
      readonly from: string;
      readonly to: string;
      readonly bytesPerSecond: number;
    }
  | { readonly op: 'mark' }
  | { readonly op: 'stop' }
  | { readonly op: 'conclude'; readonly sent: Readonly<Record<string, number>> };

/** Counts so far by family; TCP's longest pause since the mark before. */
export interface EndMark {
  readonly sent: Readonly<Record<string, number>>;
  /** Sends that the kernel refused; their numbers are lost and counted as such. */
  readonly refused: Readonly<Record<string, number>>;
  readonly pauseMs: number;
}

export interface Arrivals {
  readonly received: number;
  readonly duplicates: number;
  /** Numbers that came after a larger one. */
  readonly reordered: readonly number[];
  /** Numbers that never came, as first and last of each gap. */
  readonly missing: readonly (readonly [number, number])[];
}

export interface EndSummary {
  /** Packets that arrived and found the receiver's buffer full: the test's fault, no one else's. */
  readonly overflowed: number;
  readonly arrivals: Readonly<Record<string, Arrivals>>;
  readonly tcp: {
    readonly bytes: number;
    /** Bytes that are not those that were sent at this place. */
    readonly wrong: number;
    readonly error: string | undefined;
  };
}

export const udpPort = 7000;
export const tcpPort = 7001;

/** Without a packet for so long, none is still on its way. */
const silenceMs = 2_000;
/** A sender that was not let run catches up, but never in bursts that would overflow a queue. */
const burst = 20;
const tickMs = 2;
const tcpTickMs = 10;
const packetBytes = 200;
/** As much of it as net.core.rmem_max allows: a receiver that is not let run for seconds loses none. */
const receiveBufferBytes = 64 * 1024 * 1024;

class Receiver {
  readonly #socket: UdpSocket;
  readonly #seen = new Set<number>();
  readonly #reordered: number[] = [];
  #duplicates = 0;
  #highest = -1;

  constructor(family: StreamFamily) {
    const type = family === 4 ? 'udp4' : 'udp6';
    const options = { type, recvBufferSize: receiveBufferBytes, ipv6Only: family === 6 } as const;
    this.#socket = createSocket(options, (message) => {
      const sequence = message.readUInt32BE(0);
      if (this.#seen.has(sequence)) this.#duplicates++;
      else if (sequence < this.#highest) this.#reordered.push(sequence);
      this.#seen.add(sequence);
      this.#highest = Math.max(this.#highest, sequence);
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#socket.bind(udpPort, resolve));
  }

  /** On a busy machine much of the stream still waits in the socket: only silence means lost. */
  async conclude(sent: number): Promise<Arrivals> {
    const seen = this.#seen;
    for (let before = -1; seen.size < sent && seen.size > before; await sleep(silenceMs))
      before = seen.size;
    const missing: [number, number][] = [];
    for (let n = 0; n < sent; n++) {
      if (seen.has(n)) continue;
      const last = missing.at(-1);
      if (last?.[1] === n - 1) last[1] = n;
      else missing.push([n, n]);
    }
    return {
      received: seen.size,
      duplicates: this.#duplicates,
      reordered: this.#reordered,
      missing,
    };
  }
}

class Sender {
  sent = 0;
  refused = 0;
  readonly #socket: UdpSocket;
  #timer: NodeJS.Timeout | undefined;

  constructor(family: StreamFamily) {
    this.#socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  }

  async start(options: Extract<EndCommand, { op: 'send' }>): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.bind(0, options.from, resolve));
    await new Promise<void>((resolve) => this.#socket.connect(udpPort, options.to, resolve));
    const startedAt = performance.now();
    this.#timer = setInterval(() => {
      const elapsedS = (performance.now() - startedAt) / 1000;
      const due = Math.min(Math.floor(elapsedS * options.perSecond), this.sent + burst);
      while (this.sent < due) this.#send();
    }, tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #send(): void {
    const packet = Buffer.alloc(packetBytes);
    packet.writeUInt32BE(this.sent++);
    this.#socket.send(packet, (error) => {
      if (error !== null) this.refused++;
    });
  }
}

const byteAt = (position: number): number => (position ^ (position >> 8) ^ (position >> 16)) & 0xff;

/** Sends until told to end, and checks what comes. */
class Transfer {
  bytes = 0;
  wrong = 0;
  error: string | undefined;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #pauseMs = 0;
  #lastMs = performance.now();
  #timer: NodeJS.Timeout;

  constructor(socket: Socket, bytesPerSecond: number) {
    this.#socket = socket;
    const chunkBytes = Math.ceil((bytesPerSecond * tcpTickMs) / 1000);
    let sent = 0;
    this.#timer = setInterval(() => {
      if (socket.writableNeedDrain) return;
      const chunk = Buffer.alloc(chunkBytes);
      for (let i = 0; i < chunkBytes; i++) chunk[i] = byteAt(sent + i);
      sent += chunkBytes;
      socket.write(chunk);
    }, tcpTickMs);
    socket.on('data', (data) => {
      this.#pauseMs = Math.max(this.#pauseMs, performance.now() - this.#lastMs);
      this.#lastMs = performance.now();
      for (const byte of data) if (byte !== byteAt(this.bytes++)) this.wrong++;
    });
    socket.on('end', () => this.end());
    socket.on('error', (problem) => (this.error = problem.message));
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        clearInterval(this.#timer);
        resolve();
      }),
    );
  }

  /** Longest time without data since it was asked last; a pause that goes on counts in both. */
  takePauseMs(): number {
    const pauseMs = Math.max(this.#pauseMs, performance.now() - this.#lastMs);
    this.#pauseMs = 0;
    return Math.round(pauseMs);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#socket.end();
  }
}

/** `RcvbufErrors` of the namespace, both families (Documentation/networking/snmp_counter.rst). */
function overflowed(): number {
  const lines = readFileSync('/proc/net/snmp', 'utf8').split('\n');
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  const v4 = Number(values[names.indexOf('RcvbufErrors')] ?? 0);
  const v6 = /^Udp6RcvbufErrors\s+(\d+)/m.exec(readFileSync('/proc/net/snmp6', 'utf8'));
  return v4 + Number(v6?.[1] ?? 0);
}

async function run(): Promise<void> {
  const receivers = { 4: new Receiver(4), 6: new Receiver(6) };
  const senders = { 4: new Sender(4), 6: new Sender(6) };
  let transfer: Transfer | undefined;
  runFirst();
  const bytesPerSecond = Number(process.argv[2]);
  const server = createServer((socket) => (transfer = new Transfer(socket, bytesPerSecond)));

  const byFamily = <T>(of: (family: StreamFamily) => T): Record<string, T> => ({
    4: of(4),
    6: of(6),
  });
  const mark = (): EndMark => ({
    sent: byFamily((family) => senders[family].sent),
    refused: byFamily((family) => senders[family].refused),
    pauseMs: transfer?.takePauseMs() ?? 0,
  });
  const answer = async (command: EndCommand): Promise<unknown> => {
    switch (command.op) {
      case 'send':
        await senders[command.to.includes(':') ? 6 : 4].start(command);
        return {};
      case 'connect': {
        const { from, to } = command;
        const socket = connect({ host: to, port: tcpPort, localAddress: from });
        await new Promise<void>((resolve, reject) => {
          socket.once('connect', resolve);
          socket.once('error', reject);
        });
        transfer = new Transfer(socket, command.bytesPerSecond);
        return {};
      }
      case 'mark':
        return mark();
      case 'stop': {
        for (const sender of Object.values(senders)) sender.stop();
        await sleep(200);
        const last = mark();
        transfer?.end();
        return last;
      }
      case 'conclude': {
        const arrivals: Record<string, Arrivals> = {};
        for (const family of [4, 6] as const)
          arrivals[family] = await receivers[family].conclude(command.sent[family] ?? 0);
        await Promise.race([transfer?.closed, sleep(silenceMs)]);
        server.close();
        const { bytes = 0, wrong = 0, error } = transfer ?? {};
        return {
          arrivals,
          overflowed: overflowed(),
          tcp: { bytes, wrong, error },
        } satisfies EndSummary;
      }
    }
  };

  await Promise.all([receivers[4].listen(), receivers[6].listen()]);
  await new Promise<void>((resolve) => server.listen(tcpPort, resolve));
  const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin }))
    say(await answer(JSON.parse(line) as EndCommand));
  process.exit(0);
}

await run();
