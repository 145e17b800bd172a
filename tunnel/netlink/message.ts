/**
 * Messages as they come: nlmsghdr (linux/netlink.h) and body, several in a datagram; and the one
 * kind of message that every request may get back, NLMSG_ERROR.
 *
 *      0               4       6       8               12              16
 *     +---------------+-------+-------+---------------+---------------+-- - -
 *     | nlmsg_len     | type  | flags | sequence      | port id       | body
 *     +---------------+-------+-------+---------------+---------------+-- - -
 */
import { readAttributes, readU32, text, u32 } from './attributes.js';
import { NLM_F, NLMSGERR_ATTR, NLMSG_HEADER_BYTES } from './constants.js';

/** A message inside a buffer: `start` and `end` bound the body. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** What the kernel says of a request: errno 0 is an acknowledgement. */
export interface Acknowledgement {
  /** Positive. */
  readonly errno: number;
  readonly extendedAck: string | undefined;
  /** Where in the request the attribute at fault lies, in bytes. */
  readonly offset: number | undefined;
}

/** Calls back for each message between the bounds; stops where one is cut short. */
export function forEachMessage(
  bytes: Uint8Array,
  options: { readonly start: number; readonly end: number; readonly each: (m: Message) => void },
): void {
  for (let at = options.start; at + NLMSG_HEADER_BYTES <= options.end;) {
    const length = readU32(bytes, at);
    if (length < NLMSG_HEADER_BYTES || at + length > options.end) return;
    options.each({
      type: bytes[at + 4]! | (bytes[at + 5]! << 8),
      flags: bytes[at + 6]! | (bytes[at + 7]! << 8),
      sequence: readU32(bytes, at + 8),
      bytes,
      start: at + NLMSG_HEADER_BYTES,
      end: at + length,
    });
    at += (length + 3) & ~3;
  }
}

/** NLMSG_ERROR. */
export function readAcknowledgement(message: Message): Acknowledgement {
  if (message.end - message.start < 4)
    return { errno: 0, extendedAck: undefined, offset: undefined };
  const errno = -(readU32(message.bytes, message.start) | 0);
  if ((message.flags & NLM_F.ACK_TLVS) === 0)
    return { errno, extendedAck: undefined, offset: undefined };
  // Behind the error: the header of the failed message, and all of it unless capped.
  const echoed = message.start + 4;
  const capped = (message.flags & NLM_F.CAPPED) !== 0;
  const skip = capped ? NLMSG_HEADER_BYTES : readU32(message.bytes, echoed);
  const attributes = readAttributes(message.bytes, echoed + ((skip + 3) & ~3), message.end);
  return {
    errno,
    extendedAck: text(attributes, NLMSGERR_ATTR.MSG),
    offset: u32(attributes, NLMSGERR_ATTR.OFFS),
  };
}

/** NLMSG_DONE of a failed dump: the error, then attributes at once. */
export function readDone(message: Message): Acknowledgement {
  const errno = message.end - message.start < 4 ? 0 : -(readU32(message.bytes, message.start) | 0);
  const attributes = readAttributes(message.bytes, message.start + 4, message.end);
  return {
    errno: errno > 0 ? errno : 0,
    extendedAck: text(attributes, NLMSGERR_ATTR.MSG),
    offset: u32(attributes, NLMSGERR_ATTR.OFFS),
  };
}
