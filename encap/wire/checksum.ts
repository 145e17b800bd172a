/**
 * The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit
 * words, an odd last byte padded with zero. A block that contains its own correct checksum sums to
 * 0xffff, so its checksum comes out as 0.
 */
import type { Address } from '../address.js';

/** The folded one's complement sum over `bytes[offset, end)`, added to `initial`. */
export function onesComplementSum(
  bytes: Uint8Array,
  range: { readonly offset: number; readonly end: number; readonly initial?: number },
): number {
  let sum = range.initial ?? 0;
  const even = range.end - ((range.end - range.offset) & 1);
  // 64 KiB of 0xffff stays below 2^31, so folding once at the end is enough.
  for (let i = range.offset; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (even < range.end) sum += bytes[even]! << 8;
  return fold(sum);
}

/** The checksum of `bytes[offset, end)`, as it is written into a header whose field is zero. */
export function internetChecksum(
  bytes: Uint8Array,
  range: { readonly offset: number; readonly end: number; readonly initial?: number },
): number {
  return ~onesComplementSum(bytes, range) & 0xffff;
}

/**
 * Sum of the pseudo header that UDP, TCP and ICMPv6 checksums cover (RFC 768, RFC 8200 section
 * 8.1); it is the same sum for both families, as the length's upper half is zero.
 */
export function pseudoHeaderSum(pseudo: {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: number;
  readonly lengthBytes: number;
}): number {
  const { source, destination } = pseudo;
  let sum = onesComplementSum(source.bytes, { offset: 0, end: source.bytes.length });
  sum = onesComplementSum(destination.bytes, {
    offset: 0,
    end: destination.bytes.length,
    initial: sum,
  });
  return fold(sum + pseudo.protocol + pseudo.lengthBytes);
}

/** The checksum after one 16-bit word of its block changed (RFC 1624 equation 3). */
export function updateChecksum(
  checksum: number,
  change: { readonly from: number; readonly to: number },
): number {
  return ~fold((~checksum & 0xffff) + (~change.from & 0xffff) + change.to) & 0xffff;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
