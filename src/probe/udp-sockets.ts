/**
 * The UDP sockets of the probe port: one for each of the node's own addresses and none for all, so
 * that nothing is offered on an address that no other node would ask.
 *
 * A tunnel address exists only while its device does: what cannot be opened now is tried again at the
 * next `update`. A socket outlives the removal of its address, and works again with it.
 */
import { type Socket, createSocket } from 'node:dgram';
import type { Address } from '../../encap/address.js';

export interface ReceivedDatagram {
  readonly bytes: Uint8Array;
  readonly source: string;
  readonly sourcePort: number;
  /** The address it was sent to. */
  readonly local: Address;
}

interface Opened {
  readonly address: Address;
  readonly socket: Socket;
  readonly port: number;
  bound: boolean;
  readonly ready: Promise<void>;
}

const receiveBufferBytes = 256 * 1024;

export class UdpSockets {
  readonly #onDatagram: (datagram: ReceivedDatagram) => void;
  readonly #opened = new Map<string, Opened>();
  readonly #problems = new Map<string, string>();

  constructor(onDatagram: (datagram: ReceivedDatagram) => void) {
    this.#onDatagram = onDatagram;
  }

  /** What is not listened on, and why; one line each. */
  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  /** Makes the sockets those of these addresses; resolves when all are open or have failed. */
  async update(addresses: readonly Address[], port: number): Promise<void> {
    const wanted = new Map(addresses.map((address) => [address.text, address]));
    for (const [text, entry] of this.#opened)
      if (!wanted.has(text) || entry.port !== port) this.#close(entry);
    for (const text of this.#problems.keys()) if (!wanted.has(text)) this.#problems.delete(text);
    await Promise.all(
      [...wanted.values()].map(
        (address) => this.#opened.get(address.text)?.ready ?? this.#open(address, port),
      ),
    );
  }

  has(address: Address): boolean {
    return this.#opened.get(address.text)?.bound === true;
  }

  /** Undefined when the kernel took it, else its code, e.g. `EMSGSIZE`. */
  send(
    bytes: Uint8Array,
    ways: { readonly from: Address; readonly to: string; readonly port: number },
  ): Promise<string | undefined> {
    const entry = this.#opened.get(ways.from.text);
    if (entry?.bound !== true) return Promise.resolve('EADDRNOTAVAIL');
    return new Promise((resolve) =>
      entry.socket.send(bytes, ways.port, ways.to, (error) =>
        resolve(error === null ? undefined : ((error as NodeJS.ErrnoException).code ?? 'failed')),
      ),
    );
  }

  close(): void {
    for (const entry of this.#opened.values()) this.#close(entry);
  }

  #open(address: Address, port: number): Promise<void> {
    const socket = createSocket({
      type: address.family === 4 ? 'udp4' : 'udp6',
      ipv6Only: address.family === 6,
      recvBufferSize: receiveBufferBytes,
    });
    let settle: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (settle = resolve));
    const entry: Opened = { address, socket, port, bound: false, ready };
    this.#opened.set(address.text, entry);
    socket.on('message', (bytes, from) =>
      this.#onDatagram({ bytes, source: from.address, sourcePort: from.port, local: address }),
    );
    socket.on('error', (error) => {
      this.#problems.set(
        address.text,
        `cannot listen for probes on ${address.text} port ${port}: ${(error as NodeJS.ErrnoException).code ?? error.message}`,
      );
      this.#close(entry);
      settle();
    });
    socket.bind({ address: address.text, port, exclusive: true }, () => {
      entry.bound = true;
      this.#problems.delete(address.text);
      settle();
    });
    return ready;
  }

  #close(entry: Opened): void {
    if (this.#opened.get(entry.address.text) !== entry) return;
    this.#opened.delete(entry.address.text);
    entry.bound = false;
    try {
      entry.socket.close();
    } catch {
      // It failed before it was ever open.
    }
  }
}
