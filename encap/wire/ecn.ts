/**
 * Explicit congestion notification through tunnels: RFC 6040.
 *
 * On the way in the outer header copies the inner field ("normal mode", section 4.1). On the way
 * out the two are combined (section 4.2, figure 4), so that a router in the underlay that marked
 * the outer header is heard by the inner sender:
 *
 *                      arriving outer header
 *     inner      Not-ECT    ECT(0)     ECT(1)     CE
 *     Not-ECT    Not-ECT    Not-ECT    Not-ECT    drop
 *     ECT(0)     ECT(0)     ECT(0)     ECT(1)     CE
 *     ECT(1)     ECT(1)     ECT(1)     ECT(1)     CE
 *     CE         CE         CE         CE         CE
 */

import type { Family } from '../address.js';
import { readU16, writeU16 } from './bytes.js';
import { updateChecksum } from './checksum.js';

/** The two low bits of the traffic class (RFC 3168 section 5). */
export const ecn = Object.freeze({ notEct: 0b00, ect1: 0b01, ect0: 0b10, ce: 0b11 });
export type Ecn = 0 | 1 | 2 | 3;

/** Outer field for an inner one: RFC 6040 normal mode. */
export function ecnForOuter(inner: Ecn): Ecn {
  return inner;
}

/** The inner field after decapsulation, or `drop`. */
export function ecnAfterDecapsulation(inner: Ecn, outer: Ecn): Ecn | 'drop' {
  return decapsulation[inner][outer];
}

/** By the fields' values, inner first: Not-ECT, ECT(1), ECT(0), CE. */
const decapsulation: Readonly<Record<Ecn, Readonly<Record<Ecn, Ecn | 'drop'>>>> = {
  [ecn.notEct]: { 0: ecn.notEct, 1: ecn.notEct, 2: ecn.notEct, 3: 'drop' },
  [ecn.ect1]: { 0: ecn.ect1, 1: ecn.ect1, 2: ecn.ect1, 3: ecn.ce },
  [ecn.ect0]: { 0: ecn.ect0, 1: ecn.ect1, 2: ecn.ect0, 3: ecn.ce },
  [ecn.ce]: { 0: ecn.ce, 1: ecn.ce, 2: ecn.ce, 3: ecn.ce },
};

/** Changes the field of the IP header at `offset` in place, the IPv4 checksum with it. */
export function rewriteEcn(
  bytes: Uint8Array,
  offset: number,
  change: { readonly family: Family; readonly to: Ecn },
): void {
  if (change.family === 6) {
    bytes[offset + 1] = (bytes[offset + 1]! & ~0x30) | (change.to << 4);
    return;
  }
  const from = readU16(bytes, offset);
  const to = (from & ~3) | change.to;
  writeU16(bytes, offset, to);
  writeU16(bytes, offset + 10, updateChecksum(readU16(bytes, offset + 10), { from, to }));
}
