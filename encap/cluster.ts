/**
 * The cluster as the decision sees it: one frozen snapshot of configuration and node records.
 *
 * Nothing here knows where the data came from (a file, etcd) and nothing is a live handle. Every
 * object that an operator wrote keeps its `source`, so that an explanation can point at the line.
 */
import type { Address, Family } from './address.js';
import type { LiveRecord } from './live-record.js';
import type { CarriageKey, Mode, Plane, RuleResult, VxlanId } from './mode.js';
import type { InterfaceAddress, Prefix } from './prefix.js';

export const providers = [
  'aws',
  'gce',
  'azure',
  'openstack',
  'hetzner',
  'digitalocean',
  'ibm',
  'oci',
  'alibaba',
  'onprem',
  'onprem-bgp',
] as const;
/** `onprem` is a plain L2/L3 fabric; `onprem-bgp` one whose routers learn the overlay prefixes. */
export type Provider = (typeof providers)[number];

/** Where in a configuration file something was written; line and column count from 1. */
export interface SourceRef {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What was laid over the entry for a question only, e.g. `--what-if 1`; the file does not have it. */
  readonly changedBy?: string;
}

/**
 * What an operator (or later a cloud API) has confirmed about a zone or a node's attachment.
 * Absent means unconfirmed, never "off".
 */
export interface Switches {
  /**
   * Does the underlay drop packets whose source or destination is not the NIC's own address?
   * AWS source/destination check, OCI skipSourceDestCheck, OpenStack port security, IBM IP
   * spoofing prevention, Hetzner vSwitch: one word for one behaviour.
   */
  readonly sourceDestinationCheck?: 'enabled' | 'disabled';
  /** GCE canIpForward, Azure enableIPForwarding. */
  readonly ipForwarding?: 'enabled' | 'disabled';
  /** Does the fabric (VPC route table, user-defined route, top-of-rack) know the overlay prefixes? */
  readonly fabricRoutes?: 'present' | 'absent';
  /** What the security group or firewall admits from the other nodes. */
  readonly firewall?: {
    /** IP protocol 4. */
    readonly ipip?: 'allowed' | 'blocked';
    /** IP protocol 41 (IPv6 in IPv4). */
    readonly ipv6InIpv4?: 'allowed' | 'blocked';
    /** UDP to the VXLAN port. */
    readonly vxlan?: 'allowed' | 'blocked';
    /** Bare packets with overlay source addresses. */
    readonly native?: 'allowed' | 'blocked';
  };
}

export interface Zone {
  readonly name: string;
  readonly provider: Provider;
  readonly region: string | undefined;
  readonly subnets: readonly ZoneSubnet[];
  readonly switches: Switches;
  /** Largest IP packet in bytes that a NIC in this zone sends; undefined: the provider's default. */
  readonly mtu: number | undefined;
  readonly source?: SourceRef;
}

/** A subnet of a zone; subnets that share an L2 domain declare the same segment. */
export interface ZoneSubnet {
  readonly prefix: Prefix;
  readonly segment: string | undefined;
  readonly source?: SourceRef;
}

/** One end of a link: one zone, or every zone of a provider. */
export type LinkEnd =
  | { readonly kind: 'zone'; readonly zone: string }
  | { readonly kind: 'provider'; readonly provider: Provider };

/** What is known of the path between two zones (or providers), in both directions. */
export interface Link {
  readonly ends: readonly [LinkEnd, LinkEnd];
  /** Largest IP packet in bytes that crosses it. */
  readonly mtu: number | undefined;
  /** The modes it carries; undefined: whatever the providers' facts say. */
  readonly modes: readonly Mode[] | undefined;
  /** May tunnel packets travel between public addresses, unencrypted? */
  readonly allowPublic: boolean;
  readonly note: string | undefined;
  readonly source?: SourceRef;
}

/** Which nodes one side of a rule speaks of; every field given must hold, any value of a list may. */
export interface Selector {
  readonly zones?: readonly string[];
  readonly regions?: readonly string[];
  readonly providers?: readonly Provider[];
  readonly subnets?: readonly Prefix[];
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  readonly nodes?: readonly string[];
}

