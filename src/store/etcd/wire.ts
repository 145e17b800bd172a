/**
 * The wire format of protocol buffers, as much of it as etcd's messages need:
 *
 *     message := { tag value }        tag = varint(field << 3 | type)
 *     type 0: varint, 7 bits a byte, the lowest first     (int64, uint64, bool, enum)
 *     type 2: varint length, then as many bytes           (bytes, string, message)
 *
 * Source: protobuf.dev/programming-guides/encoding. By hand, as a dozen small messages do not pay
 * for a library that compiles schemas: loading one took 140 ms and 6 MB of every agent's start.
 */

const varintType = 0;
const lengthType = 2;

export type Field = Buffer;

/** Zero is what an absent field means; where it has to be there all the same, see `exactInt`. */
export function intField(field: number, value: number | bigint): Field {
  return Number(value) === 0 ? nothing : exactInt(field, value);
}

export function exactInt(field: number, value: number | bigint): Field {
  return Buffer.from([...varint(tagOf(field, varintType)), ...varint(value)]);
}

export function boolField(field: number, value: boolean): Field {
  return intField(field, value ? 1 : 0);
}

/** Bytes, and messages within messages. */
export function bytesField(field: number, value: Uint8Array): Field {
  return Buffer.concat([
    Buffer.from([...varint(tagOf(field, lengthType)), ...varint(value.length)]),
    value,
  ]);
}

export function textField(field: number, value: string): Field {
  return bytesField(field, Buffer.from(value));
}

export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(fields);
}

const nothing = Buffer.alloc(0);

function tagOf(field: number, type: number): number {
  return (field << 3) | type;
}

function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

/** It is no message of this format, or one that was cut off. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Field after field of a message; `skip` passes over what the reader does not know. */
export class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;
  #type = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Number of the next field; 0 at the end. */
  next(): number {
    if (this.#at >= this.#bytes.length) return 0;
    const tag = this.#varint();
    this.#type = tag & 7;
    const field = Math.floor(tag / 8);
    if (field === 0) throw new WireError('a field has the number 0');
    return field;
  }

  /** Exact up to 2^53, which no revision reaches. */
  int(): number {
    this.#expect(varintType);
    return this.#varint();
  }

  /** For identifiers, which are any 64 bits. */
  bigint(): bigint {
    this.#expect(varintType);
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
      if (shift >= 63n) throw new WireError('a number has more than 64 bits');
    }
  }

  bool(): boolean {
    return this.int() !== 0;
  }

  /** A view of the message's own memory. */
  bytes(): Buffer {
    this.#expect(lengthType);
    const length = this.#varint();
    const start = this.#at;
    if (start + length > this.#bytes.length) throw new WireError('a field is cut off');
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** What is no UTF-8 in it becomes U+FFFD. */
  text(): string {
    return this.bytes().toString('utf8');
  }

  skip(): void {
    switch (this.#type) {
      case varintType:
        this.#varint();
        return;
      case lengthType:
        this.bytes();
        return;
      case 1:
        this.#at += 8;
        return;
      case 5:
        this.#at += 4;
        return;
      default:
        throw new WireError(`a field has the type ${this.#type}`);
    }
  }

  #expect(type: number): void {
    if (this.#type !== type)
      throw new WireError(`a field has the type ${this.#type} instead of ${type}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new WireError('the message is cut off');
    return byte;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1, count = 0; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (++count >= 10) throw new WireError('a number has more than 64 bits');
    }
  }
}
