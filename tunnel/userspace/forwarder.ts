/**
 * The userspace IP-in-IP data plane without its I/O: packets in, packets out, tables and a clock.
 *
 * Out: the kernel routes an inner packet into the TUN device (and has decremented its TTL, if it
 * came from a workload). Its destination picks the peer; it is made to fit the path, gets an outer
 * IPv4 header (RFC 2003) and leaves by the raw socket.
 *
 * In: the raw socket gives the whole outer packet, reassembled and past the guard. It must come
 * from a peer, to our own address, and carry an inner source of that peer's; the inner packet then
 * goes into the TUN device, where the kernel takes it as any arriving packet.
 *
 * Headers are looked at and written in place here; encap/ipip/header.ts does the same with objects,
 * which costs a packet several times as much.
 *
 * ICMP errors of ours do not go into the TUN device but out by the raw socket, as the host's own:
 * the kernel drops an arriving packet whose source is an address of its own (a martian), while a
 * sent one is routed like any other, to a workload or up to a local process.
 */
import { ipipOverheadBytes, ipipProtocol } from '../../encap/ipip/header.js';
import { readU16, writeU16 } from '../../encap/wire/bytes.js';
import { internetChecksum, updateChecksum } from '../../encap/wire/checksum.js';
import { type Ecn, ecnAfterDecapsulation, ecnForOuter } from '../../encap/wire/ecn.js';
import { encodeIpv4, ipv4MinHeaderBytes } from '../../encap/wire/ipv4.js';
import { type CounterName, type Counters, newCounters } from './counters.js';
import { fragmentPacket, minimumFragmentMtu } from './fragment.js';
import {
  type IcmpError,
  mayAnswer,
  parseIcmpError,
  icmpType,
  relayedCode,
  unreachable,
  unreachableCode,
} from './icmp.js';
import {
  checkHeader,
  field,
  flagDontFragment,
  formatU32,
  fragmentOffsetMask,
  flagMoreFragments,
  headerLength,
  readU32,
} from './packet.js';
import { PathMtus, plateauBelow } from './path-mtu.js';
import { type Peer, type PeerTable, peerTable } from './peer-table.js';
import type { PlaneSpec } from './plane.js';
import { completeTcpChecksum, unmergeTcp } from './merged-tcp.js';
import { TokenBucket } from './token-bucket.js';

/** Where packets go. A packet handed out belongs to the receiver, unless it says otherwise. */
export interface ForwarderOutputs {
  /** A complete IPv4 packet, to be sent as it is. */
  send(packet: Uint8Array, destination: string): void;
  /** An inner packet; a view of what was received, good only during the call. */
  deliver(packet: Uint8Array): void;
}

export interface ForwarderOptions {
  readonly spec: PlaneSpec;
  readonly outputs: ForwarderOutputs;
  /** Milliseconds that only grow. */
  readonly nowMs: () => number;
}

const overheadBytes = ipipOverheadBytes(4);
const tunnelProtocol = ipipProtocol(4);

/** As the kernel's `icmp_msgs_per_sec` and `icmp_msgs_burst`. */
const icmpRate = { perSecond: 1000, burst: 50 } as const;

export class Forwarder {
  readonly counters: Counters = newCounters();
  readonly #outputs: ForwarderOutputs;
  readonly #nowMs: () => number;
  readonly #pathMtus = new PathMtus();
  /** One each, so that a scan of unknown addresses does not starve path MTU discovery. */
  readonly #unreachables = new TokenBucket(icmpRate);
  readonly #tooBigs = new TokenBucket(icmpRate);
  #table: PeerTable;

  constructor({ spec, outputs, nowMs }: ForwarderOptions) {
    this.#table = peerTable(spec);
    this.#outputs = outputs;
    this.#nowMs = nowMs;
  }

  /** From the next packet on, exactly these peers; what was learned about their paths is kept. */
  configure(spec: PlaneSpec): void {
    this.#table = peerTable(spec);
    this.#pathMtus.keepOnly(new Set(this.#table.byRemote.keys()));
  }

