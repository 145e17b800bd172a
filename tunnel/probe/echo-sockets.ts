/**
 * Sockets for packets that probes write themselves, header and all, and for the ICMP that comes
 * back: answers to echo requests, and errors about anything that was sent.
 *
 * Packets go by the kernel's own routes, as the traffic that they stand for: through `output` and
 * `postrouting` of netfilter, the guard's look at what leaves included. Only what is known of the
 * path's MTU is left out (`limit: 'device'`), for that is what is to be found out.
 */
import type { Address, Family } from '../../encap/address.js';
import { type IcmpNews, decodeIcmpNews } from '../../encap/probe/echo.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import {
  type RawSender,
  type SendFailure,
  openRawReceiver,
  openRawSender,
} from '../raw-packets.js';

const bufferBytes = 1024 * 1024;

/** linux/icmp.h; a bit set is a type that is not received. */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
/** Echo reply, destination unreachable, time exceeded. */
const wantedIcmp = [0, 3, 11];
/** linux/icmpv6.h */
const SOL_ICMPV6 = 58;
const ICMPV6_FILTER = 1;
/** Unreachable, too big, time exceeded, parameter problem, echo reply. */
const wantedIcmpv6 = [1, 2, 3, 4, 129];

export interface EchoSockets {
  /** Resolves when the kernel has taken the packet, or says why not. */
  send(packet: Uint8Array, destination: Address): Promise<SendFailure | undefined>;
  close(): void;
}

export async function openEchoSockets(options: {
  readonly family: Family;
  readonly onNews: (news: IcmpNews) => void;
}): Promise<EchoSockets> {
  const { family, onNews } = options;
  const common = { family, bufferBytes };
  const receiver = await openRawReceiver({
    ...common,
    // Who waits for an answer will wait in vain, and report that.
    broken: () => undefined,
    protocol: family === 4 ? ipProtocol.icmp : ipProtocol.icmpv6,
    receive(packet) {
      // IPv4 comes with its header, IPv6 without (RFC 3542 section 3).
      const start = family === 4 ? (packet[0]! & 0xf) * 4 : 0;
      const news = decodeIcmpNews(packet.subarray(start), family);
      if (news !== undefined) onNews(news);
    },
  });
  if (family === 4) receiver.setOption(SOL_RAW, ICMP_FILTER, blocking(wantedIcmp, 1));
  else receiver.setOption(SOL_ICMPV6, ICMPV6_FILTER, blocking(wantedIcmpv6, 8));
  const sender = new LastingSender((broken) =>
    openRawSender({ ...common, limit: 'device', broken }),
  );
  try {
    await sender.open();
  } catch (error) {
    receiver.close();
    throw error;
  }
  return {
    send: (packet, destination) => sender.send(packet, destination.text),
    close() {
      sender.close();
      receiver.close();
    },
  };
}

interface Waiting {
  readonly packet: Uint8Array;
  readonly destination: string;
  readonly settle: (failure: SendFailure | undefined) => void;
  /** Given to so many sockets. */
  tries: number;
}

/** Longer than this no packet waits for the kernel: the socket is no use any more. */
const patienceMs = 1_000;
const triesMax = 3;

/**
 * A raw socket can break for good, or be collected as garbage while nothing but what waits for it
 * refers to it, and what waits would wait for ever. A timer for each packet holds on to all of that; when
 * it runs, the socket is exchanged for a new one, and what waits is given to that.
 */
class LastingSender {
  readonly #openSender: (broken: () => void) => Promise<RawSender>;
  readonly #waiting = new Set<Waiting>();
  #sender: RawSender | undefined;
  #closed = false;

  constructor(openSender: (broken: () => void) => Promise<RawSender>) {
    this.#openSender = openSender;
  }

  async open(): Promise<void> {
    const opened = await this.#openSender(() => {
      if (this.#sender === opened) this.#exchange();
    });
    if (this.#closed) opened.close();
    else this.#sender = opened;
  }

  send(packet: Uint8Array, destination: string): Promise<SendFailure | undefined> {
    if (this.#closed) return Promise.resolve('failed');
    return new Promise((resolve) => {
      const timer = setInterval(() => this.#exchange(), patienceMs);
      const waiting: Waiting = {
        packet,
        destination,
        tries: 0,
        settle: (failure) => {
          clearInterval(timer);
          if (this.#waiting.delete(waiting)) resolve(failure);
        },
      };
      this.#waiting.add(waiting);
      this.#give(waiting);
    });
  }

  close(): void {
    this.#closed = true;
    this.#sender?.close();
    for (const waiting of [...this.#waiting]) waiting.settle('failed');
  }

  #give(waiting: Waiting): void {
    // While there is none, one is being opened, and is given all that waits.
    if (this.#sender === undefined) return;
    waiting.tries++;
    this.#sender.send(waiting.packet, waiting.destination, waiting.settle);
  }

  #exchange(): void {
    if (this.#sender === undefined || this.#closed) return;
    this.#sender.close();
    this.#sender = undefined;
    this.open().then(
      () => {
        for (const waiting of [...this.#waiting])
          if (waiting.tries < triesMax) this.#give(waiting);
          else waiting.settle('failed');
      },
      () => this.close(),
    );
  }
}

/** A bit for each type, as the kernel keeps them: 32-bit words in its own order. */
function blocking(wanted: readonly number[], words: number): Buffer {
  const bits = new Uint32Array(words).fill(0xffff_ffff);
  for (const type of wanted) bits[type >>> 5]! &= ~(1 << (type & 31));
  return Buffer.from(bits.buffer);
}
