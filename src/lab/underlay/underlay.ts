/**
 * How a provider's network treats the packets of one NIC, as the lab builds it.
 *
 * This is deliberately not derived from the facts in `encap/underlay/`: those are what the decision
 * believes, this is what really happens to a packet here. A belief that is wrong, or switched off,
 * shows as lost packets; were both one table, the lab could only ever agree with itself.
 */
import type { Address } from '../../../encap/address.js';
import type { Provider, Switches } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';

/** A NIC's end in the provider's network. */
export interface Port {
  /** The node's underlay addresses: all that the provider knows it by. */
  readonly own: readonly Address[];
  /** The subnets that those are in. */
  readonly subnets: readonly Prefix[];
  /** The zone's switches with the node's own on top. */
  readonly switches: Switches;
  /** Overlay pools, for a security group that does not admit them. */
  readonly pools: readonly Prefix[];
  readonly vxlanPort: number;
}

/**
 * `shared`: NICs of a subnet see each other's frames. `gateway`: each NIC has only the gateway at
 * the other end. `gateway-proxy`: the same, and the gateway answers ARP for everybody.
 */
export type Wiring = 'shared' | 'gateway' | 'gateway-proxy';

/** Frames that vanish at a NIC's port; every drop is counted under its reason. */
export type Drop = { readonly because: string } & (
  | { readonly when: 'foreign-mac'; readonly direction: 'from-node' }
  /** From the node: the source; to the node: the destination is not its own. */
  | { readonly when: 'foreign-address'; readonly direction: 'from-node' | 'to-node' }
  | {
      readonly when: 'protocol';
      readonly direction: 'from-node' | 'to-node';
      /** IPv4 protocol or IPv6 next header number. */
      readonly protocol: number;
      /** Only what comes from outside these subnets. */
      readonly outside?: readonly Prefix[];
    }
  | { readonly when: 'udp-port'; readonly direction: 'to-node'; readonly port: number }
  | {
      readonly when: 'overlay-source';
      readonly direction: 'to-node';
      readonly pools: readonly Prefix[];
    }
);

export interface ProviderUnderlay {
  readonly provider: Provider;
  /** Bytes; what a NIC has when the file says nothing. */
  readonly nicMtu: number;
  /** Bytes; set where the fabric passes less than the NICs would send. */
  readonly fabricMtu?: number;
  /** Bytes on the way to another region of the provider; undefined: as within one. */
  readonly interRegionMtu?: number;
  /** Bytes on an undeclared way to another provider. */
  readonly externalMtu: number;
  /** Subnets that declare one segment are one Ethernet. Clouds do not care what a file declares. */
  readonly joinsSegments?: boolean;
  /** The node's NIC has a /32 (or /128), whatever the subnet is. */
  readonly hostMask?: boolean;
  /** Does a router say "unreachable" where it has no route, or is the packet just gone? */
  readonly answersUnreachable: boolean;
  wiring(subnet: { readonly segment: string | undefined }): Wiring;
  /** Do the zone's routers know the overlay prefixes of a node with these switches? */
  knowsOverlay(switches: Switches): boolean;
  drops(port: Port): readonly Drop[];
}

export function knowsWhenTold(switches: Switches): boolean {
  return switches.fabricRoutes === 'present';
}

/** Both directions of a check on sources and destinations, and the MAC that goes with it. */
export function addressCheck(because: string): readonly Drop[] {
  return [
    { when: 'foreign-address', direction: 'from-node', because: `${because}, source` },
    { when: 'foreign-address', direction: 'to-node', because: `${because}, destination` },
  ];
}

/** Virtual NICs send from their own MAC only. */
export const ownMacOnly: Drop = {
  when: 'foreign-mac',
  direction: 'from-node',
  because: 'frame from a MAC that is not the NIC’s',
};

/** A protocol that the platform itself does not carry: gone before it leaves the host. */
export function neverCarried(protocol: number, because: string): Drop {
  return { when: 'protocol', direction: 'from-node', protocol, because };
}

const protocolOf = { ipip: 4, ipv6InIpv4: 41 } as const;

/**
 * Protocols that pass only where the operator says that the group admits them: the platform has
 * no word for them, or nobody documents that they pass.
 */
export function unlessAdmitted(
  port: Port,
  ...classes: readonly (keyof typeof protocolOf)[]
): readonly Drop[] {
  return classes
    .filter((kind) => port.switches.firewall?.[kind] === undefined)
    .map((kind) => ({
      when: 'protocol',
      direction: 'to-node',
      protocol: protocolOf[kind],
      because: `protocol ${protocolOf[kind]} was never admitted`,
    }));
}

/** What the operator's security group or firewall blocks: at the receiver, as ingress rules do. */
export function firewall(port: Port): readonly Drop[] {
  const drops: Drop[] = [];
  const blocked = port.switches.firewall ?? {};
  for (const kind of ['ipip', 'ipv6InIpv4'] as const)
    if (blocked[kind] === 'blocked')
      drops.push({
        when: 'protocol',
        direction: 'to-node',
        protocol: protocolOf[kind],
        because: `firewall blocks protocol ${protocolOf[kind]}`,
      });
  if (blocked.vxlan === 'blocked')
    drops.push({
      when: 'udp-port',
      direction: 'to-node',
      port: port.vxlanPort,
      because: `firewall blocks UDP port ${port.vxlanPort}`,
    });
  if (blocked.native === 'blocked')
    drops.push({
      when: 'overlay-source',
      direction: 'to-node',
      pools: port.pools,
      because: 'firewall blocks bare packets from overlay addresses',
    });
  return drops;
}
