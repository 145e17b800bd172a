/**
 * Either IP version behind one shape: what tunnels need to know of a packet without caring for its
 * family.
 */
import type { Family } from '../address.js';
import { type Ipv4Header, decodeIpv4, isFragment } from './ipv4.js';
import { type Ipv6Header, decodeIpv6 } from './ipv6.js';
import { type DecodeRange, type DecodeResult, failed, truncated } from './problem.js';

export type IpHeader =
  ({ readonly family: 4 } & Ipv4Header) | ({ readonly family: 6 } & Ipv6Header);

/** Decodes by the version nibble; `family` asks for one of them only. */
export function decodeIp(
  bytes: Uint8Array,
  range: DecodeRange & { readonly family?: Family } = {},
): DecodeResult<IpHeader> {
  const { offset = 0, end = bytes.length } = range;
  if (end <= offset) return truncated('ipv4', offset, { needed: 20, found: 0 });
  const version = bytes[offset]! >> 4;
  if (range.family === 4 || (range.family === undefined && version === 4)) {
    const result = decodeIpv4(bytes, range);
    return result.ok ? { ...result, header: { family: 4, ...result.header } } : result;
  }
  if (range.family === 6 || version === 6) {
    const result = decodeIpv6(bytes, range);
    return result.ok ? { ...result, header: { family: 6, ...result.header } } : result;
  }
  return failed('ipv4', 'version', offset, `IP version ${version}, neither 4 nor 6`);
}

/** TTL or hop limit. */
export function hopsLeft(header: IpHeader): number {
  return header.family === 4 ? header.ttl : header.hopLimit;
}

export function isIpFragment(header: IpHeader): boolean {
  if (header.family === 4) return isFragment(header);
  return (
    header.fragment !== undefined && (header.fragment.offset > 0 || header.fragment.moreFragments)
  );
}

/** Where in the datagram this piece starts, in bytes; 0 for whole packets and first fragments. */
export function fragmentOffset(header: IpHeader): number {
  return header.family === 4 ? header.fragmentOffset : (header.fragment?.offset ?? 0);
}
