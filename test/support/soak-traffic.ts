/**
 * The workload behind one node of the soak: one long-lived process that sends a numbered UDP
 * stream to every other workload and keeps account of those that arrive. It is told what to do by
 * lines of JSON on its standard input, and ends with it.
 *
 * A packet: 16 bits magic, 16 bits sender, 32 bits number, 64 bits (IEEE 754) time of sending on
 * the machine's monotonic clock, which all namespaces share, in ms. A number that was skipped is
 * *missing*; it is *lost* only when it has not arrived a good while later.
 */
import { type Socket, createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { performance } from 'node:perf_hooks';
import { runFirst } from './measuring.js';

export type Family = 4 | 6;

export interface Peer {
  readonly index: number;
  readonly family: Family;
  readonly address: string;
}

export type SoakRequest =
  | {
      readonly id: number;
      readonly verb: 'open';
      readonly self: number;
      readonly addresses: readonly { readonly family: Family; readonly address: string }[];
    }
  | {
      readonly id: number;
      readonly verb: 'send';
      /** 0 stops a stream; its numbers go on where they were when it starts again. */
      readonly streams: readonly (Peer & { readonly perSecond: number })[];
    }
  | {
      readonly id: number;
      readonly verb: 'report';
      /** A number missing for so long is lost. */
      readonly patienceMs: number;
    };

/** Consecutive numbers that never arrived. */
export interface Gap {
  readonly first: number;
  readonly last: number;
  /** When the packets next to it were sent. */
  readonly afterMs: number;
  readonly beforeMs: number;
}

export interface SentReport {
  readonly peer: number;
  readonly family: Family;
  readonly sent: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface ReceivedReport {
  readonly peer: number;
  readonly family: Family;
  readonly received: number;
  readonly next: number;
  readonly reordered: number;
  readonly duplicates: number;
  /** Arrived after having been given up: the patience was too short. */
  readonly late: number;
  readonly lastSentMs: number;
  readonly lastArrivedMs: number;
  readonly lost: readonly Gap[];
}

export interface SoakReport {
  readonly sent: readonly SentReport[];
  readonly received: readonly ReceivedReport[];
}

const port = 7801;
const magic = 0x5350;
const headerBytes = 16;
const slowBytes = 64;
/** Of the fast streams; every path carries 1280 bytes. */
const fastBytes = 1200;
const fastFromPerSecond = 500;
const tickMs = 5;
/** A stream that was held up catches up by so much at once, not by a burst that overflows queues. */
const catchUpMs = 60;

/** On the clock that all processes of the machine share. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

interface Stream {
  readonly peer: Peer;
  readonly socket: Socket;
  perSecond: number;
  credit: number;
  sent: number;
  readonly errors: Record<string, number>;
}

interface Missing {
  readonly afterMs: number;
  readonly beforeMs: number;
  readonly noticedMs: number;
}

class Account {
  received = 0;
  next = 0;
  reordered = 0;
  duplicates = 0;
  late = 0;
  lastSentMs = 0;
  lastArrivedMs = 0;
  readonly #missing = new Map<number, Missing>();
  readonly #givenUp = new Set<number>();

  take(sequence: number, sentMs: number): void {
    const arrivedMs = nowMs();
    if (sequence >= this.next) {
      for (let n = this.next; n < sequence; n++)
        this.#missing.set(n, {
          afterMs: this.lastSentMs,
          beforeMs: sentMs,
          noticedMs: arrivedMs,
        });
      this.next = sequence + 1;
      this.lastSentMs = sentMs;
    } else if (this.#missing.delete(sequence)) this.reordered++;
    else if (this.#givenUp.delete(sequence)) this.late++;
    else {
      this.duplicates++;
      return;
    }
    this.received++;
    this.lastArrivedMs = arrivedMs;
  }

  /** Gaps that are older than the patience, each told once. */
  lost(patienceMs: number): Gap[] {
    const now = nowMs();
    const gaps: Gap[] = [];
    for (const [n, { afterMs, beforeMs, noticedMs }] of this.#missing) {
      if (now - noticedMs < patienceMs) break;
      this.#missing.delete(n);
      this.#givenUp.add(n);
      const last = gaps.at(-1);
      if (last?.last === n - 1) gaps[gaps.length - 1] = { ...last, last: n, beforeMs };
      else gaps.push({ first: n, last: n, afterMs, beforeMs });
    }
    return gaps;
  }
}

const accounts = new Map<string, Account>();
const streams = new Map<string, Stream>();
let self = 0;
let sources: readonly { readonly family: Family; readonly address: string }[] = [];
let pace: NodeJS.Timeout | undefined;
let pacedAtMs = 0;

async function open(request: Extract<SoakRequest, { verb: 'open' }>): Promise<object> {
  self = request.self;
  sources = request.addresses;
  let bufferBytes = Infinity;
  for (const { family, address } of request.addresses) {
    const socket = createSocket({ type: `udp${family}`, recvBufferSize: 64 * 1024 * 1024 });
    socket.on('message', (message) => {
      if (message.length < headerBytes || message.readUInt16BE(0) !== magic) return;
      const peer = message.readUInt16BE(2);
      const key = `${peer}/${family}`;
      let account = accounts.get(key);
      if (account === undefined) accounts.set(key, (account = new Account()));
      account.take(message.readUInt32BE(4), message.readDoubleBE(8));
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, resolve);
    });
    bufferBytes = Math.min(bufferBytes, socket.getRecvBufferSize());
  }
  return { bufferBytes };
}

