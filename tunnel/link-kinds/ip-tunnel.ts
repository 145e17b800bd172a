/**
 * What the three IP-in-IP device kinds share: IFLA_IPTUN_* of linux/if_tunnel.h.
 *
 * The kernel rebuilds a tunnel's parameters from scratch on every change (ip_tunnel_changelink,
 * ip6_tnl_changelink), so a change always carries all of them.
 */
import { addressFromBytes } from '../../encap/address.js';
import type { IpTunnelLink } from '../kernel.js';
import { type Attributes, address, u16, u32, u8 } from '../netlink/attributes.js';
import { type DecodeContext, decodeTos, extraFeatures } from './codec.js';

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

/** Features that none of our tunnels has, by name. */
export function foreignFeatures(data: Attributes): string[] {
  const remote = data.get(IPTUN.REMOTE);
  const names: string[] = [];
  if (remote?.some((byte) => byte !== 0) === true) names.push('remote');
  if ((u32(data, IPTUN.LINK) ?? 0) !== 0) names.push('device');
  if ((u16(data, IPTUN.ENCAP_TYPE) ?? 0) !== 0) names.push('encap');
  if ((u32(data, IPTUN.FWMARK) ?? 0) !== 0) names.push('fwmark');
  return names;
}

/** 4in4 and 6in4 differ only in their protocol number. */
export function decodeV4Tunnel(
  context: DecodeContext,
  options: { readonly kind: 'ipip' | 'sit'; readonly protocol: number },
): IpTunnelLink {
  const { common, data } = context;
  const extra = foreignFeatures(data);
  const protocol = u8(data, IPTUN.PROTO) ?? options.protocol;
  if (protocol !== options.protocol) extra.push(`protocol ${protocol}`);
  if (data.has(IPTUN.COLLECT_METADATA)) extra.push('external');
  return {
    ...common,
    kind: options.kind,
    local: address(data, IPTUN.LOCAL) ?? addressFromBytes(new Uint8Array(4)),
    ttl: u8(data, IPTUN.TTL) ?? 0,
    tos: decodeTos(u8(data, IPTUN.TOS)),
    pmtudisc: (u8(data, IPTUN.PMTUDISC) ?? 0) !== 0,
    ...extraFeatures(extra),
  };
}
