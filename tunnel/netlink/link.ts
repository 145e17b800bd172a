/**
 * Devices: struct ifinfomsg (linux/rtnetlink.h) and IFLA_* attributes.
 *
 *      0       1       2       4               8               12              16
 *     +-------+-------+-------+---------------+---------------+---------------+
 *     | family| pad   | type  | index         | flags         | change mask   |
 *     +-------+-------+-------+---------------+---------------+---------------+
 */
import { changedAttributes, decodeKind, encodeKindData, kernelKind } from '../link-kinds/index.js';
import { IPTUN } from '../link-kinds/ip-tunnel.js';
import { VXLAN } from '../link-kinds/vxlan.js';
import type { LinkObject, OwnLink } from '../kernel.js';
import {
  type Attributes,
  mac,
  macBytes,
  nested,
  readAttributes,
  readU32,
  text,
  u32,
} from './attributes.js';
import { IFF_UP, IFLA, IFLA_INFO, NLM_F, RTEXT_FILTER_SKIP_STATS, RTM } from './constants.js';
import type { Message } from './message.js';
import type { MessageWriter } from './writer.js';

const IFINFOMSG_BYTES = 16;

export interface LinkMessage {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly attributes: Attributes;
}

export function readLink(message: Message): LinkMessage {
  const attributes = readAttributes(message.bytes, message.start + IFINFOMSG_BYTES, message.end);
  const index = readU32(message.bytes, message.start + 4);
  return {
    index,
    name: text(attributes, IFLA.IFNAME) ?? `if${index}`,
    up: (readU32(message.bytes, message.start + 8) & IFF_UP) !== 0,
    attributes,
  };
}

/** The device as the port speaks of it; `nameOf` resolves indexes of other devices. */
export function linkObject(
  link: LinkMessage,
  nameOf: (index: number) => string | undefined,
): LinkObject {
  const common = {
    type: 'link',
    name: link.name,
    mtu: u32(link.attributes, IFLA.MTU) ?? 0,
    up: link.up,
  } as const;
  const address = mac(link.attributes, IFLA.ADDRESS);
  const queuePackets = u32(link.attributes, IFLA.TXQLEN) ?? 0;
  const info = nested(link.attributes, IFLA.LINKINFO);
  const kind = info === undefined ? undefined : text(info, IFLA_INFO.KIND);
  const data = (info === undefined ? undefined : nested(info, IFLA_INFO.DATA)) ?? new Map();
  const own =
    kind === undefined
      ? undefined
      : decodeKind(kind, { common, mac: address, queuePackets, data, nameOf });
  return own ?? { ...common, kind: 'other', kernelKind: kind, mac: address };
}

export function writeGetLinks(writer: MessageWriter, sequence: number): void {
  writer.begin(RTM.GETLINK, { flags: NLM_F.DUMP, sequence, bodyBytes: IFINFOMSG_BYTES });
  writer.u32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  writer.end();
}

/** One device, by name or index. */
export function writeGetLink(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly device: string | number },
): void {
  const { device } = options;
  const body = writer.begin(RTM.GETLINK, {
    flags: NLM_F.ACK,
    sequence: options.sequence,
    bodyBytes: IFINFOMSG_BYTES,
  });
  writer.u32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  if (typeof device === 'string') writer.string(IFLA.IFNAME, device);
  else writer.setU32(body + 4, device);
  writer.end();
}

export function writeDeleteLink(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly name: string },
): void {
  writer.begin(RTM.DELLINK, { flags: 0, sequence: options.sequence, bodyBytes: IFINFOMSG_BYTES });
  writer.string(IFLA.IFNAME, options.name);
  writer.end();
}

/**
 * Creates the device, as two messages: a VXLAN device quietly takes a smaller MTU at its creation
 * when the device below has no room for the one asked for, and refuses it only afterwards. So it
 * is made down, and brought up with its MTU. Returns how many messages were written.
 */
