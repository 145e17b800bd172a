/**
 * The port to the kernel: objects, operations on them, and what is seen of others' changes.
 *
 * Two implementations stand behind it, the real one over rtnetlink (`netlink/`) and one in memory
 * (`fake-kernel.ts`); one contract suite holds both to the same behaviour. Devices are named, not
 * numbered: an index means nothing after a re-create.
 *
 * The way of a VXLAN packet through these objects: the route picks the device and a next hop, the
 * neighbour entry maps the next hop to an inner MAC, the FDB entry maps that MAC to the outer
 * address of the peer.
 */
import type { Address, Family } from '../encap/address.js';
import type { InterfaceAddress, Prefix } from '../encap/prefix.js';
import type { KernelDetails } from './kernel-details.js';
import type { KernelInterest } from './kernel-interest.js';

/** What every device of ours has. */
interface LinkBase {
  readonly type: 'link';
  readonly name: string;
  /** Largest inner IP packet in bytes. */
  readonly mtu: number;
  readonly up: boolean;
}

/**
 * Names of features that a dumped device has and none of ours does (a fixed peer, `external`, a
 * mark). Never set by us; a device of ours that got one from somebody must be made anew.
 */
type ExtraFeatures = readonly string[];

export interface VxlanLink extends LinkBase {
  readonly kind: 'vxlan';
  /** `02:…`, six bytes in lower-case hexadecimal. */
  readonly mac: string;
  readonly vni: number;
  readonly port: number;
  /** Outer source address; its family is the family of the outer header. */
  readonly local: Address;
  /** The NIC below. */
  readonly parent: string | undefined;
  readonly learning: boolean;
  /** `set`: the outer header always says don't-fragment, so path MTU discovery sees small links. */
  readonly df: 'unset' | 'set' | 'inherit';
  readonly ttl: number;
  /** TOS of the outer header, or inherited from the inner one. */
  readonly tos: number | 'inherit';
  readonly extra?: ExtraFeatures;
}

/** `ipip` is 4in4, `sit` 6in4, `ip6tnl` anything in IPv6 by `encap ip6` routes. */
export interface IpTunnelLink extends LinkBase {
  readonly kind: 'ipip' | 'sit' | 'ip6tnl';
  readonly local: Address;
  readonly ttl: number;
  readonly tos: number | 'inherit';
  readonly pmtudisc: boolean;
  readonly extra?: ExtraFeatures;
}

/** A TUN device that a userspace data plane holds; the kernel side only sees a plain device. */
export interface TunLink extends LinkBase {
  readonly kind: 'tun';
  /** How many packets wait at most while the data plane is not let run; the kernel drops the rest. */
  readonly queuePackets: number;
}

/** A device that is not ours, as a dump reports it. */
export interface OtherLink extends LinkBase {
  readonly kind: 'other';
  readonly kernelKind: string | undefined;
  readonly mac: string | undefined;
}

export type OwnLink = VxlanLink | IpTunnelLink | TunLink;
export type LinkObject = OwnLink | OtherLink;

export interface AddressObject {
  readonly type: 'address';
  readonly device: string;
  readonly address: InterfaceAddress;
}

/** A permanent neighbour entry: next hop → inner MAC. */
export interface NeighbourObject {
  readonly type: 'neighbour';
  readonly device: string;
  readonly address: Address;
  readonly mac: string;
}

/** A permanent forwarding entry of a VXLAN device: inner MAC → outer address. */
export interface FdbObject {
  readonly type: 'fdb';
  readonly device: string;
  readonly mac: string;
  readonly remote: Address;
}

export interface RouteObject {
  readonly type: 'route';
  readonly prefix: Prefix;
  /** Routing table id; 254 is main. */
  readonly table: number;
  readonly metric: number;
  /** Who made it: `RTPROT_*` of linux/rtnetlink.h. */
  readonly protocol: number;
  readonly target: RouteTarget;
}

export type RouteTarget =
  | { readonly kind: 'blackhole' | 'unreachable' | 'prohibit' }
  | {
      readonly kind: 'unicast';
      readonly device: string;
      readonly gateway: Address | undefined;
      /** The gateway is on the link although no prefix of the device says so. */
      readonly onlink: boolean;
      /** `RTAX_MTU` in bytes. */
      readonly mtu: number | undefined;
      readonly preferredSource: Address | undefined;
      /** Lightweight-tunnel destination (`encap ip6 dst …`), for `ip6tnl` devices. */
      readonly encapDestination?: Address;
    }
  /** Anything we never make (multipath, local, …), seen in a dump; kept so that it is foreign. */
  | { readonly kind: 'other'; readonly description: string };

/** One file below /proc/sys. */
export interface SysctlObject {
  readonly type: 'sysctl';
  /** With slashes, e.g. `net/ipv4/conf/slv4a/rp_filter`. */
  readonly path: string;
  readonly value: string;
}

