/**
 * What in a kernel is ours: one private route protocol number and a closed list of device names.
 * Nothing else is ever changed or deleted.
 */
import type { KernelState, LinkObject, OwnLink, RouteObject } from '../tunnel/kernel.js';

/** `RTPROT_*` value of every route we make; unassigned in linux/rtnetlink.h and iproute2's rt_protos. */
export const routeProtocol = 83;
export const mainTable = 254;

/** Metrics of the three layers of our routes; a smaller one wins. */
export const metrics = { path: 512, ownBlock: 4096, pool: 8192 } as const;

/** Outer family, then a slot letter where two devices may stand side by side during a change. */
export const deviceNames = {
  vxlan4: 'slv4a',
  vxlan6: 'slv6a',
  ipip4: 'slip4',
  sit4: 'slsit4',
  ip6tnl: 'slip6',
} as const;

const ownNames: ReadonlySet<string> = new Set([...Object.values(deviceNames), 'slv4b', 'slv6b']);

export function isOwnDeviceName(name: string): boolean {
  return ownNames.has(name);
}

export function isOwnLink(link: LinkObject): link is OwnLink {
  return link.kind !== 'other' && isOwnDeviceName(link.name);
}

export function isOwnRoute(route: RouteObject): boolean {
  return route.protocol === routeProtocol;
}

/** The part of a dump that is ours; addresses the kernel makes for itself are not. */
export function ownState(state: KernelState): KernelState {
  const links = state.links.filter(isOwnLink);
  const devices = new Set(links.map((link) => link.name));
  return {
    links,
    addresses: state.addresses.filter(
      (entry) => devices.has(entry.device) && !isKernelMade(entry.address.address.bytes),
    ),
    neighbours: state.neighbours.filter((entry) => devices.has(entry.device)),
    fdb: state.fdb.filter((entry) => devices.has(entry.device)),
    routes: state.routes.filter(isOwnRoute),
  };
}

/** fe80::/10: made by the kernel from the MAC when the device comes up. */
function isKernelMade(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}
