/**
 * One frame at one place, taken apart: which way it goes, what it is, and what tells it from others
 * wherever it is met again.
 *
 * On its way a packet loses hops, may get another ECN mark and other checksums, and wears outer
 * headers in between. What stays: the inner addresses, the identification, the transport header
 * without its checksum, the data.
 */
import { createHash } from 'node:crypto';
import type { IpHeader } from '../../encap/wire/ip.js';
import { fragmentOffset, isIpFragment } from '../../encap/wire/ip.js';
import { readU16 } from '../../encap/wire/bytes.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import type { Layer } from '../../encap/wire/stack.js';
import { decodeStackAt } from '../../encap/wire/stack.js';
import type { Prefix } from '../../encap/prefix.js';
import { prefixContains } from '../../encap/prefix.js';
import { describeLayer } from './layer-words.js';

export type CapturePlace = 'workload' | 'tunnel' | 'nic';
export type CaptureDirection = 'there' | 'back';

/** As a tap gives it; `bytes` are copied where they are kept. */
export interface CapturedFrame {
  readonly device: string;
  readonly way: 'in' | 'out' | 'stray';
  readonly link: 'ethernet' | 'ip';
  readonly bytes: Uint8Array;
}

/** What is looked for. */
export interface CapturePath {
  /** Inner addresses at the far end. */
  readonly destinations: readonly Prefix[];
  readonly vxlanPorts: readonly number[];
  readonly probePort?: number;
  placeOf(device: string): CapturePlace | undefined;
}

export interface Sighting {
  readonly place: CapturePlace;
  readonly device: string;
  readonly way: CapturedFrame['way'];
  readonly atMs: number;
  /** Of the IP packet as it is at this place, outer headers included. */
  readonly bytes: number;
  /** Outermost first, without the Ethernet header of the device itself. */
  readonly layers: readonly string[];
  /** What could not be read, or null. */
  readonly problem: string | null;
  readonly identity: Identity;
}

export type Identity =
  | {
      readonly kind: 'packet';
      readonly direction: CaptureDirection;
      readonly key: string;
      readonly source: string;
      readonly destination: string;
      /** What it is, e.g. `ICMP echo request id 7 seq 1`. */
      readonly what: string;
      readonly innerBytes: number;
      readonly tcp: TcpRange | undefined;
      /** Set where it is the first piece of an outer packet that was cut. */
      readonly fragmentKey: string | undefined;
    }
  /** A later piece of an outer packet: only the first one says what is inside. */
  | { readonly kind: 'fragment'; readonly fragmentKey: string };

/** Segments are merged and cut on the way (GSO, GRO): the same bytes in other packets. */
export interface TcpRange {
  readonly flow: string;
  readonly from: number;
  readonly length: number;
}

/** Undefined: no packet of this path. */
export function sightingOf(
  frame: CapturedFrame,
  path: CapturePath,
  atMs: number,
): Sighting | undefined {
  const place = path.placeOf(frame.device);
  if (place === undefined) return undefined;
  const { bytes, link, device, way } = frame;
  const { layers, offsets, problem } = decodeStackAt(bytes, { link, vxlanPorts: path.vxlanPorts });
  const outerAt = layers.findIndex((layer) => layer.kind === 'ip');
  const outer = layers[outerAt];
  if (outer?.kind !== 'ip') return undefined;
  const identity = identify({ bytes, layers, offsets }, path);
  if (identity === undefined) return undefined;
  return {
    place,
    device,
    way,
    atMs,
    bytes: sizeOf(outer),
    layers: layers.slice(outerAt).map(describeLayer),
    problem: problem?.message ?? null,
    identity,
  };
}

interface Taken {
  readonly bytes: Uint8Array;
  readonly layers: readonly Layer[];
  readonly offsets: readonly number[];
}

/** Agents talk, and send marked packets, from this port to this port. */
function isProbe(layers: readonly Layer[], { probePort }: CapturePath): boolean {
  return layers.some(
    (layer) =>
      layer.kind === 'udp' && layer.sourcePort === probePort && layer.destinationPort === probePort,
  );
}