  /** Learned path MTUs in force, by outer destination. */
  learnedMtus(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#pathMtus.entries(this.#nowMs()).map(({ remote, mtu }) => [formatU32(remote), mtu]),
    );
  }

  /** An inner packet that the kernel has routed into the TUN device. */
  fromTun(packet: Uint8Array): void {
    const problem = checkHeader(packet);
    if (problem !== undefined)
      return this.#count(problem === 'not-ipv4' ? 'tun-not-ipv4' : 'tun-malformed');
    // RFC 2003 section 3.1: the TTL is the forwarding kernel's business, but 0 never travels.
    if (packet[field.ttl] === 0) return this.#count('tun-ttl-expired');

    const peer = this.#table.byDestination.lookup(packet, field.destination);
    if (peer === undefined) {
      if (packet[field.destination]! >= 224) return this.#count('tun-not-unicast');
      this.#count('tun-no-peer');
      return this.#answer(packet, { code: unreachableCode.host });
    }
    if (this.#isOwnOuter(packet)) return this.#count('tun-loop');

    const mtu = this.#innerMtu(peer);
    const total = readU16(packet, field.totalLength);
    if (total <= mtu) return this.#encapsulate(packet.subarray(0, total), peer);
    if ((readU16(packet, field.flagsAndOffset) & flagDontFragment) !== 0) {
      this.#count('tun-too-big');
      return this.#answer(packet, { code: unreachableCode.fragmentationNeeded, mtu });
    }
    this.#count('tun-fragmented');
    for (const fragment of fragmentPacket(packet, mtu)) {
      this.#count('tun-fragments');
      this.#encapsulate(fragment, peer);
    }
  }

  /** A packet of protocol 4 from the underlay, outer header included. It is written to. */
  fromUnderlay(outer: Uint8Array): void {
    if (checkHeader(outer) !== undefined) return this.#count('outer-malformed');
    if (outer[field.protocol] !== tunnelProtocol) return this.#count('outer-malformed');
    if (isFragment(outer)) return this.#count('outer-malformed');
    if (!this.#table.locals.has(readU32(outer, field.destination)))
      return this.#count('outer-not-local');
    const peers = this.#table.byOuterSource.get(readU32(outer, field.source));
    if (peers === undefined) return this.#count('outer-foreign-source');

    const inner = outer.subarray(headerLength(outer), readU16(outer, field.totalLength));
    const problem = checkHeader(inner);
    if (problem !== undefined)
      return this.#count(problem === 'not-ipv4' ? 'inner-not-ipv4' : 'inner-malformed');
    if (readU16(inner, field.totalLength) !== inner.length) return this.#count('inner-malformed');
    const source = readU32(inner, field.source);
    const peer = peers.find((candidate) => candidate.innerSources.has(source));
    if (peer === undefined) return this.#count('inner-foreign-source');
    if (inner[field.ttl] === 0) return this.#count('inner-ttl-expired');

    const before = (inner[field.tos]! & ecnMask) as Ecn;
    const after = ecnAfterDecapsulation(before, (outer[field.tos]! & ecnMask) as Ecn);
    if (after === 'drop') return this.#count('ecn-dropped');
    if (after !== before) remark(inner, after);
    this.#deliver(inner, peer);
  }

  /** An ICMP packet that the host received, IPv4 header included: is it about our tunnel? */
  fromIcmp(packet: Uint8Array): void {
    if (checkHeader(packet) !== undefined || isFragment(packet)) return this.#count('icmp-ignored');
    const error = parseIcmpError(packet);
    const peer = error === undefined ? undefined : this.#tunnelled(error.about);
    if (error === undefined || peer === undefined) return this.#count('icmp-ignored');
    this.#count('icmp-received');

    if (error.type === icmpType.unreachable && error.code === unreachableCode.fragmentationNeeded) {
      const sent = readU16(error.about, field.totalLength);
      // A router that names an MTU which the packet did fit talks of something else.
      if (error.mtu >= sent) return this.#count('icmp-ignored');
      this.#pathShrank(peer, error.mtu === 0 ? plateauBelow(sent) : error.mtu);
      return this.#relay(error.about, unreachableCode.fragmentationNeeded);
    }
    const code = relayedCode(error);
    if (code !== undefined) this.#relay(error.about, code);
  }

  /** The kernel refused an outer packet as too big for the NIC; it does not say what would fit. */
  sendWasTooBig(outer: Uint8Array): void {
    const peer = this.#tunnelled(outer);
    if (peer === undefined) return;
    this.#count('send-too-big');
    this.#pathShrank(peer, plateauBelow(readU16(outer, field.totalLength)));
    this.#relay(outer, unreachableCode.fragmentationNeeded);
  }

  #encapsulate(inner: Uint8Array, peer: Peer): void {
    const outer = new Uint8Array(overheadBytes + inner.length);
    encodeIpv4(outer, 0, {
      dscp: inner[field.tos]! >> 2,
      ecn: ecnForOuter((inner[field.tos]! & ecnMask) as Ecn),
      // Always: a cut outer packet would be dropped by clouds and hides the path's MTU. The
      // identification then means nothing and stays 0 (RFC 6864 section 4.1).
      dontFragment: true,
      ttl: this.#table.ttl,
      protocol: tunnelProtocol,
      source: this.#table.localAddress,
      destination: peer.remoteAddress,
      payloadLength: inner.length,
    });
    outer.set(inner, overheadBytes);
    this.#count('sent');
    this.#outputs.send(outer, peer.remoteAddress.text);
  }

  #deliver(inner: Uint8Array, from: Peer): void {
    if (completeTcpChecksum(inner)) this.#count('inner-checksum-completed');
    const parts = unmergeTcp(inner, Math.min(this.#table.deviceMtu, from.mtu));
    if (parts.length > 1) this.#count('inner-unmerged');
    for (const part of parts) {
      this.#count('received');
      this.#outputs.deliver(part);
    }
  }

  #innerMtu(peer: Peer): number {
    const learned = this.#pathMtus.get(peer.remote, this.#nowMs());
    const mtu = learned === undefined ? peer.mtu : Math.min(peer.mtu, learned - overheadBytes);
    return Math.max(mtu, minimumFragmentMtu);
  }

  #pathShrank(peer: Peer, mtu: number): void {
    if (this.#pathMtus.lower(peer.remote, { mtu, nowMs: this.#nowMs() }))
      this.#count('path-mtu-lowered');
  }

  /** The peer an outer packet of ours was sent to; undefined when it is none of ours. */
  #tunnelled(outer: Uint8Array): Peer | undefined {
    return this.#isOwnOuter(outer)
      ? this.#table.byRemote.get(readU32(outer, field.destination))
      : undefined;
  }

  #isOwnOuter(packet: Uint8Array): boolean {
    return (
      packet[field.protocol] === tunnelProtocol &&
      readU32(packet, field.source) === this.#table.local &&
      this.#table.byRemote.has(readU32(packet, field.destination))
    );
  }

  /** Passes an error about an outer packet on to the inner sender, if the quote reaches that far. */
  #relay(outer: Uint8Array, code: number): void {
    const inner = outer.subarray(headerLength(outer));
    if (inner.length < ipv4MinHeaderBytes + 8 || inner[0]! >> 4 !== 4) return;
    const header = headerLength(inner);
    if (header < ipv4MinHeaderBytes || inner.length < header + 8) return;
    if (internetChecksum(inner, { offset: 0, end: header }) !== 0) return;
    // Only what we would have sent there: a forged error must not make us write to anybody.
    const peer = this.#table.byDestination.lookup(inner, field.destination);
    if (peer?.remote !== readU32(outer, field.destination)) return;

    const before = this.counters['icmp-sent'];
    if (code !== unreachableCode.fragmentationNeeded) this.#answer(inner, { code });
    else if ((readU16(inner, field.flagsAndOffset) & flagDontFragment) !== 0)
      this.#answer(inner, { code, mtu: this.#innerMtu(peer) });
    if (this.counters['icmp-sent'] > before) this.#count('icmp-relayed');
  }

  #answer(about: Uint8Array, error: Omit<IcmpError, 'source'>): void {
    if (!mayAnswer(about)) return;
    const bucket =
      error.code === unreachableCode.fragmentationNeeded ? this.#tooBigs : this.#unreachables;
    if (!bucket.take(this.#nowMs())) return this.#count('icmp-rate-limited');
    this.#count('icmp-sent');
    const packet = unreachable(about, { ...error, source: this.#table.errorSource });
    this.#outputs.send(packet, formatU32(readU32(packet, field.destination)));
  }

  #count(name: CounterName): void {
    this.counters[name]++;
  }
}

function isFragment(packet: Uint8Array): boolean {
  return (readU16(packet, field.flagsAndOffset) & (flagMoreFragments | fragmentOffsetMask)) !== 0;
}

/** Writes the ECN field of an inner packet and keeps its header checksum right. */
function remark(packet: Uint8Array, mark: Ecn): void {
  const from = readU16(packet, 0);
  packet[field.tos] = (packet[field.tos]! & ~ecnMask) | mark;
  const change = { from, to: readU16(packet, 0) };
  writeU16(packet, field.checksum, updateChecksum(readU16(packet, field.checksum), change));
}

/** The low bits of TOS (RFC 3168 section 5). */
const ecnMask = 0b11;