export type KernelObject =
  LinkObject | AddressObject | NeighbourObject | FdbObject | RouteObject | SysctlObject;

/**
 * `set` creates, or changes in place to exactly this; for a link whose changed attribute the
 * kernel fixes at creation the caller asks for `delete` and `set`. `delete` of what is already
 * gone succeeds.
 */
export interface Op {
  readonly verb: 'set' | 'delete';
  readonly object: Exclude<KernelObject, OtherLink>;
  /** Of a `set` of a route: refused with EEXIST where its key is taken, whoever has it. */
  readonly exclusive?: true;
}

/** A failed op, as the kernel told it. */
export interface KernelFailure {
  /** E.g. `EEXIST`. */
  readonly code: string;
  readonly errno: number;
  /** The kernel's extended-ack text, where it gave one. */
  readonly extendedAck: string | undefined;
  /** One line for an operator: action, errno, text. */
  readonly message: string;
}

export interface OpOutcome {
  readonly op: Op;
  readonly failure: KernelFailure | undefined;
}

/** All the kernel objects of the namespace that can concern us, ours and others'. */
export interface KernelState {
  readonly links: readonly LinkObject[];
  readonly addresses: readonly AddressObject[];
  readonly neighbours: readonly NeighbourObject[];
  readonly fdb: readonly FdbObject[];
  readonly routes: readonly RouteObject[];
}

/**
 * `changed`: somebody (we included) changed an object of this type. `lost`: notifications were
 * dropped, anything may have changed.
 */
export type KernelEvent =
  | {
      readonly kind: 'changed';
      readonly type: 'link' | 'address' | 'neighbour' | 'fdb' | 'route' | 'netconf';
      /** Device concerned, where the message names one. */
      readonly device: string | undefined;
    }
  | { readonly kind: 'lost' };

/** What an event is about, where its message says so. */
export interface KernelChange {
  readonly verb: 'set' | 'delete';
  /** As it is now; of a deleted one at least its key. */
  readonly object: RouteObject | NeighbourObject | FdbObject;
}

export interface WatchOptions {
  /**
   * Asked of each route, neighbour and forwarding entry that changed; where it is true there is no
   * event. What changed is read only on demand, as there may be tens of thousands at once.
   */
  readonly expected?: (read: () => KernelChange | undefined) => boolean;
}

export interface RouteLookup {
  readonly device: string;
  readonly gateway: Address | undefined;
  readonly preferredSource: Address | undefined;
  readonly mtu: number | undefined;
  readonly kind: 'unicast' | 'local' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';
  /** Prefix length and protocol of the entry that matched, and its table. */
  readonly matched:
    { readonly prefix: Prefix; readonly protocol: number; readonly table: number } | undefined;
}

export interface KernelReading {
  readonly state: KernelState;
  readonly details: KernelDetails;
}

export interface Kernel {
  /** With an interest at least what it concerns: for questions, never for what is to be changed. */
  dump(interest?: KernelInterest): Promise<KernelState>;
  /** What a packet meets besides; for questions, and never changed by us. */
  details(interest?: KernelInterest): Promise<KernelDetails>;
  /** Both for one question, in less time than one after the other. */
  read(interest: KernelInterest): Promise<KernelReading>;
  /** Runs the ops in order; a failed op does not stop later ones. One outcome an op. */
  apply(ops: readonly Op[]): Promise<readonly OpOutcome[]>;
  /** Undefined when the file does not exist (device gone, feature absent). */
  readSysctl(path: string): string | undefined;
  /** The kernel's own answer for a packet to this address; undefined when there is no route. */
  lookup(
    destination: Address,
    options?: { readonly from?: Address },
  ): Promise<RouteLookup | undefined>;
  watch(listener: (event: KernelEvent) => void, options?: WatchOptions): { close(): void };
  /** Which kinds of own device this kernel can create: asked and not guessed; nothing is made. */
  probeKinds(): Promise<ReadonlySet<OwnLink['kind']>>;
  close(): void;
}

/** The key the kernel itself uses: two objects with one key are the same object. */
export function objectKey(object: KernelObject): string {
  switch (object.type) {
    case 'link':
      return `link ${object.name}`;
    case 'address':
      return `address ${object.device} ${object.address.address.text}/${object.address.length}`;
    case 'neighbour':
      return `neighbour ${object.device} ${object.address.text}`;
    case 'fdb':
      return `fdb ${object.device} ${object.mac}`;
    case 'route':
      return `route ${object.table} ${object.prefix.text} metric ${object.metric}`;
    case 'sysctl':
      return `sysctl ${object.path}`;
  }
}

/** Families a link of ours carries inside. */
export function innerFamilies(kind: OwnLink['kind']): readonly Family[] {
  switch (kind) {
    case 'vxlan':
    case 'tun':
    case 'ip6tnl':
      return [4, 6];
    case 'ipip':
      return [4];
    case 'sit':
      return [6];
  }
}
