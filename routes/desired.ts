/**
 * The kernel objects that the RIB asks for: devices and their addresses first, then for each peer
 * the entries that its mode needs and its routes (peer-objects.ts).
 */
import type { Address, Family } from '../encap/address.js';
import type { Cluster, ClusterNode, LocalFacts, Snapshot } from '../encap/cluster.js';
import { underlayAddress } from '../encap/cluster.js';
import type { Carriage, VxlanId } from '../encap/mode.js';
import { minimumIpv6Mtu, overheadBytes } from '../encap/mtu.js';
import type { Decision } from '../encap/trail.js';
import type { OwnLink, RouteObject } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import { deviceInSlot, mainTable, metrics, routeProtocol } from './ownership.js';
import type { Overlap } from './overlap.js';
import { noOverlap } from './overlap.js';
import type { DesiredObject, PeerContext } from './peer-objects.js';
import { deviceFor, firstDevice, kindFor, pathObjects } from './peer-objects.js';
import { receivable } from './receive.js';
import type { Rib } from './rib.js';
import { linkLocalOf, tunnelAddress, vtepMac } from './vtep.js';

export type { DesiredObject } from './peer-objects.js';

export interface DesiredState {
  /** By the kernel's own key. */
  readonly objects: ReadonlyMap<string, DesiredObject>;
  /** Node names by object key, for objects that serve one peer only. */
  readonly peers: ReadonlyMap<string, string>;
  /** Carriages that this kernel cannot do and a userspace plane must. */
  readonly userspace: readonly Carriage[];
  /** What was asked for and cannot be had at all; each is one line for an operator. */
  readonly problems: readonly string[];
  /** What is had, but not as one would like; each is one line for an operator. */
  readonly notices: readonly string[];
}

export interface DesiredQuestion {
  readonly snapshot: Snapshot;
  readonly rib: Rib;
  /** Kinds of device that this kernel can create. */
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  /** What is received besides, while a change of configuration is under way. */
  readonly overlap?: Overlap;
}

/** Outer TTL of every plane. */
export const outerTtl = 64;

export function desiredState(question: DesiredQuestion): DesiredState {
  return desiredOf(question).desired;
}

/** The same, with what it takes to go on from there peer by peer. */
export function desiredOf(question: DesiredQuestion): {
  readonly desired: DesiredState;
  readonly context: PeerContext;
  /** Some object serves two peers, so neither is one's own. */
  readonly shared: boolean;
} {
  const { snapshot, rib, kinds, overlap = noOverlap } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(rib.self);
  if (self === undefined || local === undefined)
    throw new RangeError(`no facts of node ${rib.self} in the snapshot`);
  const build = new Builder({ cluster, self, local, kinds, overlap });
  build.devices(new Set([...receivable(cluster, rib), ...overlap.receives]));
  build.ownBlocks();
  const context = build.context();
  for (const decision of rib.decisions.values()) build.path(context, decision);
  build.pools(rib);
  return { desired: build.finish(), context, shared: build.shared };
}

interface BuilderInput {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  readonly local: LocalFacts;
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  readonly overlap: Overlap;
}

interface LinkParts {
  readonly name: string;
  readonly kind: OwnLink['kind'];
  readonly mtu: number;
  readonly nic: string;
  readonly source: Address;
  /** The cluster's when absent. */
  readonly vxlan?: VxlanId;
}

class Builder {
  readonly #input: BuilderInput;
  readonly #objects = new Map<string, DesiredObject>();
  readonly #peers = new Map<string, string>();
  /** Own tunnel addresses that some device has. */
  readonly #sources: Partial<Record<Family, Address>> = {};
  readonly #userspace: Carriage[] = [];
  readonly #problems: string[] = [];
  readonly #notices: string[] = [];
  #shared = false;

  constructor(input: BuilderInput) {
    this.#input = input;
  }

  get shared(): boolean {
    return this.#shared;
  }

  finish(): DesiredState {
    return {
      objects: this.#objects,
      peers: this.#peers,
      userspace: this.#userspace,
      problems: this.#problems,
      notices: this.#notices,
    };
  }

