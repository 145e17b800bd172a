/**
 * Anything in IPv6 (RFC 2473), as an `external` device: the outer destination comes with each
 * route (`encap ip6 dst …`), so one device serves all peers. A namespace can have one such device.
 *
 * `encaplimit none` (IP6_TNL_F_IGN_ENCAP_LIMIT): the option of RFC 2473 section 4.1.1 would cost
 * eight more bytes. Path MTU discovery is always on in IPv6.
 */
import { addressFromBytes } from '../../encap/address.js';
import type { IpTunnelLink } from '../kernel.js';
import { address, readU32, u8 } from '../netlink/attributes.js';
import type { MessageWriter } from '../netlink/writer.js';
import { type LinkKind, extraFeatures } from './codec.js';
import { IPTUN, foreignFeatures } from './ip-tunnel.js';

/** linux/ip6_tunnel.h */
const IP6_TNL_F_IGN_ENCAP_LIMIT = 0x1;
const IP6_TNL_F_USE_ORIG_TCLASS = 0x2;
/** Traffic class within flow information, in network order (RFC 8200 section 3). */
const tclassShift = 20;

function encode(writer: MessageWriter, { link }: { readonly link: IpTunnelLink }): void {
  const inherit = link.tos === 'inherit';
  writer.data(IPTUN.LOCAL, link.local.bytes);
  writer.u8(IPTUN.TTL, link.ttl);
  writer.u32(IPTUN.FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT | (inherit ? IP6_TNL_F_USE_ORIG_TCLASS : 0));
  if (link.tos !== 'inherit') {
    const flow = new Uint8Array(4);
    new DataView(flow.buffer).setUint32(0, link.tos << tclassShift);
    writer.data(IPTUN.FLOWINFO, flow);
  }
  writer.u8(IPTUN.PROTO, 0);
  writer.flag(IPTUN.COLLECT_METADATA);
}

export const ip6tnl: LinkKind<IpTunnelLink> = {
  kernelKind: 'ip6tnl',
  encode,
  encodeChange: encode,
  decode({ common, data }) {
    const extra = foreignFeatures(data);
    if (!data.has(IPTUN.COLLECT_METADATA)) extra.push('not external');
    const flags = data.get(IPTUN.FLAGS);
    const flow = data.get(IPTUN.FLOWINFO);
    const inherit = flags !== undefined && (readU32(flags, 0) & IP6_TNL_F_USE_ORIG_TCLASS) !== 0;
    return {
      ...common,
      kind: 'ip6tnl',
      local: address(data, IPTUN.LOCAL) ?? addressFromBytes(new Uint8Array(16)),
      ttl: u8(data, IPTUN.TTL) ?? 0,
      tos: inherit
        ? 'inherit'
        : flow === undefined
          ? 0
          : ((flow[0]! << 4) | (flow[1]! >> 4)) & 0xff,
      pmtudisc: true,
      ...extraFeatures(extra),
    };
  },
  needsRecreate: (actual) => actual.extra ?? [],
};
