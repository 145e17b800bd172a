/**
 * IPv4 fragmentation (RFC 791 section 3.2) of an inner packet that does not fit its path and does
 * not forbid it. The fragments travel through the tunnel as packets of their own and the final
 * host puts them together: fragmenting the outer packet instead would leave that to the peer, and
 * clouds drop such fragments.
 */
import { readU16, writeU16 } from '../../encap/wire/bytes.js';
import { ipv4MinHeaderBytes } from '../../encap/wire/ipv4.js';
import {
  field,
  flagMoreFragments,
  fragmentOffsetMask,
  headerLength,
  sealHeader,
} from './packet.js';

/** Smallest MTU that every packet can be cut to: 60 bytes of header and 8 of data (RFC 791). */
export const minimumFragmentMtu = 68;

/**
 * Cuts a whole packet that `checkHeader` has passed; a packet that fits comes back as it is. A
 * fragment may be cut again: offsets add up and the last piece keeps its more-fragments flag.
 */
export function fragmentPacket(packet: Uint8Array, mtu: number): readonly Uint8Array[] {
  if (mtu < minimumFragmentMtu)
    throw new RangeError(`cannot cut a packet to ${mtu} bytes: use at least ${minimumFragmentMtu}`);
  const total = readU16(packet, field.totalLength);
  if (total <= mtu) return [packet.subarray(0, total)];

  const firstHeader = packet.subarray(0, headerLength(packet));
  const laterHeader = headerOfLaterFragments(firstHeader);
  const data = packet.subarray(firstHeader.length, total);
  const flagsAndOffset = readU16(packet, field.flagsAndOffset);
  const startOffset = (flagsAndOffset & fragmentOffsetMask) * 8;
  const flags = flagsAndOffset & ~fragmentOffsetMask;

  const fragments: Uint8Array[] = [];
  for (let at = 0; at < data.length;) {
    const header = at === 0 ? firstHeader : laterHeader;
    const rest = data.length - at;
    // All but the last carry a multiple of 8 bytes: the offset field counts in those.
    const take = rest <= mtu - header.length ? rest : (mtu - header.length) & ~7;
    const fragment = new Uint8Array(header.length + take);
    fragment.set(header);
    fragment.set(data.subarray(at, at + take), header.length);
    const more = take < rest ? flagMoreFragments : 0;
    writeU16(fragment, field.totalLength, fragment.length);
    writeU16(fragment, field.flagsAndOffset, flags | more | ((startOffset + at) >> 3));
    sealHeader(fragment);
    fragments.push(fragment);
    at += take;
  }
  return fragments;
}

/** Options without their copied flag belong to the first fragment only (RFC 791 section 3.1). */
function headerOfLaterFragments(header: Uint8Array): Uint8Array {
  const kept: number[] = [];
  for (let at = ipv4MinHeaderBytes; at < header.length;) {
    const kind = header[at]!;
    if (kind === optionEnd) break;
    if (kind === optionNone) {
      at += 1;
      continue;
    }
    const length = header[at + 1] ?? 0;
    // A malformed option: nothing behind it can be told apart, so nothing of it is copied.
    if (length < 2 || at + length > header.length) break;
    if ((kind & optionCopied) !== 0) kept.push(...header.subarray(at, at + length));
    at += length;
  }
  while (kept.length % 4 !== 0) kept.push(optionEnd);
  const later = new Uint8Array(ipv4MinHeaderBytes + kept.length);
  later.set(header.subarray(0, ipv4MinHeaderBytes));
  later.set(kept, ipv4MinHeaderBytes);
  later[0] = 0x40 | (later.length / 4);
  return later;
}

const optionEnd = 0;
const optionNone = 1;
const optionCopied = 0x80;
