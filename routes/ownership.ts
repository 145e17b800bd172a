/**
 * What in a kernel is ours: one private route protocol number and a closed list of device names.
 * Nothing else is ever changed or deleted.
 */
import { isLinkLocal } from '../encap/address.js';
import type { InterfaceAddress, Prefix } from '../encap/prefix.js';
import type {
  KernelObject,
  KernelState,
  LinkObject,
  OwnLink,
  RouteObject,
} from '../tunnel/kernel.js';
import type { Slot } from './slots.js';
import { linkLocalOf } from './vtep.js';

/** `RTPROT_*` value of every route we make; unassigned in linux/rtnetlink.h and iproute2's rt_protos. */
export const routeProtocol = 83;
export const mainTable = 254;

/** Metrics of the three layers of our routes; a smaller one wins. Those of paths are spread. */
export const metrics = { path: 512, ownBlock: 4096, pool: 8192 } as const;
/** A power of two; path metrics are 512 to 1535. */
const pathMetrics = 1024;

/**
 * The metric of a route to a peer, a function of its prefix alone. The kernel shares what IPv4
 * routes have in common through a hash that looks at protocol, metric, preferred source and device
 * but not at the gateway: with one metric, N routes of one device make one chain of N, and writing
 * them costs the square. Spread metrics keep the chains short; they never compete, as each prefix
 * has one route.
 */
export function pathMetric(prefix: Prefix): number {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (const byte of prefix.bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ prefix.length, 0x01000193);
  return metrics.path + ((hash >>> 16) & (pathMetrics - 1));
}

/** Devices in the first slot; see slots.ts. `slip6` is the only one of its kind a kernel allows. */
export const deviceNames = {
  vxlan4: 'slv4a',
  vxlan6: 'slv6a',
  ipip4: 'slip4',
  sit4: 'slsit4',
  ip6tnl: 'slip6',
} as const;

const secondSlot: ReadonlyMap<string, string> = new Map([
  [deviceNames.vxlan4, 'slv4b'],
  [deviceNames.vxlan6, 'slv6b'],
  [deviceNames.ipip4, 'slip4b'],
  [deviceNames.sit4, 'slsit4b'],
]);

export function deviceInSlot(name: string, slot: Slot): string {
  return slot === 'a' ? name : (secondSlot.get(name) ?? name);
}

/** The device of the same kind in the first slot; the same for others' devices. */
export function firstSlot(name: string): string {
  return [...secondSlot].find(([, second]) => second === name)?.[0] ?? name;
}

export function slotOf(device: string): Slot | undefined {
  if (secondSlot.has(device)) return 'a';
  return [...secondSlot.values()].includes(device) ? 'b' : undefined;
}

/** The key (see `objectKey`) of the route to a peer's prefix. */
export function pathRouteKey(prefix: Prefix): string {
  return `route ${mainTable} ${prefix.text} metric ${pathMetric(prefix)}`;
}

/** Every name that a device of ours can have. */
export const ownDeviceNames: ReadonlySet<string> = new Set([
  ...Object.values(deviceNames),
  ...secondSlot.values(),
]);

export function isOwnDeviceName(name: string): boolean {
  return ownDeviceNames.has(name);
}

export function isOwnLink(link: LinkObject): link is OwnLink {
  return link.kind !== 'other' && isOwnDeviceName(link.name);
}

export function isOwnRoute(route: RouteObject): boolean {
  return route.protocol === routeProtocol;
}

/** The device that an object other than a device belongs to or leads to. */
export function deviceOf(object: KernelObject): string | undefined {
  switch (object.type) {
    case 'link':
      return undefined;
    case 'address':
    case 'neighbour':
    case 'fdb':
      return object.device;
    case 'route':
      return object.target.kind === 'unicast' ? object.target.device : undefined;
    case 'sysctl':
      return /^net\/ipv[46]\/conf\/([^/]+)\//.exec(object.path)?.[1];
  }
}

/**
 * The part of a dump that is ours; addresses the kernel makes for itself are not, but for the
 * link-local address that peers derive from the device's MAC.
 */
export function ownState(state: KernelState): KernelState {
  const links = state.links.filter(isOwnLink);
  const devices = new Set(links.map((link) => link.name));
  const linkLocals = new Set(
    links.flatMap((link) =>
      link.kind === 'vxlan' ? [`${link.name} ${linkLocalOf(link.mac).text}`] : [],
    ),
  );
  return {
    links,
    addresses: state.addresses.filter(
      (entry) =>
        devices.has(entry.device) &&
        (!isKernelMade(entry.address) ||
          linkLocals.has(`${entry.device} ${entry.address.address.text}`)),
    ),
    neighbours: state.neighbours.filter((entry) => devices.has(entry.device)),
    fdb: state.fdb.filter((entry) => devices.has(entry.device)),
    routes: state.routes.filter(isOwnRoute),
  };
}

/**
 * Where nothing routes by it, it stays all the same: the kernel makes it again with every start of
 * the device, so taking it away would be a quarrel with the kernel.
 */
export function isKernelMadeAddress(object: KernelObject): boolean {
  return object.type === 'address' && isKernelMade(object.address);
}

/**
 * Made by the kernel when a device comes up: fe80::/10 from the MAC, and `::LOCAL/96` on `sit`
 * devices (RFC 4213's automatic tunnelling).
 */
function isKernelMade({ address, length }: InterfaceAddress): boolean {
  if (address.family === 4) return false;
  return (
    isLinkLocal(address) || (length === 96 && address.bytes.subarray(0, 12).every((b) => b === 0))
  );
}
