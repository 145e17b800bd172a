/**
 * The raw sockets of the data plane: one that receives IP-in-IP, one that receives ICMP errors and
 * one that sends. The only file that knows the `raw-socket` package, and all its hazards:
 *
 * - a socket that nobody refers to is closed by the garbage collector: all three are held here;
 * - when a socket is readable and writable at once only the receive callback fires, so a flood would
 *   starve sending: the sender never receives, and its protocol (IPPROTO_RAW) gets no packets that
 *   would fill a buffer nobody reads;
 * - the default buffer cuts packets at 4096 bytes; the buffer is reused after each callback;
 * - a poll error closes the socket for good: that is reported, and the caller opens anew;
 * - what a receive callback throws is caught and looks like a socket error: it is thrown again outside;
 * - errors carry the text of `strerror` and no code;
 * - its queue of packets to send has no bound: here it has;
 * - it is optional and compiled at installation: loaded when first used, with advice if missing.
 */
import type { RawSocketPackage, Socket } from 'raw-socket';
import { ipProtocol } from '../../encap/wire/protocol.js';
import { icmpType } from './icmp.js';

export type SendFailure = 'too-big' | 'queue-full' | 'failed';

export interface RawSocketHandlers {
  /** A whole packet of protocol 4, outer header included; the bytes are good only during the call. */
  readonly ipip: (packet: Uint8Array) => void;
  /** A whole ICMP error; the bytes are good only during the call. */
  readonly icmp: (packet: Uint8Array) => void;
  sendFailed(failure: { readonly kind: SendFailure; readonly packet: Uint8Array }): void;
  /** Receiving or sending has stopped; close this and open anew. */
  broken(error: Error): void;
}

export interface RawSockets {
  /** Queues a complete IPv4 packet, which must not be changed afterwards. */
  send(packet: Uint8Array, destination: string): void;
  close(): void;
}

/** Packets that wait for the kernel at most; at 1500 bytes each, 6 MB. */
const sendQueuePackets = 4096;
const socketBufferBytes = 8 * 1024 * 1024;
const packetBytesMax = 65_536;

/** asm-generic/socket.h; the FORCE variants go beyond net.core.rmem_max with CAP_NET_ADMIN. */
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
/** linux/in.h */
const SOL_IP = 0;
const IP_HDRINCL = 3;
const IPPROTO_RAW = 255;
/** linux/icmp.h: a bit set is a type that is not received. */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const receivedIcmpTypes = Object.values(icmpType);

export async function openRawSockets(handlers: RawSocketHandlers): Promise<RawSockets> {
  const { createSocket } = await load();
  const opened: Socket[] = [];
  let closed = false;
  const close = (): void => {
    closed = true;
    for (const socket of opened) {
      socket.removeAllListeners('message');
      socket.close();
    }
  };
  const open = (protocol: number): Socket => {
    const socket = create(() => createSocket({ protocol, bufferSize: packetBytesMax }));
    opened.push(socket);
    socket.on('error', (error) => {
      // A receive that found nothing after all, e.g. a packet with a bad checksum; poll errors are
      // followed by `close`.
      if (!closed && errnoName(error) !== 'EAGAIN') lastError = error;
    });
    socket.on('close', () => {
      if (!closed) handlers.broken(new Error(`raw socket closed: ${lastError?.message ?? '?'}`));
    });
    return socket;
  };
  let lastError: Error | undefined;

  try {
    const ipip = open(ipProtocol.ipv4);
    ipip.setOption(SOL_SOCKET, SO_RCVBUFFORCE, socketBufferBytes);
    ipip.on('message', unswallowed(handlers.ipip));

    const icmp = open(ipProtocol.icmp);
    const filter = Buffer.alloc(4);
    // In host order, as the kernel reads the option.
    const blocked = ~receivedIcmpTypes.reduce((bits, type) => bits | (1 << type), 0);
    new Int32Array(filter.buffer, filter.byteOffset, 1)[0] = blocked;
    icmp.setOption(SOL_RAW, ICMP_FILTER, filter, filter.length);
    icmp.on('message', unswallowed(handlers.icmp));

    const sender = open(IPPROTO_RAW).pauseRecv();
    sender.setOption(SOL_IP, IP_HDRINCL, 1);
    sender.setOption(SOL_SOCKET, SO_SNDBUFFORCE, socketBufferBytes);
    let queued = 0;
    return {
      send(packet, destination) {
        if (closed) return;
        if (queued >= sendQueuePackets) return handlers.sendFailed({ kind: 'queue-full', packet });
        queued++;
        sender.send(packet, 0, packet.length, destination, (error) => {
          queued--;
          if (error === null || closed) return;
          const kind = errnoName(error) === 'EMSGSIZE' ? 'too-big' : 'failed';
          handlers.sendFailed({ kind, packet });
        });
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function unswallowed(handler: (packet: Uint8Array) => void): (packet: Uint8Array) => void {
  return (packet) => {
    try {
      handler(packet);
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
        `plane needs it: install a C++ compiler, make and Python, then run "npm rebuild raw-socket" ` +
        `(or "npm install raw-socket" if it was skipped), or use a kernel with the ipip module`,
      { cause: error },
    );
  }
}

function create(open: () => Socket): Socket {
  try {
    return open();
  } catch (error) {
    const hint = errnoName(error as Error) === 'EPERM' ? ': give the process CAP_NET_RAW' : '';
    throw new Error(`cannot open a raw socket: ${(error as Error).message}${hint}`, {
      cause: error,
    });
  }
}

/** The package reports `strerror` texts (glibc and musl agree on most of these). */
function errnoName(error: Error): 'EAGAIN' | 'EMSGSIZE' | 'EPERM' | undefined {
  switch (error.message) {
    case 'Resource temporarily unavailable':
      return 'EAGAIN';
    case 'Message too long':
    case 'Message too large':
      return 'EMSGSIZE';
    case 'Operation not permitted':
      return 'EPERM';
    default:
      return undefined;
  }
}
