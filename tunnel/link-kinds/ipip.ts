/**
 * IPv4 in IPv4 (RFC 2003, protocol 4): one device for all peers. `remote` stays unspecified, so
 * the route's gateway (`via NODE onlink`) is the outer destination. All attributes change in place.
 */
import type { IpTunnelLink } from '../kernel.js';
import type { MessageWriter } from '../netlink/writer.js';
import { type LinkKind, encodeTos } from './codec.js';
import { IPTUN, decodeV4Tunnel } from './ip-tunnel.js';

const IPPROTO_IPIP = 4;

function encode(writer: MessageWriter, { link }: { readonly link: IpTunnelLink }): void {
  writer.data(IPTUN.LOCAL, link.local.bytes);
  writer.u8(IPTUN.TTL, link.ttl);
  writer.u8(IPTUN.TOS, encodeTos(link.tos));
  writer.u8(IPTUN.PROTO, IPPROTO_IPIP);
  writer.u8(IPTUN.PMTUDISC, link.pmtudisc ? 1 : 0);
}

export const ipip: LinkKind<IpTunnelLink> = {
  kernelKind: 'ipip',
  encode,
  encodeChange: encode,
  decode: (context) => decodeV4Tunnel(context, { kind: 'ipip', protocol: IPPROTO_IPIP }),
  needsRecreate: (actual) => actual.extra ?? [],
};
