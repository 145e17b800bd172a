/** The kernel of a synthetic node as it is before any agent runs: a NIC, its address, a default route. */
import { parseAddress } from '../../encap/address.js';
import { hostPrefix, parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';
import type { InterfaceAddress } from '../../encap/prefix.js';
import { underlayFacts } from '../../encap/underlay/index.js';
import { mainTable } from '../../routes/ownership.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import type { UserspacePlane } from '../../tunnel/userspace/plane.js';
import type { Member } from './fleet.js';

/** linux/rtnetlink.h: RTPROT_BOOT. */
const boot = 3;
const nic = 'eth0';

export function kernelOf({ zone, place }: Member): FakeKernel {
  const address = tryParseInterfaceAddress(zone.address(place)) as InterfaceAddress;
  const gateway = parseAddress(zone.gateway(place));
  const route = (prefix: RouteObject['prefix'], via: typeof gateway | undefined): RouteObject => ({
    type: 'route',
    prefix,
    table: mainTable,
    metric: 0,
    protocol: boot,
    target: {
      kind: 'unicast',
      device: nic,
      gateway: via,
      onlink: false,
      mtu: undefined,
      preferredSource: undefined,
    },
  });
  return createFakeKernel({
    nics: [{ name: nic, mtu: underlayFacts[zone.provider].mtu.bytes, addresses: [address] }],
    routes: [
      // Where the address is a /32 the router is on no connected prefix.
      ...(address.length === 32 ? [route(hostPrefix(gateway), undefined)] : []),
      route(parsePrefix('0.0.0.0/0'), gateway),
    ],
    sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
  });
}

/** Its kernel makes every device itself, so there never was a process for one and never will be. */
export function noPlane(device: string): UserspacePlane {
  return {
    ensure: () =>
      Promise.reject(new Error(`${device}: a simulated node starts no userspace data plane`)),
    status: () => Promise.resolve(undefined),
    stop: () => Promise.resolve(),
  };
}
