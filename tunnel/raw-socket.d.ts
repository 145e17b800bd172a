/**
 * Types for what is used of `raw-socket` 1.8.1, which has none. Its hazards are dealt with in
 * `raw-packets.ts`, the only file that may import it.
 */
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events';

  export interface SocketOptions {
    readonly addressFamily?: number;
    /** IP protocol number; kernel filter of what is received. */
    readonly protocol?: number;
    /** Longest packet that is received whole; 4096 when not given. */
    readonly bufferSize?: number;
  }

  export interface Socket extends EventEmitter {
    on(event: 'message', listener: (packet: Buffer, source: string) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'close', listener: () => void): this;
    /** The callback comes when the packet was given to the kernel; the buffer is needed until then. */
    send(
      packet: Uint8Array,
      offset: number,
      length: number,
      address: string,
      afterCallback: (error: Error | null, bytes: number) => void,
    ): this;
    /** A number is an unsigned int; bytes come with their length. */
    setOption(level: number, option: number, value: number): void;
    setOption(level: number, option: number, value: Buffer, length: number): void;
    pauseRecv(): this;
    resumeRecv(): this;
    pauseSend(): this;
    resumeSend(): this;
    close(): this;
  }

  export interface RawSocketPackage {
    createSocket(options: SocketOptions): Socket;
  }

  /** A CommonJS package: everything hangs on the default export. */
  const rawSocket: RawSocketPackage;
  export default rawSocket;
}
