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
import { type SendFailure, openRawReceiver, openRawSender } from '../raw-packets.js';

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
  const waiting = new Set<(failure: SendFailure) => void>();
  const common = {
    family,
    bufferBytes,
    // Who waits for an answer will wait in vain, and report that.
    broken: () => undefined,
  };
  const receiver = await openRawReceiver({
    ...common,
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
  try {
    const sender = await openRawSender({ ...common, limit: 'device' });
    return {
      send: (packet, destination) =>
        new Promise((resolve) => {
          waiting.add(resolve);
          sender.send(packet, destination.text, (failure) => {
            waiting.delete(resolve);
            resolve(failure);
          });
        }),
      close() {
        sender.close();
        receiver.close();
        for (const resolve of waiting) resolve('failed');
      },
    };
  } catch (error) {
    receiver.close();
    throw error;
  }
}

/** A bit for each type, as the kernel keeps them: 32-bit words in its own order. */
function blocking(wanted: readonly number[], words: number): Buffer {
  const bits = new Uint32Array(words).fill(0xffff_ffff);
  for (const type of wanted) bits[type >>> 5]! &= ~(1 << (type & 31));
  return Buffer.from(bits.buffer);
}
