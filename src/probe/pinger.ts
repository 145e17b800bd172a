/**
 * ICMP echo between two addresses, in any size up to the device's MTU: over raw sockets of our own,
 * or where those are not to be had by the system's `ping`, which tells less.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, Family } from '../../encap/address.js';
import { compareBytes } from '../../encap/address.js';
import {
  type Echo,
  type IcmpNews,
  echoMinBytes,
  echoTokenBytes,
  encodeEchoRequest,
  isAbout,
} from '../../encap/probe/echo.js';
import { type EchoSockets, openEchoSockets } from '../../tunnel/probe/echo-sockets.js';
import { openPing } from '../agent/ping.js';
import { packetGapMs, untilDone } from './pace.js';

export interface PingQuestion {
  readonly source: Address;
  readonly destination: Address;
  /** Whole IP packet, never fragmented; undefined: a small one. */
  readonly packetBytes?: number;
  readonly count: number;
  /** How slow the path is, where that is known before. */
  readonly rttMs?: number | undefined;
}

export interface PingResult {
  readonly packetBytes: number;
  readonly sent: number;
  readonly answered: number;
  /** Milliseconds, one an answer. */
  readonly rttsMs: readonly number[];
  /** What came instead, each once: `EMSGSIZE`, `frag-needed 1400`, `host-unreachable`, … */
  readonly errors: readonly string[];
}

export interface Pinger {
  ping(question: PingQuestion): Promise<PingResult>;
  /** Sends a packet as it is, routed by another address than its own; the error's name, if any. */
  send?(packet: Uint8Array, routedBy: Address): Promise<string | undefined>;
  /** Errors that came so far about packets other than echoes to this address, each once. */
  errorsAbout(destination: Address): readonly string[];
  close(): void;
}

/** Names of the kernel's refusals, as of other system calls. */
const sendErrors = {
  'too-big': 'EMSGSIZE',
  refused: 'EPERM',
  unreachable: 'ENETUNREACH',
  'queue-full': 'ENOBUFS',
  failed: 'EIO',
} as const;

interface Outstanding {
  readonly echo: Echo;
  readonly sentMs: number;
  readonly answer: (rttMs: number) => void;
  readonly refuse: (error: string) => void;
}

export async function openRawPinger(families: readonly Family[]): Promise<Pinger> {
  const identifier = randomInt(0x1_0000);
  const token = randomBytes(echoTokenBytes);
  const outstanding = new Map<number, Outstanding>();
  const foreign = new Map<string, Set<string>>();
  let next = randomInt(0x1_0000);
  const onNews = (news: IcmpNews): void => {
    if (news.kind === 'reply') {
      const waiting = outstanding.get(news.sequence);
      if (news.identifier !== identifier || compareBytes(news.token, token) !== 0) return;
      waiting?.answer(performance.now() - waiting.sentMs);
      return;
    }
    const text = news.reason === 'too-big' ? `frag-needed ${news.mtu}` : news.reason;
    for (const waiting of outstanding.values())
      if (isAbout(news, waiting.echo)) return waiting.refuse(text);
    const known = foreign.get(news.destination.text) ?? new Set();
    if (known.size < 8 && foreign.size < 64) foreign.set(news.destination.text, known.add(text));
  };
  const sockets = new Map<Family, EchoSockets>();
  const close = (): void => {
    for (const socket of sockets.values()) socket.close();
  };
  try {
    for (const family of families) sockets.set(family, await openEchoSockets({ family, onNews }));
  } catch (error) {
    close();
    throw error;
  }
  const sendOne = async (packet: Uint8Array, to: Address): Promise<string | undefined> => {
    const failure = await sockets.get(to.family)?.send(packet, to);
    return failure && sendErrors[failure];
  };

  return {
    async ping({ source, destination, packetBytes = 0, count, rttMs }) {
      const size = Math.max(packetBytes, echoMinBytes(source.family));
      const rttsMs: number[] = [];
      const errors = new Set<string>();
      const sequences: number[] = [];
      let settled = 0;
      for (let i = 0; i < count; i++) {
        if (i > 0) await sleep(packetGapMs);
        const sequence = next++ & 0xffff;
        sequences.push(sequence);
        const echo = { source, destination, identifier, sequence, token, packetBytes: size };
        const once = (record: () => void): void => {
          if (!outstanding.delete(sequence)) return;
          settled++;
          record();
        };
        outstanding.set(sequence, {
          echo,
          sentMs: performance.now(),
          answer: (rttMs) => once(() => rttsMs.push(rttMs)),
          refuse: (error) => once(() => errors.add(error)),
        });
        const refused = await sendOne(encodeEchoRequest(echo), destination);
        if (refused !== undefined) outstanding.get(sequence)?.refuse(refused);
      }
      await untilDone(
        () => settled === count,
        () => (rttsMs.length === 0 ? rttMs : Math.max(...rttsMs)),
      );
      for (const sequence of sequences) outstanding.delete(sequence);
      return {
        packetBytes: size,
        sent: count,
        answered: rttsMs.length,
        rttsMs,
        errors: [...errors],
      };
    },
    send: sendOne,
    errorsAbout: (destination) => [...(foreign.get(destination.text) ?? [])],
    close,
  };
}

/** Undefined: this machine has no `ping` either. */
export function openSystemPinger(): Pinger | undefined {
  const ping = openPing();
  if (ping === undefined) return undefined;
  return {
    async ping({ source, destination, packetBytes, count }) {
      const answers = await Promise.all(
        Array.from({ length: count }, () =>
          ping.probe({ node: '', path: 'overlay', from: source, to: destination, packetBytes }),
        ),
      );
      return {
        packetBytes: packetBytes ?? 84,
        sent: count,
        answered: answers.filter(Boolean).length,
        rttsMs: [],
        errors: [],
      };
    },
    errorsAbout: () => [],
    close: () => undefined,
  };
}