function identify({ bytes, layers, offsets }: Taken, path: CapturePath): Identity | undefined {
  const ips = layers.flatMap((layer, at) => (layer.kind === 'ip' ? [{ layer, at }] : []));
  const [outer] = ips;
  const inner = ips.at(-1)!;
  const cut = outer !== undefined && isIpFragment(outer.layer);
  const fragmentKey = cut
    ? fragmentKeyOf(outer.layer, { bytes, offset: offsets[outer.at]! })
    : undefined;
  if (isProbe(layers.slice(inner.at), path)) return undefined;
  const direction = directionOf(inner.layer, path);
  if (direction === undefined)
    return fragmentKey !== undefined && fragmentOffset(outer!.layer) > 0
      ? { kind: 'fragment', fragmentKey }
      : undefined;
  const { source, destination } = inner.layer;
  const data = layers[inner.at + 1];
  const dataAt = offsets[inner.at + 1];
  const end = Math.min(bytes.length, offsets[inner.at]! + sizeOf(inner.layer));
  const rest = dataAt === undefined ? new Uint8Array() : bytes.subarray(dataAt, end);
  return {
    kind: 'packet',
    direction,
    key: keyOf(inner.layer, rest),
    source: source.text,
    destination: destination.text,
    what: data === undefined ? `protocol ${inner.layer.protocol}` : describeLayer(data),
    innerBytes: sizeOf(inner.layer),
    tcp: data?.kind === 'tcp' ? tcpRange(inner.layer, rest) : undefined,
    fragmentKey: inner.at === outer!.at ? undefined : fragmentKey,
  };
}

function directionOf(inner: IpHeader, path: CapturePath): CaptureDirection | undefined {
  const holds = (address: IpHeader['source']): boolean =>
    path.destinations.some((prefix) => prefixContains(prefix, address));
  if (holds(inner.destination)) return 'there';
  return holds(inner.source) ? 'back' : undefined;
}

/** Header and payload in bytes. */
function sizeOf(header: IpHeader): number {
  return header.family === 4 ? header.totalLength : 40 + header.payloadLength;
}

/** Enough of the data to tell packets apart; what a device cut off at its end does not matter. */
const comparedBytes = 128;

function keyOf(inner: IpHeader, rest: Uint8Array): string {
  const compared = Uint8Array.from(rest.subarray(0, comparedBytes));
  const checksumAt = checksumOffset(inner);
  // Devices may still have to fill it in, or translate it.
  if (checksumAt !== undefined && fragmentOffset(inner) === 0)
    compared.fill(0, checksumAt, checksumAt + 2);
  const marks =
    inner.family === 4 ? `${inner.identification} ${inner.fragmentOffset}` : `${inner.flowLabel}`;
  return createHash('sha256')
    .update(
      `${inner.source.text} ${inner.destination.text} ${inner.protocol} ${marks} ${sizeOf(inner)} `,
    )
    .update(compared)
    .digest('base64');
}

/** RFC 9293 section 3.1, RFC 768, RFC 792, RFC 4443 section 2.1. */
function checksumOffset(inner: IpHeader): number | undefined {
  switch (inner.protocol) {
    case ipProtocol.tcp:
      return 16;
    case ipProtocol.udp:
      return 6;
    case ipProtocol.icmp:
    case ipProtocol.icmpv6:
      return 2;
    default:
      return undefined;
  }
}

/** RFC 9293 section 3.1: sequence number at 4, data offset in words in the high half of byte 12. */
function tcpRange(inner: IpHeader, segment: Uint8Array): TcpRange | undefined {
  if (segment.length < 13) return undefined;
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  const headerBytes = (segment[12]! >> 4) * 4;
  const ipHeaderBytes = inner.family === 4 ? 20 + inner.options.length : 40;
  return {
    flow: `${inner.source.text} ${readU16(segment, 0)} ${inner.destination.text} ${readU16(segment, 2)}`,
    from: view.getUint32(4),
    length: Math.max(0, sizeOf(inner) - ipHeaderBytes - headerBytes),
  };
}

/** Pieces of one IP packet share it (RFC 791 section 3.2, RFC 8200 section 4.5). */
function fragmentKeyOf(
  outer: IpHeader,
  at: { readonly bytes: Uint8Array; readonly offset: number },
): string {
  // IPv6 has its identification in the fragment header, right behind the fixed one here.
  const id =
    outer.family === 4
      ? outer.identification
      : readU16(at.bytes, at.offset + 44) * 0x1_0000 + readU16(at.bytes, at.offset + 46);
  return `${outer.source.text} ${outer.destination.text} ${id}`;
}
