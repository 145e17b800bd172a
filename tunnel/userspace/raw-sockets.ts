/**
 * The raw sockets of the data plane: one that receives IP-in-IP, one that receives ICMP errors and
 * one that sends (see tunnel/raw-packets.ts for why no socket does both). All are held here for as
 * long as the plane runs.
 */
import { ipProtocol } from '../../encap/wire/protocol.js';
import {
  type RawReceiver,
  type SendFailure,
  openRawReceiver,
  openRawSender,
} from '../raw-packets.js';
import { icmpType } from './icmp.js';

export type { SendFailure } from '../raw-packets.js';

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

const socketBufferBytes = 8 * 1024 * 1024;
const icmpBufferBytes = 212_992;

/** linux/icmp.h: a bit set is a type that is not received. */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const receivedIcmpTypes = Object.values(icmpType);

export async function openRawSockets(handlers: RawSocketHandlers): Promise<RawSockets> {
  const opened: Pick<RawReceiver, 'close'>[] = [];
  const close = (): void => {
    for (const socket of opened) socket.close();
  };
  const broken = (error: Error): void => handlers.broken(error);
  try {
    opened.push(
      await openRawReceiver({
        protocol: ipProtocol.ipv4,
        bufferBytes: socketBufferBytes,
        receive: handlers.ipip,
        broken,
      }),
    );

    const icmp = await openRawReceiver({
      protocol: ipProtocol.icmp,
      bufferBytes: icmpBufferBytes,
      receive: handlers.icmp,
      broken,
    });
    opened.push(icmp);
    const filter = Buffer.alloc(4);
    // In host order, as the kernel reads the option.
    const blocked = ~receivedIcmpTypes.reduce((bits, type) => bits | (1 << type), 0);
    new Int32Array(filter.buffer, filter.byteOffset, 1)[0] = blocked;
    icmp.setOption(SOL_RAW, ICMP_FILTER, filter);

    const sender = await openRawSender({ bufferBytes: socketBufferBytes, broken });
    opened.push(sender);
    return {
      send: (packet, destination) =>
        sender.send(packet, destination, (kind) => {
          if (kind !== undefined) handlers.sendFailed({ kind, packet });
        }),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
