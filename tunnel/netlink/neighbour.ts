/**
 * Neighbours and forwarding entries: one message, struct ndmsg (linux/neighbour.h), for both. The
 * family tells them apart: AF_INET and AF_INET6 map a next hop to a MAC; AF_BRIDGE with NTF_SELF
 * maps a MAC to the remote address of a VXLAN device.
 *
 *      0       1       2       4               8       10      11      12
 *     +-------+-------+-------+---------------+-------+-------+-------+
 *     | family| pad   | pad   | device index  | state | flags | type  |
 *     +-------+-------+-------+---------------+-------+-------+-------+
 */
import type { Address } from '../../encap/address.js';
import type { FdbObject, NeighbourObject } from '../kernel.js';
import { type Attributes, address, mac, macBytes, readAttributes, readU32 } from './attributes.js';
import { AF, NDA, NLM_F, NTF_SELF, NUD_NOARP, NUD_PERMANENT, RTM } from './constants.js';
import type { Message } from './message.js';
import type { EntryOptions, MessageWriter } from './writer.js';

const NDMSG_BYTES = 12;

export interface NeighbourMessage {
  /** AF_* */
  readonly family: number;
  readonly index: number;
  readonly permanent: boolean;
  /** An entry of the device itself, not of the bridge it is a port of. */
  readonly self: boolean;
  readonly address: Address | undefined;
  readonly mac: string | undefined;
  readonly attributes: Attributes;
}

export function readNeighbour(message: Message): NeighbourMessage {
  const { bytes, start } = message;
  const attributes = readAttributes(bytes, start + NDMSG_BYTES, message.end);
  return {
    family: bytes[start]!,
    index: readU32(bytes, start + 4),
    permanent: ((bytes[start + 8]! | (bytes[start + 9]! << 8)) & NUD_PERMANENT) !== 0,
    self: (bytes[start + 10]! & NTF_SELF) !== 0,
    address: address(attributes, NDA.DST),
    mac: mac(attributes, NDA.LLADDR),
    attributes,
  };
}

/** A permanent neighbour of the device; undefined when it is something else. */
export function neighbourObject(
  message: NeighbourMessage,
  device: string,
): NeighbourObject | undefined {
  if (!message.permanent || message.address === undefined || message.mac === undefined)
    return undefined;
  return { type: 'neighbour', device, address: message.address, mac: message.mac };
}

/**
 * A permanent entry of a VXLAN device. Undefined for learned ones, and for one whose port, VNI,
 * device or next-hop group somebody has overridden: it does not do what an entry of ours does, so
 * it counts as missing and is set again.
 */
export function fdbObject(message: NeighbourMessage, device: string): FdbObject | undefined {
  if (!message.permanent || !message.self) return undefined;
  if (message.address === undefined || message.mac === undefined) return undefined;
  for (const override of [NDA.PORT, NDA.VNI, NDA.IFINDEX, NDA.NH_ID])
    if (message.attributes.has(override)) return undefined;
  return { type: 'fdb', device, mac: message.mac, remote: message.address };
}

/** All neighbours of a family, or with AF_BRIDGE the forwarding entries of one device. */
export function writeGetNeighbours(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly family: number; readonly index?: number },
): void {
  const body = writer.begin(RTM.GETNEIGH, {
    flags: NLM_F.DUMP,
    sequence: options.sequence,
    bodyBytes: NDMSG_BYTES,
  });
  writer.setU8(body, options.family);
  if (options.index !== undefined) writer.setU32(body + 4, options.index);
  writer.end();
}

export function writeNeighbour(
  writer: MessageWriter,
  object: NeighbourObject,
  options: EntryOptions,
): void {
  const body = beginEntry(writer, options);
  writer.setU8(body, object.address.family === 4 ? AF.INET : AF.INET6);
  writer.data(NDA.DST, object.address.bytes);
  if (options.verb === 'set') writer.data(NDA.LLADDR, macBytes(object.mac));
  writer.end();
}

/** A deletion names only the MAC: the entry goes with whatever remotes it has. */
export function writeFdb(writer: MessageWriter, object: FdbObject, options: EntryOptions): void {
  const body = beginEntry(writer, options);
  writer.setU8(body, AF.BRIDGE);
  // As iproute2 has it: for a forwarding entry NOARP means that it does not age.
  if (options.verb === 'set') writer.setU16(body + 8, NUD_PERMANENT | NUD_NOARP);
  writer.setU8(body + 10, NTF_SELF);
  writer.data(NDA.LLADDR, macBytes(object.mac));
  if (options.verb === 'set') writer.data(NDA.DST, object.remote.bytes);
  writer.end();
}

function beginEntry(writer: MessageWriter, options: EntryOptions): number {
  const set = options.verb === 'set';
  const body = writer.begin(set ? RTM.NEWNEIGH : RTM.DELNEIGH, {
    flags: set ? NLM_F.CREATE | NLM_F.REPLACE : 0,
    sequence: options.sequence,
    bodyBytes: NDMSG_BYTES,
  });
  writer.setU32(body + 4, options.index);
  writer.setU16(body + 8, set ? NUD_PERMANENT : 0);
  return body;
}
