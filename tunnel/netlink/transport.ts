/**
 * Netlink sockets: the one file of `netlink/` that touches the native addon.
 *
 * A request socket has one exchange in flight at a time. The kernel works a request off within the
 * system call that sends it, so waiting in line costs nothing, and a socket can have only one dump
 * anyway. Replies are matched by sequence number; what belongs to no exchange is dropped.
 *
 * Hazards met: replies that overflow the receive buffer are gone without a trace but ENOBUFS, so a
 * batch is kept small enough for all its members to fail, and a loss is an error of its own. Once it
 * has overflowed, a socket drops more without saying so until it has been read empty; so nothing
 * is sent, and no loss reported, before that. A dump
 * during which the table changed is marked DUMP_INTR and may be missing entries: it is run again.
 */
import { type Watcher, nativeAddon, watchHow } from '../native/addon.js';
import { SystemCallError, errnoCode } from '../native/errno.js';
import { inNetns } from '../native/netns.js';
import { NETLINK, NLMSG, NLM_F } from './constants.js';
import { KernelError } from './error.js';
import {
  type Acknowledgement,
  type Message,
  forEachMessage,
  readAcknowledgement,
  readDone,
} from './message.js';
import { MessageWriter } from './writer.js';

/** Doubled by the kernel, which charges about a kilobyte for the smallest datagram. */
const receiveBufferBytes = 8 << 20;
/** Largest batch of requests in one system call; the send buffer has room for two. */
export const batchBytesMax = 1 << 20;
/** So many failures fit into the receive buffer at once. */
export const batchMessagesMax = 8192;
/** So that what one pass over ten thousand peers writes, told back, is not too much at once. */
const eventBufferBytes = 20 << 20;
const slabBytes = 1 << 20;
const datagramsPerWakeUp = 256;
const dumpAttemptsMax = 10;
const ENOBUFS = 105;
const EINTR = 4;

interface Exchange {
  readonly first: number;
  readonly last: number;
  readonly action: string;
  onMessage(message: Message): void;
  /** The failure of one message; returning ends nothing unless it is the last. */
  onFailure(sequence: number, ack: Acknowledgement): void;
  finish(error: Error | undefined): void;
}

/** Thrown when replies were dropped: what happened to the requests is unknown. */
export class LostRepliesError extends Error {
  constructor(action: string) {
    super(`${action}: the kernel's replies overflowed the receive buffer (ENOBUFS)`);
    this.name = 'LostRepliesError';
  }
}

export interface RequestSocket {
  /** Sequence number for the first of `count` messages that are about to be written. */
  sequences(count: number): number;
  /**
   * Sends all the messages of the writer (sequences rising by one from `first`) in one system
   * call; resolves with the failures by sequence when the last is acknowledged.
   */
  batch(
    writer: MessageWriter,
    options: { readonly first: number; readonly action: string },
  ): Promise<ReadonlyMap<number, Acknowledgement>>;
  /**
   * Sends one request that `write` builds, and hands over every message of the answer; throws
   * KernelError when it is refused.
   */
  request(
    action: string,
    options: {
      write(writer: MessageWriter, sequence: number): void;
      onMessage?(message: Message): void;
    },
  ): Promise<void>;
  /** As `request`, for a dump: collected by `collect`, repeated while the table changes. */
  dump<T>(
    action: string,
    options: {
      write(writer: MessageWriter, sequence: number): void;
      /** Undefined leaves the message out. */
      collect(message: Message): T | undefined;
    },
  ): Promise<T[]>;
  close(): void;
}

