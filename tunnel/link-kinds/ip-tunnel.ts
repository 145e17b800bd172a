/**
 * What the three IP-in-IP device kinds share: IFLA_IPTUN_* of linux/if_tunnel.h.
 *
 * The kernel rebuilds a tunnel's parameters from scratch on every change (ip_tunnel_changelink,
 * ip6_tnl_changelink), so a change always carries all of them.
 */
import type { Address } from '../../encap/address.js';
import type { IpTunnelLink } from '../kernel.js';
import { type Attributes, address, u16, u32, u8 } from '../netlink/attributes.js';
import type { DecodeContext } from './codec.js';

export const IPTUN = {
  LINK: 1,
  LOCAL: 2,
  REMOTE: 3,
  TTL: 4,
  TOS: 5,
  ENCAP_LIMIT: 6,
  FLOWINFO: 7,
  FLAGS: 8,
  PROTO: 9,
  PMTUDISC: 10,
  ENCAP_TYPE: 15,
  COLLECT_METADATA: 19,
  FWMARK: 20,
} as const;

/** Features that none of our tunnels has: a fixed peer, a bound device, UDP encapsulation, a mark. */
export function hasForeignFeatures(data: Attributes): boolean {
  const remote = data.get(IPTUN.REMOTE);
  return (
    (remote !== undefined && remote.some((byte) => byte !== 0)) ||
    (u32(data, IPTUN.LINK) ?? 0) !== 0 ||
    (u16(data, IPTUN.ENCAP_TYPE) ?? 0) !== 0 ||
    (u32(data, IPTUN.FWMARK) ?? 0) !== 0
  );
}

/** The local address; undefined when it is the unspecified one (the module's fallback device). */
export function boundLocal(data: Attributes): Address | undefined {
  const local = address(data, IPTUN.LOCAL);
  return local === undefined || local.bytes.every((byte) => byte === 0) ? undefined : local;
}

/** 4in4 and 6in4 differ only in their protocol number. */
export function decodeV4Tunnel(
  context: DecodeContext,
  options: { readonly kind: 'ipip' | 'sit'; readonly protocol: number },
): IpTunnelLink | undefined {
  const { common, data } = context;
  const local = boundLocal(data);
  const protocol = u8(data, IPTUN.PROTO) ?? options.protocol;
  if (local === undefined || hasForeignFeatures(data) || protocol !== options.protocol)
    return undefined;
  if (data.has(IPTUN.COLLECT_METADATA)) return undefined;
  const tos = u8(data, IPTUN.TOS) ?? 0;
  return {
    ...common,
    kind: options.kind,
    local,
    ttl: u8(data, IPTUN.TTL) ?? 0,
    tos: tos === 1 ? 'inherit' : tos,
    pmtudisc: (u8(data, IPTUN.PMTUDISC) ?? 0) !== 0,
  };
}