export const relationSubjects = ['zone', 'subnet', 'segment', 'region', 'provider'] as const;
export type RelationSubject = (typeof relationSubjects)[number];
/** How the two nodes must stand to each other, e.g. `{ zone: 'different', region: 'same' }`. */
export type Relations = Readonly<Partial<Record<RelationSubject, 'same' | 'different'>>>;

/** An ordered rule; the first whose conditions all hold decides. */
export interface Rule {
  readonly name: string;
  readonly from?: Selector;
  readonly to?: Selector;
  /** Two selectors that may match either way round. */
  readonly between?: readonly [Selector, Selector];
  readonly relations: Relations;
  readonly family?: Family;
  readonly mode: RuleResult;
  /** Use the mode although the facts call it infeasible. */
  readonly force: boolean;
  readonly reason: string | undefined;
  readonly source?: SourceRef;
}

/** What a node can receive, by carriage; a missing key means `kernel`. */
export type Accepts = Readonly<Partial<Record<CarriageKey, Plane>>>;

export interface ClusterNode {
  readonly name: string;
  readonly zone: string;
  /** Addresses that the other nodes of the underlay reach it by, with their masks. */
  readonly underlay: readonly InterfaceAddress[];
  readonly publicAddresses: readonly Address[];
  /** Prefixes of workload addresses that this node owns. */
  readonly overlay: readonly Prefix[];
  readonly labels: Readonly<Record<string, string>>;
  /** Overrides the zone's, field by field. */
  readonly switches: Switches;
  /** NIC MTU in bytes; undefined: the zone's. */
  readonly mtu: number | undefined;
  readonly accepts: Accepts;
  /**
   * What the node itself says that it receives and sends; undefined where there are no such records
   * (the cluster file), then the rules alone say what may arrive.
   */
  readonly live?: LiveRecord;
  /** What a provider's API says of its attachment; undefined: nobody has asked it. */
  readonly observed?: ObservedNode;
  /** A record kept only so that explanations can say that its owner has left. */
  readonly withdrawn: boolean;
  /**
   * Its agent is not heard of any more: since when, in words. Its paths stay as they are, since
   * its kernel goes on forwarding; `withdrawn` follows when the grace is over.
   */
  readonly stale?: string;
  /** All of its overlay prefixes are masqueraded, or none; absent: as the cluster says. */
  readonly masquerade?: boolean;
  readonly source?: SourceRef;
}

/** Workloads that leave the overlay under an address of their node's. */
export interface Masquerade {
  /** Of the overlay prefixes, those inside of these. */
  readonly sources: readonly Prefix[];
  /** Destinations that see the workload's own address; the overlay always does. */
  readonly exclude: readonly Prefix[];
}

/** How agents probe the paths to each other. */
export interface ProbeSettings {
  /** `observe`: say what is found. `drive`: let `auto` avoid what is lost. */
  readonly policy: 'off' | 'observe' | 'drive';
  /** UDP port on which agents answer each other. */
  readonly port: number;
  /** What one agent sends of its own accord, at most. */
  readonly packetsPerSecond: number;
}

/** A switch that a native path may depend on. */
export type SwitchName = 'sourceDestinationCheck' | 'ipForwarding' | 'fabricRoutes';

export type FirewallVerdicts = NonNullable<Switches['firewall']>;

export interface ObservedNode {
  /** Only what was read; a switch that could not be read is absent, never guessed. */
  readonly switches: Readonly<Pick<Switches, SwitchName>>;
  /** What to and from the nodes of a zone passes the node's firewall, by zone name. */
  readonly admits: Readonly<Record<string, FirewallVerdicts>>;
  /** Who says so, for explanations: `EC2 API, eni-0a1b2c3d`. */
  readonly source: string;
  /** For a switch that is not as native needs it: what is under way, or what is in the way. */
  readonly waits: Readonly<Partial<Record<SwitchName, string>>>;
}

