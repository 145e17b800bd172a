/**
 * What a change of configuration means for one node right now: the cluster as packets must be sent
 * by, and what is received besides. Both are read off the history of terms (changeover.ts) and the
 * kernel's present devices and addresses.
 */
import type { Address } from '../encap/address.js';
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import { underlayAddress } from '../encap/cluster.js';
import type { Carriage, CarriageKey, VxlanId } from '../encap/mode.js';
import { segmentTo, stillReceived, vxlanOf } from '../encap/live-record.js';
import { withNode } from '../encap/node-table.js';
import type { InterfaceAddress } from '../encap/prefix.js';
import { tryParseInterfaceAddress } from '../encap/prefix.js';
import type { KernelState } from '../tunnel/kernel.js';
import type { ChangeoverClock, Terms, TermsHistory } from './changeover.js';
import { sendingTerms, vxlanKey } from './changeover.js';
import {
  deviceNames,
  firstSlot,
  isOwnDeviceName,
  isOwnLink,
  isOwnRoute,
  slotOf,
} from './ownership.js';
import { recordsOf } from './receive.js';
import type { Occupied, Slot } from './slots.js';
import { assignSlots } from './slots.js';

export interface Overlap {
  /** Slots of the devices that packets are sent through. */
  readonly slots: { readonly vxlan: Slot; readonly ipip: Slot };
  /** Segments received besides the cluster's. */
  readonly vxlan: readonly (VxlanId & { readonly slot: Slot })[];
  /** This node's own addresses that IP-in-IP packets may come to besides the present one. */
  readonly locals: readonly { readonly address: Address; readonly slot: Slot }[];
  /** Carriages received besides those of the present rules. */
  readonly receives: ReadonlySet<CarriageKey>;
  /** Underlay addresses besides those in the cluster, by node; our own included. */
  readonly underlay: ReadonlyMap<string, readonly Address[]>;
}

export const noOverlap: Overlap = Object.freeze({
  slots: { vxlan: 'a', ipip: 'a' } as const,
  vxlan: [],
  locals: [],
  receives: new Set<CarriageKey>(),
  underlay: new Map<string, readonly Address[]>(),
});

export interface OverlapQuestion {
  /** As configured. */
  readonly cluster: Cluster;
  readonly self: string;
  readonly state: KernelState;
  /** Pruned, and with the terms of `cluster` at its end. */
  readonly history: TermsHistory;
  readonly clock: ChangeoverClock;
}

export interface OverlapAnswer {
  /** The configured one but for the VXLAN segment and addresses that peers may not know yet. */
  readonly sending: Cluster;
  readonly overlap: Overlap;
}

export function overlapOf(question: OverlapQuestion): OverlapAnswer {
  const { cluster, self, state, history, clock } = question;
  const terms = sendingTerms(history, clock);
  if (terms === undefined) return { sending: cluster, overlap: noOverlap };
  const sending = sendingCluster(question, terms);
  const known = history.map((entry) => entry.terms).reverse();

  const segments = distinct(
    [terms.vxlan, ...known.map(({ vxlan }) => vxlan), ...liveSegments(cluster, self)],
    vxlanKey,
  );
  const vxlanSlots = assignSlots(segments.map(vxlanKey), occupiedVxlan(state));
  const own = sending.nodes.get(self)!;
  const underlay = otherAddresses({ sending, cluster, known });
  const present = underlayAddress(own, 4)?.address;
  const locals = distinct(
    [present, ...(underlay.get(self) ?? [])].filter(
      (address): address is Address => address?.family === 4,
    ),
    ({ text }) => text,
  );
  const localTexts = locals.map(({ text }) => text);
  // Unlike a segment, a local address can be changed in place where nobody needs the old one.
  const localSlots = assignSlots(
    localTexts,
    occupiedIpip(state).filter(({ key }) => localTexts.includes(key)),
  );
  return {
    sending,
    overlap: {
      slots: {
        vxlan: vxlanSlots.get(vxlanKey(terms.vxlan))!,
        ipip: (present === undefined ? undefined : localSlots.get(present.text)) ?? 'a',
      },
      vxlan: segments.slice(1).flatMap((id) => {
        const slot = vxlanSlots.get(vxlanKey(id));
        return slot === undefined ? [] : [{ ...id, slot }];
      }),
      locals: locals.slice(1).flatMap((address) => {
        const slot = localSlots.get(address.text);
        return slot === undefined ? [] : [{ address, slot }];
      }),
      receives: new Set(known.flatMap(({ receives }) => receives)),
      underlay,
    },
  };
}