export function writeNewLink(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly link: OwnLink; readonly parentIndex: number },
): number {
  const { link, parentIndex, sequence } = options;
  beginSetLink(writer, { sequence, flags: NLM_F.CREATE | NLM_F.EXCL });
  writer.string(IFLA.IFNAME, link.name);
  writer.u32(IFLA.MTU, link.mtu);
  if (link.kind === 'vxlan') writer.data(IFLA.ADDRESS, macBytes(link.mac));
  writeLinkInfo(writer, { link, actual: undefined, parentIndex });
  writer.end();
  const body = beginSetLink(writer, { sequence: sequence + 1, flags: 0 });
  writeUp(writer, { body, up: link.up });
  writer.string(IFLA.IFNAME, link.name);
  writer.u32(IFLA.MTU, link.mtu);
  writer.end();
  return 2;
}

/** Kinds that are made over netlink; the others through a device file. */
export type NetlinkKind = Exclude<OwnLink['kind'], 'tun'>;

/**
 * A request for a device that every kernel refuses, as the kind's own check of its parameters does:
 * with ERANGE (vxlan_validate) or EINVAL (ipip_tunnel_validate, ipip6_validate, ip6_tnl_validate),
 * or with EOPNOTSUPP where there is no such kind. The check comes before anything is made.
 */
export function writeProbeKind(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly kind: NetlinkKind },
): void {
  const { sequence, kind } = options;
  beginSetLink(writer, { sequence, flags: NLM_F.CREATE | NLM_F.EXCL | NLM_F.ACK });
  writer.nest(IFLA.LINKINFO, () => {
    writer.string(IFLA_INFO.KIND, kernelKind(kind));
    writer.nest(IFLA_INFO.DATA, () => {
      if (kind === 'vxlan') writer.u32(VXLAN.ID, 1 << 24);
      else writer.u8(IPTUN.PROTO, 255);
    });
  });
  writer.end();
}

/**
 * Changes a device in place, sending only what differs: as two messages, since a VXLAN device
 * refuses an MTU beside its own attributes ("Cannot change mtu"). The MTU comes second, because a
 * new device below may be what makes it possible. Returns how many messages were written.
 */
export function writeChangeLink(
  writer: MessageWriter,
  options: {
    readonly sequence: number;
    readonly index: number;
    readonly actual: OwnLink;
    readonly link: OwnLink;
    readonly parentIndex: number;
  },
): number {
  const { actual, link, index } = options;
  const changed = new Set(changedAttributes(actual, link));
  const common = ['mtu', 'up', 'mac', 'queuePackets'].filter((name) => changed.delete(name));
  let sequence = options.sequence;
  if (changed.size > 0) {
    const body = beginSetLink(writer, { sequence: sequence++, flags: 0 });
    writer.setU32(body + 4, index);
    writeLinkInfo(writer, options);
    writer.end();
  }
  if (common.length > 0) {
    const body = beginSetLink(writer, { sequence: sequence++, flags: 0 });
    writer.setU32(body + 4, index);
    writeUp(writer, { body, up: link.up });
    if (actual.mtu !== link.mtu) writer.u32(IFLA.MTU, link.mtu);
    if (link.kind === 'vxlan' && common.includes('mac'))
      writer.data(IFLA.ADDRESS, macBytes(link.mac));
    if (link.kind === 'tun' && common.includes('queuePackets'))
      writer.u32(IFLA.TXQLEN, link.queuePackets);
    writer.end();
  }
  return sequence - options.sequence;
}

function beginSetLink(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly flags: number },
): number {
  return writer.begin(RTM.NEWLINK, { ...options, bodyBytes: IFINFOMSG_BYTES });
}

function writeUp(
  writer: MessageWriter,
  options: { readonly body: number; readonly up: boolean },
): void {
  writer.setU32(options.body + 8, options.up ? IFF_UP : 0);
  writer.setU32(options.body + 12, IFF_UP);
}

function writeLinkInfo(
  writer: MessageWriter,
  options: {
    readonly link: OwnLink;
    readonly actual: OwnLink | undefined;
    readonly parentIndex: number;
  },
): void {
  writer.nest(IFLA.LINKINFO, () => {
    writer.string(IFLA_INFO.KIND, kernelKind(options.link.kind));
    writer.nest(IFLA_INFO.DATA, () => encodeKindData(writer, options));
  });
}
