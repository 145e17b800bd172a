/**
 * The Ethernet II header (IEEE 802.3), with 802.1Q tags where the EtherType says so:
 *
 *     | destination MAC (6) | source MAC (6) | [0x8100 or 0x88a8 | tag (2)]* | EtherType (2) |
 *
 * The low 12 bits of a tag are the VLAN. MACs are lower-case hexadecimal with colons, as in `ip`.
 */
import { readU16, writeU16 } from './bytes.js';
import { type DecodeRange, type DecodeResult, truncated } from './problem.js';
import { etherType } from './protocol.js';

export const ethernetHeaderBytes = 14;

export interface EthernetHeader {
  readonly destination: string;
  readonly source: string;
  /** Outermost first; usually none. */
  readonly vlans: readonly number[];
  readonly etherType: number;
}

/** Writes an untagged header and returns its length in bytes. */
export function encodeEthernet(
  bytes: Uint8Array,
  offset: number,
  fields: Omit<EthernetHeader, 'vlans'>,
): number {
  bytes.set(macToBytes(fields.destination), offset);
  bytes.set(macToBytes(fields.source), offset + 6);
  writeU16(bytes, offset + 12, fields.etherType);
  return ethernetHeaderBytes;
}

export function decodeEthernet(
  bytes: Uint8Array,
  range: DecodeRange = {},
): DecodeResult<EthernetHeader> {
  const { offset = 0, end = bytes.length } = range;
  if (end - offset < ethernetHeaderBytes)
    return truncated('ethernet', offset, { needed: ethernetHeaderBytes, found: end - offset });
  const vlans: number[] = [];
  let at = offset + 12;
  let type = readU16(bytes, at);
  while (type === etherType.vlan || type === etherType.serviceVlan) {
    if (end - at < 6) return truncated('ethernet', at, { needed: 6, found: end - at });
    vlans.push(readU16(bytes, at + 2) & 0x0fff);
    at += 4;
    type = readU16(bytes, at);
  }
  return {
    ok: true,
    header: {
      destination: macFromBytes(bytes.subarray(offset, offset + 6)),
      source: macFromBytes(bytes.subarray(offset + 6, offset + 12)),
      vlans,
      etherType: type,
    },
    payloadOffset: at + 2,
    payloadEnd: end,
  };
}

export function macFromBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Throws when the text is not six bytes in hexadecimal with colons. */
export function macToBytes(mac: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw new SyntaxError(`not a MAC address: "${mac}"`);
  return Uint8Array.from(mac.split(':'), (byte) => parseInt(byte, 16));
}
