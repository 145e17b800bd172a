/**
 * A captured packet, taken apart from the outside in: what a capture on the underlay shows of the
 * mode that a packet travelled by. A layer at a time, until something is not IP, is encrypted, cut
 * or broken; the layers read so far stand, and the problem says what stopped it.
 */
import type { Family } from '../address.js';
import type { Carriage } from '../mode.js';
import { type VxlanHeader, decodeVxlan, vxlanDefaultPort } from '../vxlan/header.js';
import { readU16 } from './bytes.js';
import { type EthernetHeader, decodeEthernet } from './ethernet.js';
import { type IpHeader, decodeIp, fragmentOffset } from './ip.js';
import { type DecodeResult, type WireProblem, truncated } from './problem.js';
import { etherType, ipProtocol } from './protocol.js';
import { type UdpHeader, decodeUdp } from './udp.js';

export type Layer =
  | ({ readonly kind: 'ethernet' } & EthernetHeader)
  | ({ readonly kind: 'ip' } & IpHeader)
  | ({ readonly kind: 'udp' } & UdpHeader)
  | ({ readonly kind: 'vxlan' } & VxlanHeader)
  | { readonly kind: 'tcp'; readonly sourcePort: number; readonly destinationPort: number }
  | IcmpLayer
  /** What is not looked into: another protocol, ARP, data, the middle of a fragmented packet. */
  | { readonly kind: 'payload'; readonly offset: number; readonly length: number };

export interface IcmpLayer {
  readonly kind: 'icmp';
  /** 4 for ICMP (RFC 792), 6 for ICMPv6 (RFC 4443). */
  readonly family: Family;
  readonly type: number;
  readonly code: number;
  /** Of an echo request or reply. */
  readonly echo: { readonly identifier: number; readonly sequence: number } | undefined;
}

export interface Stack {
  /** Outermost first. */
  readonly layers: readonly Layer[];
  readonly problem: WireProblem | undefined;
}

export interface StackOptions {
  /** What the capture begins with. */
  readonly link: 'ethernet' | 'ip';
  /** UDP destination ports that carry VXLAN; the assigned one when not given. */
  readonly vxlanPorts?: readonly number[];
}

/** What comes next, and where. */
interface Position {
  readonly next:
    | { readonly kind: 'ethernet' | 'vxlan' | 'payload' }
    | { readonly kind: 'ip'; readonly family?: Family }
    | { readonly kind: 'transport'; readonly protocol: number };
  readonly offset: number;
  readonly end: number;
}

interface Step {
  readonly layer: Layer;
  /** Absent after the last layer. */
  readonly then?: Position;
}

type StepResult = Step | WireProblem;

export function decodeStack(bytes: Uint8Array, options: StackOptions): Stack {
  const { layers, problem } = decodeStackAt(bytes, options);
  return { layers, problem };
}

/** As `decodeStack`, with the place of each layer's first byte. */
export function decodeStackAt(
  bytes: Uint8Array,
  options: StackOptions,
): Stack & { readonly offsets: readonly number[] } {
  const layers: Layer[] = [];
  const offsets: number[] = [];
  let position: Position | undefined = {
    next: { kind: options.link },
    offset: 0,
    end: bytes.length,
  };
  while (position !== undefined) {
    const step = decodeLayer(bytes, position, options.vxlanPorts ?? [vxlanDefaultPort]);
    if ('message' in step) return { layers, offsets, problem: step };
    layers.push(step.layer);
    offsets.push(position.offset);
    position = step.then;
  }
  return { layers, offsets, problem: undefined };
}

/** How the packet travelled, and the headers that say so; undefined when it is not IP at all. */
export interface SeenCarriage {
  readonly carriage: Carriage;
  /** The IP header that the underlay routed by. */
  readonly outer: IpHeader;
  /** The workloads' IP header; the same as `outer` when native. */
  readonly inner: IpHeader;
  readonly vni: number | undefined;
}

export function seenCarriage(stack: Stack): SeenCarriage | undefined {
  const { layers } = stack;
  const outerAt = layers.findIndex((layer) => layer.kind === 'ip');
  const outer = layers[outerAt];
  if (outer?.kind !== 'ip') return undefined;
  const below = layers.slice(outerAt + 1);
  const inner = below.find((layer) => layer.kind === 'ip');
  if (inner === undefined)
    return {
      carriage: { mode: 'native', outer: outer.family, inner: outer.family },
      outer,
      inner: outer,
      vni: undefined,
    };
  const vxlan = below[1]?.kind === 'vxlan' ? below[1] : undefined;
  const mode = vxlan === undefined ? 'ipip' : 'vxlan';
  return {
    carriage: { mode, outer: outer.family, inner: inner.family },
    outer,
    inner,
    vni: vxlan?.vni,
  };
}

