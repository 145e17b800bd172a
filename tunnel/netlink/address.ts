/**
 * Interface addresses: struct ifaddrmsg (linux/if_addr.h) and IFA_* attributes.
 *
 *      0       1       2       3       4               8
 *     +-------+-------+-------+-------+---------------+
 *     | family| length| flags | scope | device index  |
 *     +-------+-------+-------+-------+---------------+
 *
 * Ours never make a connected route (IFA_F_NOPREFIXROUTE: the reconciler owns the routes) and are
 * usable at once (IFA_F_NODAD: duplicates are the cluster file's business, and a tentative address
 * cannot be a preferred source).
 */
import { type Address, isLinkLocal } from '../../encap/address.js';
import type { AddressObject } from '../kernel.js';
import { type Attributes, address, readAttributes, readU32 } from './attributes.js';
import { AF, IFA, IFA_F, NLM_F, RTM } from './constants.js';
import type { Message } from './message.js';
import type { EntryOptions, MessageWriter } from './writer.js';

const IFADDRMSG_BYTES = 8;

export interface AddressMessage {
  readonly index: number;
  readonly length: number;
  /** IFA_LOCAL, or IFA_ADDRESS where there is no other (IPv6). */
  readonly address: Address | undefined;
  readonly attributes: Attributes;
}

export function readAddress(message: Message): AddressMessage {
  const attributes = readAttributes(message.bytes, message.start + IFADDRMSG_BYTES, message.end);
  return {
    index: readU32(message.bytes, message.start + 4),
    length: message.bytes[message.start + 1]!,
    address: address(attributes, IFA.LOCAL) ?? address(attributes, IFA.ADDRESS),
    attributes,
  };
}

export function writeGetAddresses(writer: MessageWriter, sequence: number): void {
  writer.begin(RTM.GETADDR, { flags: NLM_F.DUMP, sequence, bodyBytes: IFADDRMSG_BYTES });
  writer.end();
}

export function writeAddress(
  writer: MessageWriter,
  object: AddressObject,
  options: EntryOptions,
): void {
  const { address: own, length } = object.address;
  const set = options.verb === 'set';
  const body = writer.begin(set ? RTM.NEWADDR : RTM.DELADDR, {
    flags: set ? NLM_F.CREATE | NLM_F.REPLACE : 0,
    sequence: options.sequence,
    bodyBytes: IFADDRMSG_BYTES,
  });
  writer.setU8(body, own.family === 4 ? AF.INET : AF.INET6);
  writer.setU8(body + 1, length);
  writer.setU32(body + 4, options.index);
  writer.data(IFA.LOCAL, own.bytes);
  writer.data(IFA.ADDRESS, own.bytes);
  // fe80::/64 is the kernel's own business on every device.
  const prefixRoute = own.family === 6 && isLinkLocal(own) ? 0 : IFA_F.NOPREFIXROUTE;
  if (set) writer.u32(IFA.FLAGS, prefixRoute | (own.family === 6 ? IFA_F.NODAD : 0));
  writer.end();
}
