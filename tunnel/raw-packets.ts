/**
 * The only file that loads the `raw-socket` package, and that knows its hazards:
 *
 * - a socket that nobody refers to is closed by the garbage collector: its owner must hold it;
 * - when a socket is readable and writable at once only the receive callback fires, so a flood would
 *   starve sending: a socket here either receives or sends, and the protocol of a sender
 *   (IPPROTO_RAW) gets no packets that would fill a buffer nobody reads;
 * - the default buffer cuts packets at 4096 bytes; the buffer is reused after each callback;
 * - a poll error closes the socket for good: that is reported, and the owner opens anew;
 * - what a receive callback throws is caught and looks like a socket error: it is thrown again outside;
 * - errors carry the text of `strerror` and no code;
 * - its queue of packets to send has no bound: here it has;
 * - it is optional and compiled at installation: loaded when first used, with advice if missing.
 */
import type { RawSocketPackage, Socket } from 'raw-socket';
import type { Family } from '../encap/address.js';

export type SendFailure = 'too-big' | 'queue-full' | 'refused' | 'unreachable' | 'failed';

/** Packets that wait for the kernel at most; at 1500 bytes each, 6 MB. */
const sendQueuePackets = 4096;
const packetBytesMax = 65_536;

/** asm-generic/socket.h; the FORCE variants go beyond net.core.rmem_max with CAP_NET_ADMIN. */
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
/** linux/in.h */
const SOL_IP = 0;
const IP_HDRINCL = 3;
const IP_MTU_DISCOVER = 10;
const IPPROTO_RAW = 255;
/** linux/in6.h; a socket of IPPROTO_RAW includes the IPv6 header without being asked (net/ipv6/raw.c). */
const SOL_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
/** linux/in.h, linux/in6.h: don't fragment, and don't believe a path MTU learned before. */
const PMTUDISC_PROBE = 3;

export interface RawSocketOptions {
  readonly family?: Family;
  readonly bufferBytes: number;
  /** The socket is gone; close everything that hangs on it and open anew. */
  readonly broken: (error: Error) => void;
}

export interface RawReceiver {
  /** Bytes in the order of the machine where the kernel wants that. */
  setOption(level: number, option: number, value: Buffer): void;
  close(): void;
}

/**
 * Hears packets of one protocol that are for this node, fragments put together: whole IPv4 packets,
 * but of IPv6 only what follows the headers. The bytes are good only during the call.
 */
export async function openRawReceiver(
  options: RawSocketOptions & {
    readonly protocol: number;
    readonly receive: (packet: Uint8Array, source: string) => void;
  },
): Promise<RawReceiver> {
  const socket = await open(options.protocol, options);
  roomFor(socket, SO_RCVBUFFORCE, options.bufferBytes);
  socket.on('message', unswallowed(options.receive));
  return {
    setOption: (level, option, value) => socket.setOption(level, option, value, value.length),
    close: () => closeSocket(socket),
  };
}

export interface RawSender {
  /** Queues a complete IP packet, which must not be changed until the callback. */
  send(
    packet: Uint8Array,
    destination: string,
    done: (failure: SendFailure | undefined, text: string) => void,
  ): void;
  close(): void;
}