/** What agents do about the switches of their clouds. */
export interface CloudSettings {
  /** Change this node's own switches where native routing needs it; else read and report. */
  readonly manage: boolean;
  /** Milliseconds between two readings of an API. */
  readonly refreshMs: number;
  /** Routes of ours that one route table may hold; nodes beyond it stay encapsulated. */
  readonly routeLimit: number;
}

/**
 * A change of the configuration that somebody leads through the nodes, phase by phase. While it is
 * in `prepare` the cluster is still the one before, and `other` the one to come; packets are
 * received by both. In `switch` the cluster is the new one and `other` the one before; again both
 * are received. `settled`: every node sends by this cluster, so nothing is waited for.
 */
export interface LedChangeover {
  readonly phase: 'prepare' | 'switch' | 'settled';
  /** Absent when settled. */
  readonly other?: Omit<Cluster, 'nodes' | 'changeover'>;
}

export interface Cluster {
  readonly name: string;
  /** Grows with every change; equal revisions of one store mean equal content. */
  readonly revision: number;
  /** The pools that node prefixes are taken from; unknown addresses inside are unreachable. */
  readonly pools: readonly Prefix[];
  readonly vxlan: VxlanId;
  /** Absent: the default of `masquerade.ts`. */
  readonly masquerade?: Masquerade;
  /**
   * How far apart in time nodes learn of a change, in milliseconds, at most; undefined: the default
   * of routes/changeover.ts.
   */
  readonly settleMs?: number;
  /** Absent: a change of terms takes settle times, each node by its own clock. */
  readonly changeover?: LedChangeover;
  /** Absent: the defaults of probe/settings.ts. */
  readonly probes?: ProbeSettings;
  /** Absent: nothing is asked of any provider's API. */
  readonly cloud?: CloudSettings;
  readonly zones: ReadonlyMap<string, Zone>;
  readonly links: readonly Link[];
  readonly rules: readonly Rule[];
  readonly nodes: NodeTable;
}

/** Reading access to the nodes; a snapshot with one more node shares all the others. */
export interface NodeTable {
  readonly size: number;
  get(name: string): ClusterNode | undefined;
  values(): IterableIterator<ClusterNode>;
}

/**
 * What only the node itself can know; facts of the snapshot of the agent that runs there. An
 * explanation for another node has none of them and says so.
 */
export interface LocalFacts {
  /** Name of the node whose kernel this is. */
  readonly node: string;
  /** NIC that holds the underlay address of the family. */
  readonly nics: Readonly<Partial<Record<Family, Nic>>>;
  /** The kernel's own routes to other nodes' underlay addresses, by address text. */
  readonly underlayRoutes: ReadonlyMap<string, UnderlayRoute>;
  /** What the agent's own probes have found; absent: it sends none. */
  readonly probes?: ProbeResults;
}

/** What probes of the paths to other nodes have found so far; a path without a fault is left out. */
export interface ProbeResults {
  /** `observe`: told, and not acted on. `drive`: `auto` avoids what the probes found lost. */
  readonly policy: 'observe' | 'drive';
  /** By node name. */
  readonly peers: ReadonlyMap<string, PeerProbes>;
}

export interface PeerProbes {
  /** Ways that lose what is sent to this peer, as the peer itself confirmed; why, in words. */
  readonly lost: Readonly<Partial<Record<CarriageKey, string>>>;
  /** Largest IP packet in bytes that crosses the underlay to it, where that is less than believed. */
  readonly pathMtu: Readonly<Partial<Record<Family, MeasuredMtu>>>;
}

export interface MeasuredMtu {
  readonly bytes: number;
  readonly text: string;
}

export interface Nic {
  readonly name: string;
  readonly mtu: number;
}

export interface UnderlayRoute {
  readonly device: string;
  /** Undefined when the destination is on link. */
  readonly gateway: Address | undefined;
}

/** All that `decide` looks at. */
export interface Snapshot {
  readonly cluster: Cluster;
  readonly local: LocalFacts | undefined;
}

/** The node's underlay address of a family. */
export function underlayAddress(node: ClusterNode, family: Family): InterfaceAddress | undefined {
  return node.underlay.find((entry) => entry.address.family === family);
}
