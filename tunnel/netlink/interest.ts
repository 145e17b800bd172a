/**
 * Looks at a message of a dump just long enough to see that nobody asked for it: of ten thousand routes
 * one is wanted, and reading all of them takes longer than the kernel takes to tell them.
 */
import { everyMac } from '../kernel-interest.js';
import type { KernelInterest } from '../kernel-interest.js';
import { macBytes, readU32 } from './attributes.js';
import { AF, NDA, RTA } from './constants.js';
import type { Message } from './message.js';

/** struct rtmsg and struct ndmsg, both of twelve bytes. */
const headerBytes = 12;
const attributeHeaderBytes = 4;

/** False for a message that the interest does not concern. */
export type MessageFilter = (message: Message) => boolean;

export const everything: MessageFilter = () => true;

export function routeFilter(interest: KernelInterest | undefined): MessageFilter {
  if (interest === undefined) return everything;
  // Most routes are IPv4's, and as numbers they are compared at once.
  const numbers = interest.addresses.flatMap(({ family, bytes }) =>
    family === 4 ? [readU32be(bytes, 0)] : [],
  );
  const outers = interest.within.flatMap(({ family, bytes, length }) =>
    family === 4 ? [{ number: readU32be(bytes, 0), length }] : [],
  );
  const concernsV4 = (number: number, length: number): boolean => {
    for (const wanted of numbers) if (sameStart(wanted ^ number, length)) return true;
    for (const outer of outers)
      if (length >= outer.length && sameStart(outer.number ^ number, outer.length)) return true;
    return false;
  };
  return ({ bytes, start, end }) => {
    const family = bytes[start] === AF.INET ? 4 : 6;
    const length = bytes[start + 1]!;
    const at = dataOf(bytes, { start, end, type: RTA.DST });
    // A default route has no destination, and leads to everything.
    if (at === undefined || length === 0) return true;
    if (family === 4) return concernsV4(readU32be(bytes, at), length);
    const same = (other: Uint8Array, bits: number): boolean => sameBits(bytes, at, { other, bits });
    return (
      interest.addresses.some(
        (address) => address.family === family && same(address.bytes, length),
      ) ||
      interest.within.some(
        (outer) =>
          outer.family === family && length >= outer.length && same(outer.bytes, outer.length),
      )
    );
  };
}

/** `devices`: indexes of those that have an entry a peer. */
export function neighbourFilter(
  interest: KernelInterest | undefined,
  devices: ReadonlySet<number>,
): MessageFilter {
  if (interest === undefined) return everything;
  const wanted = interest.addresses.map(({ bytes }) => bytes);
  return ({ bytes, start, end }) => {
    if (!devices.has(readU32(bytes, start + 4))) return true;
    const at = dataOf(bytes, { start, end, type: NDA.DST });
    const bits = bytes[start] === AF.INET ? 32 : 128;
    return (
      at === undefined ||
      wanted.some((other) => other.length * 8 === bits && sameBits(bytes, at, { other, bits }))
    );
  };
}

export function forwardingFilter(interest: KernelInterest | undefined): MessageFilter {
  if (interest === undefined) return everything;
  const wanted = [everyMac, ...interest.macs].map(macBytes);
  return ({ bytes, start, end }) => {
    const at = dataOf(bytes, { start, end, type: NDA.LLADDR });
    return at === undefined || wanted.some((other) => sameBits(bytes, at, { other, bits: 48 }));
  };
}

function readU32be(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Are the first `length` of 32 bits zero? */
function sameStart(difference: number, length: number): boolean {
  return length === 0 || difference >>> (32 - length) === 0;
}

/** Where an attribute's bytes begin. */
function dataOf(
  bytes: Uint8Array,
  of: { readonly start: number; readonly end: number; readonly type: number },
): number | undefined {
  let at = of.start + headerBytes;
  while (at + attributeHeaderBytes <= of.end) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < attributeHeaderBytes) return undefined;
    if ((bytes[at + 2]! | (bytes[at + 3]! << 8)) === of.type) return at + attributeHeaderBytes;
    at += (length + 3) & ~3;
  }
  return undefined;
}

function sameBits(
  bytes: Uint8Array,
  at: number,
  as: { readonly other: Uint8Array; readonly bits: number },
): boolean {
  const { other, bits } = as;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[at + i] !== other[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((bytes[at + whole]! ^ other[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}
