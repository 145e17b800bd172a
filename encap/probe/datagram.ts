/**
 * The frame of every question and answer between agents, over UDP:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *   0 |                        Magic  "SLVP"                          |
 *     +---------------+---------------+-------------------------------+
 *   4 |  Version (1)  |A|    Type     |   Length of the whole datagram|
 *     +---------------+---------------+-------------------------------+
 *   8 |                       Nonce (16 bytes)                        |
 *     +---------------------------------------------------------------+
 *  24 |       Time of sending, milliseconds since 1970 (8 bytes)      |
 *     +---------------------------------------------------------------+
 *  32 |                   Sender's node id (8 bytes)                  |
 *     +---------------------------------------------------------------+
 *  40 |                  Receiver's node id (8 bytes)                 |
 *     +---------------------------------------------------------------+
 *  48 |              Body, by type (see body.ts); zeros behind it     |
 *     +---------------------------------------------------------------+
 *     |      Tag (16 bytes): a MAC over everything before it          |
 *     +---------------------------------------------------------------+
 *
 * A: this is an answer; it repeats the nonce of its question, and is never longer than that, which
 * is why questions carry padding. The tag covers addresses of the protocol (the ids) and direction
 * (A), so an answer cannot be played back as a question nor to another node. How ids and tags are
 * made is the caller's business: nothing here hashes.
 *
 * Anything else that arrives on the port decodes to undefined and is dropped in silence.
 */
import { readU16, writeU16 } from '../wire/bytes.js';

export const probeVersion = 1;
export const nonceBytes = 16;
export const nodeIdBytes = 8;
/** HMAC-SHA-256 cut to its first half (RFC 2104 section 5 allows no less). */
export const tagBytes = 16;
export const datagramHeaderBytes = 48;
export const datagramMinBytes = datagramHeaderBytes + tagBytes;
/** A question stays one packet on any IPv6 link: 1280 less IPv6 and UDP headers (RFC 8200 section 5). */
export const datagramUsualMaxBytes = 1232;
/** The largest UDP payload of IPv4: 65535 less 20 and 8. */
export const datagramMaxBytes = 65_507;

const magic = [0x53, 0x4c, 0x56, 0x50] as const;
const answerBit = 0x80;

/** Numbers of the wire; `clock` is only ever an answer. */
export const messageTypes = {
  echo: 1,
  view: 2,
  watch: 3,
  counts: 4,
  send: 5,
  clock: 6,
} as const;
export type MessageType = keyof typeof messageTypes;

const typeNames: ReadonlyMap<number, MessageType> = new Map(
  Object.entries(messageTypes).map(([name, number]) => [number, name as MessageType]),
);

export interface DatagramFields {
  readonly type: MessageType;
  readonly kind: 'question' | 'answer';
  readonly nonce: Uint8Array;
  readonly timeMs: number;
  readonly sender: Uint8Array;
  readonly receiver: Uint8Array;
  readonly body: Uint8Array;
}

export interface Datagram extends DatagramFields {
  /** What the tag covers. */
  readonly covered: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * The datagram with zeros in place of its tag, which the caller writes over the last 16 bytes.
 * `totalBytes` asks for padding; never less than what the body needs.
 */
export function encodeDatagram(fields: DatagramFields, totalBytes = 0): Uint8Array {
  const { nonce, sender, receiver, body } = fields;
  if (nonce.length !== nonceBytes || sender.length !== nodeIdBytes)
    throw new RangeError(`a nonce has ${nonceBytes} bytes and a node id ${nodeIdBytes}`);
  const length = Math.max(totalBytes, datagramMinBytes + body.length);
  if (length > datagramMaxBytes)
    throw new RangeError(`a datagram has at most ${datagramMaxBytes} bytes, not ${length}`);
  const bytes = new Uint8Array(length);
  bytes.set(magic, 0);
  bytes[4] = probeVersion;
  bytes[5] = messageTypes[fields.type] | (fields.kind === 'answer' ? answerBit : 0);
  writeU16(bytes, 6, length);
  bytes.set(nonce, 8);
  new DataView(bytes.buffer).setBigUint64(24, BigInt(Math.max(0, Math.trunc(fields.timeMs))));
  bytes.set(sender, 32);
  bytes.set(receiver, 40);
  bytes.set(body, datagramHeaderBytes);
  return bytes;
}

/** Undefined when these bytes are anything else; the result shares their memory. */
export function decodeDatagram(bytes: Uint8Array): Datagram | undefined {
  if (bytes.length < datagramMinBytes) return undefined;
  if (magic.some((byte, i) => bytes[i] !== byte) || bytes[4] !== probeVersion) return undefined;
  if (readU16(bytes, 6) !== bytes.length) return undefined;
  const type = typeNames.get(bytes[5]! & ~answerBit);
  const kind = (bytes[5]! & answerBit) === 0 ? 'question' : 'answer';
  if (type === undefined || (type === 'clock' && kind === 'question')) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - tagBytes;
  return {
    type,
    kind,
    nonce: bytes.subarray(8, 24),
    timeMs: Number(view.getBigUint64(24)),
    sender: bytes.subarray(32, 40),
    receiver: bytes.subarray(40, 48),
    body: bytes.subarray(datagramHeaderBytes, end),
    covered: bytes.subarray(0, end),
    tag: bytes.subarray(end),
  };
}
