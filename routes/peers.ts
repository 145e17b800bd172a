/**
 * What the guard and the userspace planes must know of each peer, read off the RIB: which outer
 * and inner sources are its own, and which of its prefixes may arrive without encapsulation.
 */
import type { Address } from '../encap/address.js';
import type { ClusterNode, LocalFacts, Snapshot } from '../encap/cluster.js';
import { underlayAddress } from '../encap/cluster.js';
import { mayBecomeFeasible } from '../encap/feasible.js';
import { masqueradeOf } from '../encap/masquerade.js';
import type { Carriage } from '../encap/mode.js';
import { carriageKey } from '../encap/mode.js';
import { innerMtu, overheadBytes } from '../encap/mtu.js';
import { pathLimits, pathMtu } from '../encap/path-mtu.js';
import type { Prefix } from '../encap/prefix.js';
import { hostPrefix } from '../encap/prefix.js';
import { linkBetween, siteOf } from '../encap/relation.js';
import type { Candidate, Decision } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';
import { underlayFacts } from '../encap/underlay/index.js';
import type { GuardPeer, GuardSpec } from '../tunnel/guard/guard.js';
import type { PlanePeer, PlaneSpec } from '../tunnel/userspace/plane.js';
import type { DesiredState } from './desired.js';
import { outerTtl } from './desired.js';
import { guardedDevices, nativeDestinations } from './egress.js';
import type { Overlap } from './overlap.js';
import { noOverlap } from './overlap.js';
import { firstDevice } from './peer-objects.js';
import { possibleModes } from './receive.js';
import type { Rib } from './rib.js';
import { tunnelAddress } from './vtep.js';

export interface PeersQuestion {
  readonly snapshot: Snapshot & { readonly local: LocalFacts };
  readonly rib: Rib;
  /** What is received besides, while a change of configuration is under way. */
  readonly overlap?: Overlap;
  /** The decisions by the other configuration, while somebody leads a change: peers may follow it. */
  readonly other?: Rib | undefined;
}

export function guardSpec(question: PeersQuestion, desired: DesiredState): GuardSpec {
  const { snapshot, rib, overlap = noOverlap } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(rib.self)!;
  const peers: GuardPeer[] = [];
  const nodeAddresses: Address[] = [];
  const ruled = possibleModes(cluster).has('native');
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    nodeAddresses.push(...addressesOf(node, overlap));
    if (node.name !== self.name) peers.push(guardPeer(question, { node, ruled }));
  }
  return {
    vxlan: [cluster.vxlan, ...overlap.vxlan.map(({ vni, port }) => ({ vni, port }))],
    localAddresses: [
      ...self.underlay.map((entry) => entry.address),
      ...(overlap.underlay.get(self.name) ?? []),
    ],
    peers,
    nics: [...new Set(Object.values(local.nics).map((nic) => nic.name))],
    tunnelDevices: guardedDevices,
    pools: cluster.pools,
    ownPrefixes: self.overlay,
    nodeAddresses,
    blockMetadata: true,
    nativeDestinations: nativeDestinations(desired.objects.values()),
    masquerade: masqueradeOf(cluster, self),
  };
}

/** What the guard must know of one node, which is not withdrawn and not this one. */
export function guardPeer(
  { snapshot, rib, overlap = noOverlap, other }: PeersQuestion,
  peer: {
    readonly node: ClusterNode;
    /** May some rule ask for native packets? */
    readonly ruled: boolean;
  },
): GuardPeer {
  const { node, ruled } = peer;
  const self = snapshot.cluster.nodes.get(rib.self)!;
  const others = overlap.underlay.get(node.name) ?? [];
  return {
    node: node.name,
    outerSources: outerSources(snapshot, self, node).concat(others),
    innerSources: innerSources(node, others),
    nativeSources: node.overlay.filter((prefix) => {
      const key = carriageKey({ mode: 'native', outer: prefix.family, inner: prefix.family });
      return (
        node.live?.sends.includes(key) === true ||
        ((ruled || overlap.receives.has(key)) &&
          [rib, other].some((by) => openTo(by?.decisions.get(prefix.text), 'native')))
      );
    }),
  };
}

/** All underlay addresses that a node has or may still have. */
export function addressesOf(node: ClusterNode, overlap: Overlap): readonly Address[] {
  return [
    ...node.underlay.map((entry) => entry.address),
    ...(overlap.underlay.get(node.name) ?? []),
  ];
}

/** The configuration of the userspace plane for one carriage that this kernel cannot do. */
export function planeSpec(question: PeersQuestion, carriage: Carriage): PlaneSpec {
  const { snapshot, rib, overlap = noOverlap, other } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(rib.self)!;
  const address = tunnelAddress(self, carriage.inner);
  const peers: PlanePeer[] = [];
  for (const node of cluster.nodes.values()) {
    const remote = underlayAddress(node, carriage.outer)?.address;
    if (node.name === self.name || node.withdrawn || remote === undefined) continue;
    const others = overlap.underlay.get(node.name) ?? [];
    const limits = pathLimits(
      { cluster, local, facts: underlayFacts },
      { from: siteOf(cluster, self), to: siteOf(cluster, node), family: carriage.outer },
    );
    peers.push({
      node: node.name,
      remote,
      outerSources: outerSources(snapshot, self, node).concat(others),
      prefixes: node.overlay.filter(
        (prefix) =>
          prefix.family === carriage.inner &&
          [rib, other].some((by) =>
            openTo(by?.decisions.get(prefix.text), carriage.mode, carriage.outer),
          ),
      ),
      innerSources: innerSources(node, others),
      mtu: innerMtu(pathMtu(limits), carriage),
    });
  }
  return {
    device: firstDevice(carriage),
    mtu: local.nics[carriage.outer]!.mtu - overheadBytes(carriage),
    local: underlayAddress(self, carriage.outer)!.address,
    otherLocals: overlap.locals.map(({ address: other }) => other),
    addresses: address === undefined ? [] : [{ address, length: carriage.inner === 4 ? 32 : 128 }],
    ttl: outerTtl,
    peers,
  };
}

/** Public sources too where a link lets tunnels cross the internet: behind a NAT they are seen. */
function outerSources(snapshot: Snapshot, self: ClusterNode, node: ClusterNode): Address[] {
  const { cluster } = snapshot;
  const link = linkBetween(cluster, siteOf(cluster, self).zone, siteOf(cluster, node).zone);
  const underlay = node.underlay.map((entry) => entry.address);
  return link?.allowPublic === true ? underlay.concat(node.publicAddresses) : underlay;
}

function innerSources(node: ClusterNode, others: readonly Address[]): Prefix[] {
  const addresses = node.underlay.map((entry) => entry.address).concat(others);
  return node.overlay.concat(addresses.map(hostPrefix));
}

/** Is the mode chosen, or kept out by nothing that could not change while packets are under way? */
function openTo(decision: Decision | undefined, mode: Carriage['mode'], outer?: 4 | 6): boolean {
  const step = decision === undefined ? undefined : stepOf(decision, 'feasible');
  return (step?.candidates ?? []).some(
    (candidate: Candidate) =>
      candidate.carriage.mode === mode &&
      (outer === undefined || candidate.carriage.outer === outer) &&
      (candidate === step?.chosen || mayBecomeFeasible(candidate)),
  );
}
