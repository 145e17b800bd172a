/**
 * IPv6 in IPv4 (RFC 4213, protocol 41): one device for all peers. The outer destination is read
 * from the route's gateway, an IPv4-compatible address (`via ::192.0.2.1 onlink`). All attributes
 * change in place. The kernel gives each such device the address `::LOCAL/96` and its route, whatever
 * its address generation mode says (add_v4_addrs of net/ipv6/addrconf.c).
 */
import type { IpTunnelLink } from '../kernel.js';
import type { MessageWriter } from '../netlink/writer.js';
import { type LinkKind, encodeTos } from './codec.js';
import { IPTUN, decodeV4Tunnel } from './ip-tunnel.js';

const IPPROTO_IPV6 = 41;

function encode(writer: MessageWriter, { link }: { readonly link: IpTunnelLink }): void {
  writer.data(IPTUN.LOCAL, link.local.bytes);
  writer.u8(IPTUN.TTL, link.ttl);
  writer.u8(IPTUN.TOS, encodeTos(link.tos));
  writer.u8(IPTUN.PROTO, IPPROTO_IPV6);
  writer.u8(IPTUN.PMTUDISC, link.pmtudisc ? 1 : 0);
}

export const sit: LinkKind<IpTunnelLink> = {
  kernelKind: 'sit',
  encode,
  encodeChange: encode,
  decode: (context) => decodeV4Tunnel(context, { kind: 'sit', protocol: IPPROTO_IPV6 }),
  needsRecreate: (actual) => actual.extra ?? [],
};
