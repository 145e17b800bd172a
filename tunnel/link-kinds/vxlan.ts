/**
 * VXLAN devices (RFC 7348; IFLA_VXLAN_* of linux/if_link.h).
 *
 * Tried on Linux 6.18: VNI and port are fixed ("Cannot change VNI", "Cannot change port"), and so
 * is the family of the local address ("New local address family does not match old"). The device
 * below can be set and exchanged, but taking it away is ignored without a word. Everything else
 * here changes in place. With a device below, an MTU that does not fit it is EINVAL.
 *
 * UDP checksums stay as the kernel has them: sent over both families. Over IPv6 a zero checksum is
 * accepted too (RFC 7348 section 5: it MUST be; RFC 6935), since other VTEPs send it.
 */
import { addressFromBytes } from '../../encap/address.js';
import type { VxlanLink } from '../kernel.js';
import { type Attributes, address, u16be, u32, u8 } from '../netlink/attributes.js';
import type { MessageWriter } from '../netlink/writer.js';
import { type LinkKind, decodeTos, encodeTos, extraFeatures } from './codec.js';

/** linux/if_link.h, IFLA_VXLAN_* */
export const VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  TTL: 5,
  TOS: 6,
  LEARNING: 7,
  LIMIT: 9,
  PROXY: 11,
  RSC: 12,
  L2MISS: 13,
  L3MISS: 14,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  UDP_ZERO_CSUM6_RX: 20,
  REMCSUM_TX: 21,
  REMCSUM_RX: 22,
  GBP: 23,
  COLLECT_METADATA: 25,
  LABEL: 26,
  GPE: 27,
  TTL_INHERIT: 28,
  DF: 29,
  VNIFILTER: 30,
} as const;
/** enum ifla_vxlan_df */
const dfValues = ['unset', 'set', 'inherit'] as const;

/** Present or not zero: a feature that no device of ours has. */
const foreignFeatures = {
  group: [VXLAN.GROUP, VXLAN.GROUP6],
  maxaddress: [VXLAN.LIMIT],
  proxy: [VXLAN.PROXY],
  rsc: [VXLAN.RSC],
  l2miss: [VXLAN.L2MISS],
  l3miss: [VXLAN.L3MISS],
  remcsum: [VXLAN.REMCSUM_TX, VXLAN.REMCSUM_RX],
  gbp: [VXLAN.GBP],
  external: [VXLAN.COLLECT_METADATA],
  flowlabel: [VXLAN.LABEL],
  gpe: [VXLAN.GPE],
  'ttl inherit': [VXLAN.TTL_INHERIT],
  vnifilter: [VXLAN.VNIFILTER],
} as const;
/** Flags without a value: there or not. */
const bareFlags: ReadonlySet<number> = new Set([VXLAN.GBP, VXLAN.GPE]);
const unspecified = addressFromBytes(new Uint8Array(4));

export const vxlan: LinkKind<VxlanLink> = {
  kernelKind: 'vxlan',

  encode(writer, { link, parentIndex }) {
    writer.u32(VXLAN.ID, link.vni);
    writer.u16be(VXLAN.PORT, link.port);
    if (link.parent !== undefined) writer.u32(VXLAN.LINK, parentIndex);
    if (link.local.family === 6) writer.u8(VXLAN.UDP_ZERO_CSUM6_RX, 1);
    encodeLocal(writer, link);
    writer.u8(VXLAN.TTL, link.ttl);
    writer.u8(VXLAN.TOS, encodeTos(link.tos));
    writer.u8(VXLAN.LEARNING, link.learning ? 1 : 0);
    writer.u8(VXLAN.DF, dfValues.indexOf(link.df));
  },

  encodeChange(writer, { actual, link, parentIndex }) {
    if (actual.vni !== link.vni) writer.u32(VXLAN.ID, link.vni);
    if (actual.port !== link.port) writer.u16be(VXLAN.PORT, link.port);
    if (actual.parent !== link.parent) writer.u32(VXLAN.LINK, parentIndex);
    if (actual.local.text !== link.local.text) encodeLocal(writer, link);
    if (actual.ttl !== link.ttl) writer.u8(VXLAN.TTL, link.ttl);
    if (actual.tos !== link.tos) writer.u8(VXLAN.TOS, encodeTos(link.tos));
    if (actual.learning !== link.learning) writer.u8(VXLAN.LEARNING, link.learning ? 1 : 0);
    if (actual.df !== link.df) writer.u8(VXLAN.DF, dfValues.indexOf(link.df));
  },

  decode({ common, mac, data, nameOf }) {
    const local = address(data, VXLAN.LOCAL) ?? address(data, VXLAN.LOCAL6) ?? unspecified;
    const vni = u32(data, VXLAN.ID);
    const df = dfValues[u8(data, VXLAN.DF) ?? 0];
    if (mac === undefined || vni === undefined || df === undefined) return undefined;
    const parentIndex = u32(data, VXLAN.LINK) ?? 0;
    return {
      ...common,
      kind: 'vxlan',
      mac,
      vni,
      port: u16be(data, VXLAN.PORT) ?? 0,
      local,
      parent: parentIndex === 0 ? undefined : (nameOf(parentIndex) ?? `if${parentIndex}`),
      learning: (u8(data, VXLAN.LEARNING) ?? 0) !== 0,
      df,
      ttl: u8(data, VXLAN.TTL) ?? 0,
      tos: decodeTos(u8(data, VXLAN.TOS)),
      ...extraFeatures(
        Object.entries(foreignFeatures)
          .filter(([, types]) => types.some((type) => isOn(data, type)))
          .map(([name]) => name),
      ),
    };
  },

  needsRecreate(actual, desired) {
    const fixed: string[] = [];
    if (actual.vni !== desired.vni) fixed.push('vni');
    if (actual.port !== desired.port) fixed.push('port');
    if (actual.parent !== undefined && desired.parent === undefined) fixed.push('parent');
    if (actual.local.family !== desired.local.family) fixed.push('local family');
    return [...fixed, ...(actual.extra ?? [])];
  },
};

function encodeLocal(writer: MessageWriter, link: VxlanLink): void {
  writer.data(link.local.family === 4 ? VXLAN.LOCAL : VXLAN.LOCAL6, link.local.bytes);
}

function isOn(data: Attributes, feature: number): boolean {
  const value = data.get(feature);
  return value !== undefined && (bareFlags.has(feature) || value.some((byte) => byte !== 0));
}