  /** One device for every carriage that may arrive. */
  devices(keys: ReadonlySet<string>): void {
    const carriages: readonly Carriage[] = [
      { mode: 'vxlan', outer: 4, inner: 4 },
      { mode: 'vxlan', outer: 4, inner: 6 },
      { mode: 'vxlan', outer: 6, inner: 4 },
      { mode: 'vxlan', outer: 6, inner: 6 },
      { mode: 'ipip', outer: 4, inner: 4 },
      { mode: 'ipip', outer: 4, inner: 6 },
      { mode: 'ipip', outer: 6, inner: 4 },
      { mode: 'ipip', outer: 6, inner: 6 },
    ];
    for (const carriage of carriages)
      if (keys.has(`${carriage.mode}:${carriage.outer}:${carriage.inner}`)) this.#device(carriage);
  }

  #device(carriage: Carriage): void {
    const { self, local, kinds } = this.#input;
    const name = deviceFor(this.#input, carriage);
    if (this.#objects.has(`link ${name}`)) return;
    const nic = local.nics[carriage.outer];
    const source = underlayAddress(self, carriage.outer)?.address;
    if (nic === undefined || source === undefined) return;
    const kind = kindFor(carriage);
    const mtu = deviceMtu(kind, nic.mtu - overheadBytes(carriage));
    if (kinds.has(kind)) {
      this.#links(carriage, { name, kind, mtu, nic: nic.name, source });
    } else if (kind === 'ipip') {
      this.#userspace.push(carriage);
      this.#notices.push(
        `this kernel has no ipip module: a userspace process carries ipip, at a fraction of the speed; load the module, or declare "accepts: { ipip: userspace }" for node ${self.name} so that auto passes it over`,
      );
      this.#receiver(tunLink(name, mtu));
    } else {
      this.#problems.push(
        `this kernel cannot make ${kind} devices, and ${carriage.mode} with IPv${carriage.inner} in IPv${carriage.outer} has no other data plane: load the module, or declare "accepts: { ${carriage.mode}/${carriage.outer}/${carriage.inner}: none }" for node ${self.name}`,
      );
    }
  }

  /** The device that packets are sent through, and those that only receive for a while. */
  #links(carriage: Carriage, parts: LinkParts): void {
    const { overlap } = this.#input;
    this.#receiver(this.#link(parts));
    const first = firstDevice(carriage);
    if (parts.kind === 'vxlan')
      for (const { slot, ...vxlan } of overlap.vxlan)
        this.#receiver(this.#link({ ...parts, name: deviceInSlot(first, slot), vxlan }));
    if (parts.kind === 'ipip' || parts.kind === 'sit')
      for (const { slot, address } of overlap.locals)
        this.#receiver(this.#link({ ...parts, name: deviceInSlot(first, slot), source: address }));
  }

  #receiver(link: OwnLink): void {
    this.#add(link);
    this.#deviceAddresses(link);
    this.#deviceSysctls(link.name);
  }

  #link(parts: LinkParts): OwnLink {
    const { cluster, self } = this.#input;
    const { vni, port } = parts.vxlan ?? cluster.vxlan;
    const base = {
      type: 'link',
      name: parts.name,
      mtu: parts.mtu,
      up: true,
      local: parts.source,
      ttl: outerTtl,
      tos: 'inherit',
    } as const;
    switch (parts.kind) {
      case 'vxlan':
        return {
          ...base,
          kind: 'vxlan',
          mac: vtepMac(cluster.name, self.name),
          vni,
          port,
          parent: parts.nic,
          learning: false,
          df: 'set',
        };
      case 'ipip':
      case 'sit':
      case 'ip6tnl':
        return { ...base, kind: parts.kind, pmtudisc: true };
      case 'tun':
        return tunLink(parts.name, parts.mtu);
    }
  }

  /**
   * Without an IPv4 address a receive device drops asymmetric arrivals even under the loose
   * reverse-path filter, so every device carries the tunnel addresses of both families.
   */
  #deviceAddresses(link: OwnLink): void {
    const { name: device, kind, mtu } = link;
    const add = (address: Address, length: number): void =>
      this.#add({ type: 'address', device, address: { address, length } });
    for (const family of [4, 6] as const) {
      if (family === 6 && kind === 'ipip') continue;
      const address = tunnelAddress(this.#input.self, family);
      if (address === undefined) continue;
      if (family === 6 && mtu < minimumIpv6Mtu) {
        // The kernel has no IPv6 on such a device, and no IPv6 packet could cross it either.
        if (kind === 'vxlan')
          this.#notices.push(
            `${device} has room for ${mtu} bytes, and IPv6 needs ${minimumIpv6Mtu} (RFC 8200): it carries IPv4 alone; with ${minimumIpv6Mtu - mtu} bytes more on the NIC it would carry both`,
          );
        continue;
      }
      this.#sources[family] = address;
      add(address, family === 4 ? 32 : 128);
      // Peers route by this one. The kernel makes it when the device comes up, and only then.
      if (family === 6 && link.kind === 'vxlan') add(linkLocalOf(link.mac), 64);
    }
  }

  #deviceSysctls(device: string): void {
    const set = (path: string, value: string): void =>
      this.#add({ type: 'sysctl', path: `net/${path}`, value });
    set(`ipv4/conf/${device}/rp_filter`, '2');
    set(`ipv4/conf/${device}/forwarding`, '1');
    if (!this.#hasIpv6(device)) return;
    set(`ipv6/conf/${device}/disable_ipv6`, '0');
    set(`ipv6/conf/${device}/forwarding`, '1');
  }

  #hasIpv6(device: string): boolean {
    const address = tunnelAddress(this.#input.self, 6);
    return address !== undefined && this.#objects.has(`address ${device} ${address.text}/128`);
  }

  /** The unused rest of our own blocks must not follow a default route back out. */
  ownBlocks(): void {
    for (const prefix of this.#input.self.overlay)
      this.#route({ prefix, metric: metrics.ownBlock, target: { kind: 'blackhole' } });
  }

  /** Unknown overlay addresses must not leave in clear by a default route. */
  pools(rib: Rib): void {
    for (const prefix of this.#input.cluster.pools)
      if (!rib.decisions.has(prefix.text))
        this.#route({ prefix, metric: metrics.pool, target: { kind: 'unreachable' } });
  }

  path(context: PeerContext, decision: Decision): void {
    for (const object of pathObjects(context, decision)) this.#add(object, decision.owner);
  }

  /** After the devices. */
  context(): PeerContext {
    const { cluster, self, kinds, overlap } = this.#input;
    const links = new Map<string, OwnLink>();
    for (const object of this.#objects.values())
      if (object.type === 'link') links.set(object.name, object);
    return { cluster, self, kinds, overlap, links, sources: this.#sources };
  }

  #route(route: Pick<RouteObject, 'prefix' | 'metric' | 'target'>): void {
    this.#add({ type: 'route', table: mainTable, protocol: routeProtocol, ...route });
  }

  #add(object: DesiredObject, peer?: string): void {
    const key = objectKey(object);
    this.#objects.set(key, object);
    if (peer === undefined) return;
    const other = this.#peers.get(key);
    if (other !== undefined && other !== peer) this.#shared = true;
    this.#peers.set(key, peer);
  }
}

/**
 * What the device lets through at most; what a path carries is on its route. Under 1280 bytes the
 * kernel takes IPv6 off a device. Not so for vxlan: it refuses one that is larger than its NIC has
 * room for (`vxlan_change_mtu`), where no IPv6 packet fits in any case.
 */
function deviceMtu(kind: OwnLink['kind'], room: number): number {
  return kind === 'vxlan' || kind === 'ipip' ? room : Math.max(room, minimumIpv6Mtu);
}

/** A process that is not let run for a second must find its packets waiting, not dropped. */
const tunQueuePackets = 4096;

function tunLink(name: string, mtu: number): OwnLink {
  return { type: 'link', kind: 'tun', name, mtu, up: true, queuePackets: tunQueuePackets };
}
