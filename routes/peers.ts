/**
 * What the guard and the userspace planes must know of each peer, read off the RIB: which outer
 * and inner sources are its own, and which of its prefixes may arrive without encapsulation.
 */
import type { Address } from '../encap/address.js';
import type { ClusterNode, LocalFacts, Snapshot } from '../encap/cluster.js';
import { underlayAddress } from '../encap/cluster.js';
import type { Carriage } from '../encap/mode.js';
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
import { deviceFor, outerTtl } from './desired.js';
import type { DesiredState } from './desired.js';
import { possibleModes } from './receive.js';
import type { Rib } from './rib.js';
import { tunnelAddress } from './vtep.js';

export interface PeersQuestion {
  readonly snapshot: Snapshot & { readonly local: LocalFacts };
  readonly rib: Rib;
}

export function guardSpec(question: PeersQuestion, desired: DesiredState): GuardSpec {
  const { snapshot, rib } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(rib.self)!;
  const peers: GuardPeer[] = [];
  const nodeAddresses: Address[] = [];
  const nativePossible = possibleModes(cluster).has('native');
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    nodeAddresses.push(...node.underlay.map((entry) => entry.address));
    if (node.name === self.name) continue;
    peers.push({
      node: node.name,
      outerSources: outerSources(snapshot, self, node),
      innerSources: innerSources(node),
      nativeSources: nativePossible
        ? node.overlay.filter((prefix) => openTo(rib.decisions.get(prefix.text), 'native'))
        : [],
    });
  }
  return {
    vxlan: [cluster.vxlan],
    localAddresses: self.underlay.map((entry) => entry.address),
    peers,
    nics: [...new Set(Object.values(local.nics).map((nic) => nic.name))],
    tunnelDevices: [...desired.objects.values()]
      .filter((object) => object.type === 'link')
      .map((link) => link.name),
    pools: cluster.pools,
    ownPrefixes: self.overlay,
    nodeAddresses,
    blockMetadata: true,
  };
}

/** The configuration of the userspace plane for one carriage that this kernel cannot do. */
export function planeSpec(question: PeersQuestion, carriage: Carriage): PlaneSpec {
  const { snapshot, rib } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(rib.self)!;
  const address = tunnelAddress(self, carriage.inner);
  const peers: PlanePeer[] = [];
  for (const node of cluster.nodes.values()) {
    const remote = underlayAddress(node, carriage.outer)?.address;
    if (node.name === self.name || node.withdrawn || remote === undefined) continue;
    const limits = pathLimits(
      { cluster, local, facts: underlayFacts },
      { from: siteOf(cluster, self), to: siteOf(cluster, node), family: carriage.outer },
    );
    peers.push({
      node: node.name,
      remote,
      outerSources: outerSources(snapshot, self, node),
      prefixes: node.overlay.filter(
        (prefix) =>
          prefix.family === carriage.inner &&
          openTo(rib.decisions.get(prefix.text), carriage.mode, carriage.outer),
      ),
      innerSources: innerSources(node),
      mtu: innerMtu(pathMtu(limits), carriage),
    });
  }
  return {
    device: deviceFor(carriage),
    mtu: local.nics[carriage.outer]!.mtu - overheadBytes(carriage),
    local: underlayAddress(self, carriage.outer)!.address,
    addresses: address === undefined ? [] : [{ address, length: carriage.inner === 4 ? 32 : 128 }],
    ttl: outerTtl,
    peers,
  };
}

/** Public sources too where a link lets tunnels cross the internet: behind a NAT they are seen. */
function outerSources(snapshot: Snapshot, self: ClusterNode, node: ClusterNode): Address[] {
  const { cluster } = snapshot;
  const link = linkBetween(cluster, siteOf(cluster, self).zone, siteOf(cluster, node).zone);
  return [
    ...node.underlay.map((entry) => entry.address),
    ...(link?.allowPublic === true ? node.publicAddresses : []),
  ];
}

function innerSources(node: ClusterNode): Prefix[] {
  return [...node.overlay, ...node.underlay.map((entry) => hostPrefix(entry.address))];
}

/** Is the mode chosen, or kept out by nothing but a rule? */
function openTo(decision: Decision | undefined, mode: Carriage['mode'], outer?: 4 | 6): boolean {
  const step = decision === undefined ? undefined : stepOf(decision, 'feasible');
  return (step?.candidates ?? []).some(
    (candidate: Candidate) =>
      candidate.carriage.mode === mode &&
      (outer === undefined || candidate.carriage.outer === outer) &&
      (candidate === step?.chosen ||
        candidate.exclusions.every((exclusion) => exclusion.code === 'rule')),
  );
}