/** The slot of the segment that a peer accepts, where that is not the one that others are sent by. */
export function slotTo(
  { cluster, overlap }: { readonly cluster: Cluster; readonly overlap: Overlap },
  { peer, carriage }: { readonly peer: ClusterNode; readonly carriage: Carriage },
): Slot | undefined {
  if (carriage.mode !== 'vxlan') return undefined;
  const id = segmentTo(peer.live, { carriage, wanted: cluster.vxlan });
  return overlap.vxlan.find((entry) => id !== undefined && vxlanKey(entry) === vxlanKey(id))?.slot;
}

/** Segments by which live records say that packets come, or have to go. */
function liveSegments(cluster: Cluster, self: string): readonly VxlanId[] {
  const { own, others } = recordsOf(cluster, self);
  if (others.size === 0) return [];
  const received = stillReceived({ self, own, others });
  const accepted = [...others.values()].flatMap((record) => record.accepts);
  return [...received, ...accepted].flatMap((term) => vxlanOf(term) ?? []);
}

/** Underlay addresses as the terms write them. */
export function underlayTerms(cluster: Cluster): Terms['underlay'] {
  const found: Record<string, readonly string[]> = {};
  for (const node of cluster.nodes.values())
    if (!node.withdrawn) found[node.name] = termsOfNode(node);
  return found;
}

export function termsOfNode({ underlay }: ClusterNode): readonly string[] {
  return underlay.map(({ address, length }) => `${address.text}/${length}`);
}

/** Keys of the segments that some device of ours stands for. */
export function segmentsInKernel(state: KernelState): ReadonlySet<string> {
  return new Set(occupiedVxlan(state).map(({ key }) => key));
}

/** The segment that our own devices stand for, where only the kernel can still tell. */
export function vxlanInKernel(state: KernelState): VxlanId | undefined {
  const link = state.links.find((entry) => isOwnLink(entry) && entry.kind === 'vxlan');
  return link?.kind === 'vxlan' ? { vni: link.vni, port: link.port } : undefined;
}

/**
 * Terms that the kernel's state stands for, where there is nothing else to go by: first those that
 * we send by, which peers therefore accept; then those that they may be sending by besides.
 */
export function termsInKernel(state: KernelState, cluster: Cluster): readonly Terms[] {
  const received = new Set<CarriageKey>();
  for (const { name } of state.links) for (const key of carriagesOfDevice(name)) received.add(key);
  const used = new Set<string>();
  for (const route of state.routes) {
    const { target, prefix } = route;
    if (!isOwnRoute(route) || target.kind !== 'unicast') continue;
    used.add(target.device);
    if (!isOwnDeviceName(target.device)) received.add(`native:${prefix.family}:${prefix.family}`);
  }
  const receives = [...received].sort();
  const underlay = underlayTerms(cluster);
  const segments = state.links
    .filter((link) => isOwnLink(link) && link.kind === 'vxlan')
    .sort((a, b) => Number(used.has(b.name)) - Number(used.has(a.name)))
    .flatMap((link) => (link.kind === 'vxlan' ? [{ vni: link.vni, port: link.port }] : []));
  return distinct(segments.length === 0 ? [cluster.vxlan] : segments, vxlanKey).map((vxlan) => ({
    vxlan,
    receives,
    underlay,
  }));
}

/** What arrives through a device of ours, whatever its slot. */
export function carriagesOfDevice(name: string): readonly CarriageKey[] {
  switch (firstSlot(name)) {
    case deviceNames.vxlan4:
      return ['vxlan:4:4', 'vxlan:4:6'];
    case deviceNames.vxlan6:
      return ['vxlan:6:4', 'vxlan:6:6'];
    case deviceNames.ipip4:
      return ['ipip:4:4'];
    case deviceNames.sit4:
      return ['ipip:4:6'];
    case deviceNames.ip6tnl:
      return ['ipip:6:4', 'ipip:6:6'];
    default:
      return [];
  }
}