function decodeLayer(
  bytes: Uint8Array,
  position: Position,
  vxlanPorts: readonly number[],
): StepResult {
  const { next, offset, end } = position;
  const range = { offset, end, payload: 'cut' } as const;
  switch (next.kind) {
    case 'ethernet': {
      const result = decodeEthernet(bytes, range);
      return step(result, (header) => [{ kind: 'ethernet', ...header }, afterEthernet(header)]);
    }
    case 'ip': {
      const family = next.family === undefined ? {} : { family: next.family };
      const result = decodeIp(bytes, { ...range, ...family });
      return step(result, (header) => [{ kind: 'ip', ...header }, afterIp(header)]);
    }
    case 'vxlan': {
      const result = decodeVxlan(bytes, range);
      return step(result, (header) => [{ kind: 'vxlan', ...header }, { kind: 'ethernet' }]);
    }
    case 'transport':
      return decodeTransport(bytes, { ...range, protocol: next.protocol, vxlanPorts });
    case 'payload':
      return { layer: { kind: 'payload', offset, length: end - offset } };
  }
}

function step<Header>(
  result: DecodeResult<Header>,
  read: (header: Header) => [Layer, Position['next']],
): StepResult {
  if (!result.ok) return result.problem;
  const [layer, next] = read(result.header);
  return { layer, then: { next, offset: result.payloadOffset, end: result.payloadEnd } };
}

function afterEthernet(header: EthernetHeader): Position['next'] {
  if (header.etherType === etherType.ipv4) return { kind: 'ip', family: 4 };
  return header.etherType === etherType.ipv6 ? { kind: 'ip', family: 6 } : { kind: 'payload' };
}

function afterIp(header: IpHeader): Position['next'] {
  if (fragmentOffset(header) > 0) return { kind: 'payload' };
  if (header.protocol === ipProtocol.ipv4) return { kind: 'ip', family: 4 };
  if (header.protocol === ipProtocol.ipv6) return { kind: 'ip', family: 6 };
  return { kind: 'transport', protocol: header.protocol };
}

function decodeTransport(
  bytes: Uint8Array,
  at: {
    readonly offset: number;
    readonly end: number;
    readonly payload: 'cut';
    readonly protocol: number;
    readonly vxlanPorts: readonly number[];
  },
): StepResult {
  const { offset, end } = at;
  switch (at.protocol) {
    case ipProtocol.udp:
      return step(decodeUdp(bytes, at), (header) => [
        { kind: 'udp', ...header },
        { kind: at.vxlanPorts.includes(header.destinationPort) ? 'vxlan' : 'payload' },
      ]);
    case ipProtocol.tcp:
      if (end - offset < 4)
        return truncated('tcp', offset, { needed: 4, found: end - offset }).problem;
      return {
        layer: {
          kind: 'tcp',
          sourcePort: readU16(bytes, offset),
          destinationPort: readU16(bytes, offset + 2),
        },
      };
    case ipProtocol.icmp:
    case ipProtocol.icmpv6:
      return decodeIcmp(bytes, { offset, end, family: at.protocol === ipProtocol.icmp ? 4 : 6 });
    default:
      return { layer: { kind: 'payload', offset, length: end - offset } };
  }
}

/** RFC 792 and RFC 4443 share the first four bytes, and the layout of echo messages. */
function decodeIcmp(
  bytes: Uint8Array,
  at: { readonly offset: number; readonly end: number; readonly family: Family },
): StepResult {
  const { offset, end, family } = at;
  if (end - offset < 8)
    return truncated('icmp', offset, { needed: 8, found: end - offset }).problem;
  const type = bytes[offset]!;
  const isEcho = family === 4 ? type === 8 || type === 0 : type === 128 || type === 129;
  const echo = isEcho
    ? { identifier: readU16(bytes, offset + 4), sequence: readU16(bytes, offset + 6) }
    : undefined;
  return { layer: { kind: 'icmp', family, type, code: bytes[offset + 1]!, echo } };
}
