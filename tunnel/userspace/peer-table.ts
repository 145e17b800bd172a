/**
 * The peers of a configuration in the shape that packets need: inner destination → peer on the way
 * out, outer source → peers on the way in. Built whole and swapped whole, so that a packet sees the
 * old table or the new one and never half of each.
 */
import type { Address } from '../../encap/address.js';
import { Lpm } from '../../encap/lpm.js';
import { AddressRanges } from './address-ranges.js';
import { readU32 } from './packet.js';
import type { PlanePeer, PlaneSpec } from './plane.js';

export interface Peer {
  readonly node: string;
  /** Outer destination, also as a number. */
  readonly remoteAddress: Address;
  readonly remote: number;
  /** Largest inner packet in bytes that the configuration allows. */
  readonly mtu: number;
  readonly innerSources: AddressRanges;
}

export interface PeerTable {
  /** Our own underlay address, the outer source; also as a number. */
  readonly localAddress: Address;
  readonly local: number;
  /** Every outer destination that is ours. */
  readonly locals: ReadonlySet<number>;
  /** Source of the ICMP errors that we send: the tunnel's own address where there is one. */
  readonly errorSource: Address;
  readonly ttl: number;
  readonly deviceMtu: number;
  readonly byDestination: Lpm<Peer>;
  /** Peers behind one NAT share an outer source. */
  readonly byOuterSource: ReadonlyMap<number, readonly Peer[]>;
  readonly byRemote: ReadonlyMap<number, Peer>;
  readonly size: number;
}

export function peerTable(spec: PlaneSpec): PeerTable {
  const byDestination = new Lpm<Peer>(4);
  const byOuterSource = new Map<number, Peer[]>();
  const byRemote = new Map<number, Peer>();
  for (const planePeer of spec.peers) {
    const peer = toPeer(planePeer);
    for (const prefix of planePeer.prefixes)
      if (prefix.family === 4) byDestination.set(prefix, peer);
    for (const source of planePeer.outerSources) {
      if (source.family !== 4) continue;
      const key = readU32(source.bytes, 0);
      const sharing = byOuterSource.get(key);
      if (sharing === undefined) byOuterSource.set(key, [peer]);
      else if (!sharing.includes(peer)) sharing.push(peer);
    }
    byRemote.set(peer.remote, peer);
  }
  const own = spec.addresses.find(({ address }) => address.family === 4);
  return {
    localAddress: spec.local,
    local: readU32(spec.local.bytes, 0),
    locals: new Set(
      [spec.local, ...(spec.otherLocals ?? [])].map(({ bytes }) => readU32(bytes, 0)),
    ),
    errorSource: own?.address ?? spec.local,
    ttl: spec.ttl,
    deviceMtu: spec.mtu,
    byDestination,
    byOuterSource,
    byRemote,
    size: spec.peers.length,
  };
}

function toPeer(peer: PlanePeer): Peer {
  return {
    node: peer.node,
    remoteAddress: peer.remote,
    remote: readU32(peer.remote.bytes, 0),
    mtu: peer.mtu,
    innerSources: new AddressRanges(peer.innerSources),
  };
}