async function send(request: Extract<SoakRequest, { verb: 'send' }>): Promise<object> {
  for (const { perSecond, ...peer } of request.streams) {
    const key = `${peer.index}/${peer.family}`;
    const stream = streams.get(key) ?? (await newStream(peer));
    streams.set(key, stream);
    stream.perSecond = perSecond;
    // Spread, so that the streams of all nodes do not leave in one burst.
    stream.credit = Math.random();
  }
  const wanted = [...streams.values()].some((stream) => stream.perSecond > 0);
  if (wanted && pace === undefined) {
    pacedAtMs = performance.now();
    pace = setInterval(sendDue, tickMs);
  } else if (!wanted) {
    clearInterval(pace);
    pace = undefined;
  }
  return {};
}

async function newStream(peer: Peer): Promise<Stream> {
  const socket = createSocket(`udp${peer.family}`);
  const errors: Record<string, number> = {};
  socket.on('error', (error: NodeJS.ErrnoException) => countError(errors, error));
  const source = sources.find((entry) => entry.family === peer.family)!.address;
  await new Promise<void>((resolve) => socket.bind(0, source, resolve));
  await new Promise<void>((resolve) => socket.connect(port, peer.address, resolve));
  return { peer, socket, perSecond: 0, credit: 0, sent: 0, errors };
}

function countError(errors: Record<string, number>, error: NodeJS.ErrnoException): void {
  const code = error.code ?? error.message;
  errors[code] = (errors[code] ?? 0) + 1;
}

function sendDue(): void {
  const now = performance.now();
  const elapsedMs = Math.min(now - pacedAtMs, catchUpMs);
  pacedAtMs = now;
  for (const stream of streams.values()) {
    if (stream.perSecond === 0) continue;
    stream.credit += (elapsedMs * stream.perSecond) / 1000;
    for (; stream.credit >= 1; stream.credit--) sendOne(stream);
  }
}

function sendOne(stream: Stream): void {
  const packet = Buffer.alloc(stream.perSecond >= fastFromPerSecond ? fastBytes : slowBytes);
  packet.writeUInt16BE(magic, 0);
  packet.writeUInt16BE(self, 2);
  packet.writeUInt32BE(stream.sent++, 4);
  packet.writeDoubleBE(nowMs(), 8);
  // A refusal by the network comes out of a later call, whose packet is then not sent: it counts
  // as lost all the same, for a workload would have lost it.
  stream.socket.send(packet, (error) => {
    if (error !== null) countError(stream.errors, error);
  });
}

function report(request: Extract<SoakRequest, { verb: 'report' }>): SoakReport {
  return {
    sent: [...streams.values()].map(({ peer, sent, errors }) => ({
      peer: peer.index,
      family: peer.family,
      sent,
      errors,
    })),
    received: [...accounts].map(([key, account]) => {
      const [peer, family] = key.split('/').map(Number) as [number, Family];
      const { received, next, reordered, duplicates, late, lastSentMs, lastArrivedMs } = account;
      const lost = account.lost(request.patienceMs);
      return {
        ...{ peer, family, received, next, reordered, duplicates, late },
        ...{ lastSentMs, lastArrivedMs, lost },
      };
    }),
  };
}

function answer(request: SoakRequest): Promise<object> {
  switch (request.verb) {
    case 'open':
      return open(request);
    case 'send':
      return send(request);
    case 'report':
      return Promise.resolve(report(request));
  }
}

function main(): void {
  const say = (message: object): unknown => process.stdout.write(`${JSON.stringify(message)}\n`);
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const request = JSON.parse(line) as SoakRequest;
      answer(request).then(
        (reply) => say({ id: request.id, ...reply }),
        (error: unknown) => say({ id: request.id, error: String(error) }),
      );
    })
    .on('close', () => process.exit(0));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runFirst();
  main();
}
