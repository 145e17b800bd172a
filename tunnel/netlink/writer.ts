/**
 * Builds netlink messages one behind the other in one buffer that is used again and again: ten
 * thousand routes are one system call and no allocation a message.
 *
 * Everything is aligned to four bytes, as NLMSG_ALIGN and NLA_ALIGN demand (linux/netlink.h), and
 * in host byte order, which is little-endian on every machine the addon is built for.
 */
import { endianness } from 'node:os';
import { NLA_F_NESTED, NLM_F, NLMSG_HEADER_BYTES } from './constants.js';

if (endianness() !== 'LE')
  throw new Error('this netlink codec is for little-endian machines (x64, arm64)');

const align = (length: number): number => (length + 3) & ~3;

/** What a message about an object that belongs to a device is made from, besides the object. */
export interface EntryOptions {
  readonly verb: 'set' | 'delete';
  /** Of the device; 0 where there is none. */
  readonly index: number;
  readonly sequence: number;
  /** Of a `set`: refused where the key is taken. */
  readonly exclusive?: boolean | undefined;
}

export class MessageWriter {
  /** Bytes from 0 to `length` are messages. */
  readonly bytes: Uint8Array;
  length = 0;
  /** Messages begun since `clear`. */
  count = 0;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  #message = 0;

  constructor(capacity = 1 << 16) {
    const buffer = new ArrayBuffer(align(capacity));
    this.bytes = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#u32 = new Uint32Array(buffer);
  }

  clear(): void {
    this.length = 0;
    this.count = 0;
  }

  /** Opens a message: nlmsghdr, then `bodyBytes` zero bytes; returns where the body begins. */
  begin(type: number, options: { flags: number; sequence: number; bodyBytes: number }): number {
    const at = this.length;
    this.#message = at;
    this.count++;
    this.#u32[at >> 2] = 0;
    this.#u16[(at >> 1) + 2] = type;
    this.#u16[(at >> 1) + 3] = options.flags | NLM_F.REQUEST;
    this.#u32[(at >> 2) + 2] = options.sequence;
    this.#u32[(at >> 2) + 3] = 0;
    const body = at + NLMSG_HEADER_BYTES;
    this.length = body + align(options.bodyBytes);
    this.bytes.fill(0, body, this.length);
    return body;
  }

  /** Closes the message opened last. */
  end(): void {
    this.#u32[this.#message >> 2] = this.length - this.#message;
  }

  /** Takes back the message opened last, as if it had never been begun. */
  drop(): void {
    this.length = this.#message;
    this.count--;
  }

  /** Sets a flag on the message opened last. */
  flagLast(flag: number): void {
    this.#u16[(this.#message >> 1) + 3]! |= flag;
  }

  setU8(at: number, value: number): void {
    this.bytes[at] = value;
  }

  setU16(at: number, value: number): void {
    this.#u16[at >> 1] = value;
  }

  setU32(at: number, value: number): void {
    this.#u32[at >> 2] = value;
  }

  u8(type: number, value: number): void {
    const at = this.#attribute(type, 1);
    this.#u32[at >> 2] = 0;
    this.bytes[at] = value;
  }

  u16(type: number, value: number): void {
    const at = this.#attribute(type, 2);
    this.#u32[at >> 2] = 0;
    this.#u16[at >> 1] = value;
  }

  /** Network byte order, as ports are. */
  u16be(type: number, value: number): void {
    this.u16(type, ((value & 0xff) << 8) | (value >> 8));
  }

  u32(type: number, value: number): void {
    this.#u32[this.#attribute(type, 4) >> 2] = value;
  }

  data(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length);
    this.bytes.set(value, at);
    for (let i = at + value.length; i < this.length; i++) this.bytes[i] = 0;
  }

  /** Zero-terminated text. */
  string(type: number, value: string): void {
    this.data(type, Buffer.from(`${value}\0`, 'latin1'));
  }

  flag(type: number): void {
    this.#attribute(type, 0);
  }

  /** An attribute that holds attributes. */
  nest(type: number, content: () => void): void {
    const at = this.length;
    this.#attribute(type | NLA_F_NESTED, 0);
    content();
    this.#u16[at >> 1] = this.length - at;
  }

  #attribute(type: number, payload: number): number {
    const at = this.length;
    this.#u16[at >> 1] = payload + 4;
    this.#u16[(at >> 1) + 1] = type;
    this.length = at + align(payload + 4);
    return at + 4;
  }
}