export function openRequestSocket(options: {
  readonly netns?: string | undefined;
  /** NETLINK_ROUTE by default. */
  readonly protocol?: number;
  readonly receiveBufferBytes?: number | undefined;
}): RequestSocket {
  const addon = nativeAddon();
  const fd = openSocket(options);
  const slab = new Uint8Array(slabBytes);
  const table = new Uint32Array(2 * datagramsPerWakeUp);
  const writer = new MessageWriter();
  let current: Exchange | undefined;
  let closed: Error | undefined;
  let lost = false;
  let line: Promise<unknown> = Promise.resolve();
  let nextSequence = 1;

  const overflow = overflowOf(() => {
    lost = false;
    finish(new LostRepliesError(current?.action ?? 'netlink'));
  });
  const watcher = addon.watch(fd, watchHow.netlink, slab, table, 0, (count, errno) => {
    // First of all: among the messages may be an acknowledgement, but not all that came before it.
    if (errno === ENOBUFS) lost = true;
    overflow.wakeUp(errno);
    for (let i = 0; i < count; i++) {
      const start = table[2 * i]!;
      forEachMessage(slab, { start, end: start + table[2 * i + 1]!, each: dispatch });
    }
    if (errno !== 0 && errno !== ENOBUFS)
      finish(new SystemCallError('reading the netlink socket', errno));
  });
  addon.keepAlive(watcher, 0);

  function finish(error: Error | undefined): void {
    const ending = current;
    current = undefined;
    ending?.finish(error);
  }

  function dispatch(message: Message): void {
    const exchange = current;
    if (exchange === undefined) return;
    const { sequence } = message;
    if (sequence < exchange.first || sequence > exchange.last) return;
    const isLast = sequence === exchange.last;
    if (message.type === NLMSG.ERROR || message.type === NLMSG.DONE) {
      const ack = message.type === NLMSG.DONE ? readDone(message) : readAcknowledgement(message);
      if (ack.errno !== 0) exchange.onFailure(sequence, ack);
      if (isLast && !lost) finish(undefined);
    } else if (message.type > NLMSG.OVERRUN) {
      try {
        exchange.onMessage(message);
      } catch (error) {
        finish(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  /** Waits for its turn, sends, and settles when the exchange has ended. */
  function exchange(messages: MessageWriter, build: () => Omit<Exchange, 'finish'>): Promise<void> {
    const turn = line.then(
      () =>
        new Promise<void>((resolve, reject) => {
          if (closed !== undefined) throw closed;
          const mine = build();
          current = {
            ...mine,
            finish(error) {
              if (closed === undefined) addon.keepAlive(watcher, 0);
              if (error === undefined) resolve();
              else reject(error);
            },
          };
          addon.keepAlive(watcher, 1);
          const sent = addon.write(fd, messages.bytes, 0, messages.length);
          if (sent < 0) finish(new SystemCallError(`${mine.action}: sending to netlink`, -sent));
        }),
    );
    line = turn.catch(() => undefined);
    return turn;
  }

  function sequences(count: number): number {
    // A batch never wraps around: the sequences of an exchange must rise.
    if (nextSequence + count > 0xffffffff) nextSequence = 1;
    const first = nextSequence;
    nextSequence += count;
    return first;
  }

  async function single(
    action: string,
    parts: {
      write(writer: MessageWriter, sequence: number): void;
      onMessage(message: Message): void;
    },
  ): Promise<void> {
    let failure: Acknowledgement | undefined;
    await exchange(writer, () => {
      const sequence = sequences(1);
      writer.clear();
      parts.write(writer, sequence);
      return {
        first: sequence,
        last: sequence,
        action,
        onMessage: (message) => parts.onMessage(message),
        onFailure: (_, ack) => {
          failure = ack;
        },
      };
    });
    if (failure !== undefined) throw new KernelError(action, failure);
  }

  return {
    sequences,

    async batch(messages, { first, action }) {
      const failures = new Map<number, Acknowledgement>();
      if (messages.count === 0) return failures;
      messages.flagLast(NLM_F.ACK);
      await exchange(messages, () => ({
        first,
        last: first + messages.count - 1,
        action,
        onMessage: () => undefined,
        onFailure: (sequence, ack) => failures.set(sequence, ack),
      }));
      return failures;
    },

    request: (action, { write, onMessage }) =>
      single(action, {
        write(into, sequence) {
          write(into, sequence);
          into.flagLast(NLM_F.ACK);
        },
        onMessage: onMessage ?? (() => undefined),
      }),

    async dump<T>(
      action: string,
      {
        write,
        collect,
      }: {
        write(writer: MessageWriter, sequence: number): void;
        collect(message: Message): T | undefined;
      },
    ): Promise<T[]> {
      for (let attempt = 1; ; attempt++) {
        const items: T[] = [];
        let interrupted = false;
        try {
          await single(action, {
            write,
            onMessage(message) {
              if ((message.flags & NLM_F.DUMP_INTR) !== 0) interrupted = true;
              const item = collect(message);
              if (item !== undefined) items.push(item);
            },
          });
        } catch (error) {
          if (!(error instanceof LostRepliesError)) throw error;
          interrupted = true;
        }
        if (!interrupted) return items;
        if (attempt === dumpAttemptsMax)
          throw new KernelError(action, {
            errno: EINTR,
            extendedAck: `the table kept changing during ${attempt} dumps`,
            offset: undefined,
          });
      }
    },

    close() {
      if (closed !== undefined) return;
      closed = new Error('the netlink socket was closed');
      addon.unwatch(watcher);
      finish(closed);
    },
  };
}

/**
 * A socket that only listens. `onLost`: the kernel dropped notifications, anything may have
 * changed.
 */
export function openEventSocket(options: {
  readonly netns?: string | undefined;
  /** NETLINK_ROUTE by default. */
  readonly protocol?: number;
  readonly groups: readonly number[];
  readonly receiveBufferBytes?: number | undefined;
  onMessage(message: Message): void;
  /** After the last message of a wake-up. */
  onBatchEnd(): void;
  onLost(): void;
}): { close(): void } {
  const addon = nativeAddon();
  const { netns, protocol = NETLINK.ROUTE, receiveBufferBytes = eventBufferBytes } = options;
  const fd = openSocket({ netns, protocol, receiveBufferBytes });
  for (const group of options.groups) {
    const joined = addon.netlinkJoin(fd, group);
    if (joined < 0) {
      addon.closeFd(fd);
      throw new SystemCallError(`cannot join netlink group ${group}`, -joined);
    }
  }
  const slab = new Uint8Array(slabBytes);
  const table = new Uint32Array(2 * datagramsPerWakeUp);
  const overflow = overflowOf(() => {
    if (watcher !== undefined) options.onLost();
  });
  let watcher: Watcher | undefined = addon.watch(
    fd,
    watchHow.netlink,
    slab,
    table,
    0,
    (count, errno) => {
      for (let i = 0; i < count; i++) {
        const start = table[2 * i]!;
        forEachMessage(slab, {
          start,
          end: start + table[2 * i + 1]!,
          each: (message) => options.onMessage(message),
        });
      }
      options.onBatchEnd();
      overflow.wakeUp(errno);
      if (errno !== 0 && errno !== ENOBUFS)
        throw new SystemCallError(`watching the kernel stopped (${errnoCode(errno)})`, errno);
    },
  );
  return {
    close() {
      if (watcher !== undefined) addon.unwatch(watcher);
      watcher = undefined;
    },
  };
}

/**
 * Calls `drained` once a socket that has overflowed is empty again. Polling is level-triggered, so
 * a whole turn of the event loop without a wake-up says that there was nothing left to read.
 */
function overflowOf(drained: () => void): { wakeUp(errno: number): void } {
  let wakeUps = 0;
  let waiting = false;
  function wait(): void {
    const before = wakeUps;
    setImmediate(() => {
      setImmediate(() => {
        if (wakeUps !== before) return wait();
        waiting = false;
        drained();
      });
    });
  }
  return {
    wakeUp(errno) {
      wakeUps++;
      if (errno !== ENOBUFS || waiting) return;
      waiting = true;
      wait();
    },
  };
}

function openSocket(options: {
  readonly netns?: string | undefined;
  readonly protocol?: number;
  readonly receiveBufferBytes?: number | undefined;
}): number {
  const {
    netns,
    protocol = NETLINK.ROUTE,
    receiveBufferBytes: bytes = receiveBufferBytes,
  } = options;
  const fd = inNetns(netns, () => nativeAddon().netlinkSocket(protocol, bytes, 2 * batchBytesMax));
  if (fd < 0) throw new SystemCallError('cannot open a netlink socket', -fd);
  return fd;
}
