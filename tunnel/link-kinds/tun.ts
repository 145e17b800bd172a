/**
 * TUN devices (IFLA_TUN_* of linux/if_link.h): the kernel lets them be configured and deleted over
 * rtnetlink, but made only through /dev/net/tun.
 */
import type { TunLink } from '../kernel.js';
import { u8 } from '../netlink/attributes.js';
import type { LinkKind } from './codec.js';

const IFLA_TUN_TYPE = 3;
/** linux/if_tun.h: IFF_TUN, as opposed to IFF_TAP. */
const IFF_TUN = 1;

export const tun: LinkKind<TunLink> = {
  kernelKind: 'tun',
  encode: () => undefined,
  encodeChange: () => undefined,
  decode: ({ common, data, queuePackets }) =>
    u8(data, IFLA_TUN_TYPE) === IFF_TUN ? { ...common, kind: 'tun', queuePackets } : undefined,
  needsRecreate: () => [],
};