function sendingCluster(question: OverlapQuestion, terms: Terms): Cluster {
  const { cluster, self, history } = question;
  let { nodes } = cluster;
  if (history.length > 1) {
    const held = [...cluster.nodes.values()].flatMap((node) => {
      if (node.withdrawn || isAsIn(terms, node)) return [];
      const underlay = termsUnderlay(terms, node.name);
      return underlay === undefined || sameUnderlay(underlay, node.underlay)
        ? []
        : [{ ...node, underlay }];
    });
    const holders = held.length === 0 ? new Map<string, string>() : addressHolders(cluster);
    for (const node of held) {
      if (node.name === self) continue;
      // An address that has passed to another node leads there already.
      const moved = node.underlay.some(({ address }) => {
        const holder = holders.get(address.text);
        return holder !== undefined && holder !== node.name;
      });
      if (!moved) nodes = withNode(nodes, node);
    }
  }
  const own = cluster.nodes.get(self);
  const ours = own === undefined ? undefined : ownUnderlay(question, { own, terms });
  if (own !== undefined && ours !== undefined && !sameUnderlay(ours, own.underlay))
    nodes = withNode(nodes, { ...own, underlay: ours });
  const sameVxlan = vxlanKey(cluster.vxlan) === vxlanKey(terms.vxlan);
  return nodes === cluster.nodes && sameVxlan
    ? cluster
    : { ...cluster, nodes, vxlan: sameVxlan ? cluster.vxlan : terms.vxlan };
}

/**
 * Our own address to send from: the one that peers know, unless this kernel does not have it; then
 * the newest that it has.
 */
function ownUnderlay(
  question: OverlapQuestion,
  { own, terms }: { readonly own: ClusterNode; readonly terms: Terms },
): readonly InterfaceAddress[] {
  const { state, history } = question;
  const present = new Set(
    state.addresses
      .filter(({ device }) => !isOwnDeviceName(device))
      .map(({ address }) => address.address.text),
  );
  const candidates = [
    termsUnderlay(terms, own.name),
    own.underlay,
    ...history.map((entry) => termsUnderlay(entry.terms, own.name)).reverse(),
  ];
  return (
    candidates.find((list) => list?.every(({ address }) => present.has(address.text))) ??
    own.underlay
  );
}

/** What else each node of the cluster may send from or be sent to, by any terms still alive. */
function otherAddresses(question: {
  readonly sending: Cluster;
  readonly cluster: Cluster;
  readonly known: readonly Terms[];
}): ReadonlyMap<string, readonly Address[]> {
  const { sending, cluster, known } = question;
  const others = new Map<string, readonly Address[]>();
  if (known.length < 2) return others;
  let holders: ReadonlyMap<string, string> | undefined;
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    if (sending.nodes === cluster.nodes && known.every((terms) => isAsIn(terms, node))) continue;
    const present = new Set(
      sending.nodes.get(node.name)?.underlay.map(({ address }) => address.text),
    );
    const more = distinct(
      [node.underlay, ...known.map((terms) => termsUnderlay(terms, node.name) ?? [])]
        .flat()
        .map(({ address }) => address)
        .filter(({ text }) => !present.has(text)),
      ({ text }) => text,
    ).filter(({ text }) => {
      holders ??= addressHolders(cluster);
      const holder = holders.get(text);
      return holder === undefined || holder === node.name;
    });
    if (more.length > 0) others.set(node.name, more);
  }
  return others;
}

function addressHolders(cluster: Cluster): ReadonlyMap<string, string> {
  const holders = new Map<string, string>();
  for (const node of cluster.nodes.values())
    if (!node.withdrawn)
      for (const { address } of node.underlay) holders.set(address.text, node.name);
  return holders;
}

/** Most nodes are where they were, which is seen without reading what the terms say. */
function isAsIn(terms: Terms, node: ClusterNode): boolean {
  const texts = terms.underlay[node.name];
  return (
    texts === undefined ||
    (texts.length === node.underlay.length &&
      termsOfNode(node).every((text, i) => text === texts[i]))
  );
}

function termsUnderlay(terms: Terms, name: string): readonly InterfaceAddress[] | undefined {
  const texts = terms.underlay[name];
  if (texts === undefined) return undefined;
  const parsed = texts.map(tryParseInterfaceAddress);
  return parsed.every((entry) => typeof entry !== 'string') ? parsed : undefined;
}

function sameUnderlay(a: readonly InterfaceAddress[], b: readonly InterfaceAddress[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ address, length }, i) => {
      const other = b[i]!;
      return other.address.text === address.text && other.length === length;
    })
  );
}

function occupiedVxlan(state: KernelState): readonly Occupied[] {
  return state.links.flatMap((link) => {
    const slot = slotOf(link.name);
    return link.kind === 'vxlan' && slot !== undefined ? [{ slot, key: vxlanKey(link) }] : [];
  });
}

function occupiedIpip(state: KernelState): readonly Occupied[] {
  return state.links.flatMap((link) => {
    const slot = slotOf(link.name);
    return (link.kind === 'ipip' || link.kind === 'sit') && slot !== undefined
      ? [{ slot, key: link.local.text }]
      : [];
  });
}

function distinct<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = keyOf(item);
    return seen.has(key) ? false : (seen.add(key), true);
  });
}