/** Sends packets with their IP headers, by the kernel's route to the destination. */
export async function openRawSender(
  options: RawSocketOptions & {
    /**
     * `route`: as other packets, with what the kernel knows of the path's MTU; `device`: up to the
     * MTU of the device, to find that out.
     */
    readonly limit?: 'route' | 'device';
  },
): Promise<RawSender> {
  const socket = await open(IPPROTO_RAW, options);
  socket.pauseRecv();
  if (options.family !== 6) socket.setOption(SOL_IP, IP_HDRINCL, 1);
  roomFor(socket, SO_SNDBUFFORCE, options.bufferBytes);
  if (options.limit === 'device') {
    if (options.family === 6) socket.setOption(SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
    else socket.setOption(SOL_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  }
  let closed = false;
  let queued = 0;
  return {
    send(packet, destination, done) {
      if (closed) return;
      if (queued >= sendQueuePackets) return done('queue-full', 'too many packets wait');
      queued++;
      socket.send(packet, 0, packet.length, destination, (error) => {
        queued--;
        if (closed) return;
        done(error === null ? undefined : failureOf(error), error?.message ?? '');
      });
    },
    close() {
      closed = true;
      closeSocket(socket);
    },
  };
}

/** Could a raw socket be opened here? The text says why not. */
export async function rawSocketProblem(): Promise<string | undefined> {
  try {
    (await openRawSender({ bufferBytes: 0, broken: () => undefined })).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Best effort: with CAP_NET_RAW alone the usual size has to do. */
function roomFor(socket: Socket, option: number, bytes: number): void {
  try {
    socket.setOption(SOL_SOCKET, option, bytes);
  } catch (error) {
    if (errnoName(error as Error) !== 'EPERM') throw error;
  }
}

const closing = new WeakSet<Socket>();

function closeSocket(socket: Socket): void {
  closing.add(socket);
  socket.removeAllListeners('message');
  socket.close();
}

async function open(protocol: number, options: RawSocketOptions): Promise<Socket> {
  const { createSocket } = await load();
  const addressFamily = options.family === 6 ? 2 : 1;
  const socket = create(() =>
    createSocket({ protocol, addressFamily, bufferSize: packetBytesMax }),
  );
  let lastError: Error | undefined;
  socket.on('error', (error) => {
    // A receive that found nothing after all, e.g. a packet with a bad checksum; poll errors are
    // followed by `close`.
    if (!closing.has(socket) && errnoName(error) !== 'EAGAIN') lastError = error;
  });
  socket.on('close', () => {
    if (!closing.has(socket))
      options.broken(new Error(`raw socket closed: ${lastError?.message ?? '?'}`));
  });
  return socket;
}

function unswallowed(
  receive: (packet: Uint8Array, source: string) => void,
): (packet: Uint8Array, source: string) => void {
  return (packet, source) => {
    try {
      receive(packet, source);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  };
}

async function load(): Promise<RawSocketPackage> {
  try {
    const module = await import('raw-socket');
    return module.default;
  } catch (error) {
    throw new Error(
      `cannot load raw-socket (${(error as Error).message.split('\n')[0]}); the userspace data ` +
        `plane and probes need it: install a C++ compiler, make and Python, then run "npm rebuild ` +
        `raw-socket" (or "npm install raw-socket" if it was skipped); or use a kernel with the ` +
        `ipip module, where only probes need it`,
      { cause: error },
    );
  }
}

function create(createIt: () => Socket): Socket {
  try {
    return createIt();
  } catch (error) {
    const hint = errnoName(error as Error) === 'EPERM' ? ': give the process CAP_NET_RAW' : '';
    throw new Error(`cannot open a raw socket: ${(error as Error).message}${hint}`, {
      cause: error,
    });
  }
}

function failureOf(error: Error): SendFailure {
  switch (errnoName(error)) {
    case 'EMSGSIZE':
      return 'too-big';
    case 'EPERM':
    case 'EACCES':
      return 'refused';
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return 'unreachable';
    default:
      return 'failed';
  }
}

type KnownErrno = 'EAGAIN' | 'EMSGSIZE' | 'EPERM' | 'EACCES' | 'ENETUNREACH' | 'EHOSTUNREACH';

/** The package reports `strerror` texts (glibc and musl agree on most of these). */
const errnoTexts: Readonly<Record<string, KnownErrno>> = {
  'Resource temporarily unavailable': 'EAGAIN',
  'Message too long': 'EMSGSIZE',
  'Message too large': 'EMSGSIZE',
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Network is unreachable': 'ENETUNREACH',
  'Network unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Host is unreachable': 'EHOSTUNREACH',
};

function errnoName(error: Error): KnownErrno | undefined {
  return errnoTexts[error.message];
}
