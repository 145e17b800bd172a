/**
 * Routes: struct rtmsg (linux/rtnetlink.h) and RTA_* attributes.
 *
 *      0       1       2       3       4       5       6       7       8               12
 *     +-------+-------+-------+-------+-------+-------+-------+-------+---------------+
 *     | family| dst   | src   | tos   | table | proto | scope | type  | flags         |
 *     +-------+-------+-------+-------+-------+-------+-------+-------+---------------+
 *
 * A set is create-or-replace, one step that no packet falls through. A delete names the key and
 * the protocol only, so it hits whatever stands there now if it is ours, and nothing if it is not.
 */
import { type Address, addressFromBytes } from '../../encap/address.js';
import { type Prefix, prefixOf } from '../../encap/prefix.js';
import type { RouteObject, RouteTarget } from '../kernel.js';
import {
  type Attributes,
  address,
  nested,
  readAttributes,
  readU32,
  u16,
  u32,
} from './attributes.js';
import {
  AF,
  LWTUNNEL_ENCAP,
  LWTUNNEL_IP6,
  NLM_F,
  RTA,
  RTAX,
  RTM,
  RTM_F,
  RTN,
  RTNH_F_ONLINK,
  RT_SCOPE,
} from './constants.js';
import type { Message } from './message.js';
import type { EntryOptions, MessageWriter } from './writer.js';

const RTMSG_BYTES = 12;
/** Hop limit of the outer header of `encap ip6` routes; the device's own is not used for them. */
const encapHopLimit = 64;

export interface RouteMessage {
  readonly family: 4 | 6;
  readonly prefix: Prefix;
  readonly tos: number;
  /** Length of the source prefix; 0 when the route does not look at the source. */
  readonly sourceLength: number;
  readonly table: number;
  readonly protocol: number;
  /** RTN_* */
  readonly type: number;
  /** RTM_F_* and RTNH_F_* */
  readonly flags: number;
  readonly attributes: Attributes;
}

export function readRoute(message: Message): RouteMessage | undefined {
  const { bytes, start } = message;
  const family = bytes[start] === AF.INET ? 4 : bytes[start] === AF.INET6 ? 6 : undefined;
  if (family === undefined) return undefined;
  const attributes = readAttributes(bytes, start + RTMSG_BYTES, message.end);
  const destination =
    address(attributes, RTA.DST) ?? addressFromBytes(new Uint8Array(family === 4 ? 4 : 16));
  const length = bytes[start + 1]!;
  if (destination.family !== family || length > destination.bytes.length * 8) return undefined;
  return {
    family,
    prefix: prefixOf(destination, length),
    sourceLength: bytes[start + 2]!,
    tos: bytes[start + 3]!,
    table: u32(attributes, RTA.TABLE) ?? bytes[start + 4]!,
    protocol: bytes[start + 5]!,
    type: bytes[start + 7]!,
    flags: readU32(bytes, start + 8),
    attributes,
  };
}

/**
 * The route as the port speaks of it. Undefined for cache entries, and for routes that look at TOS
 * or source: no key of ours can be theirs.
 */
export function routeObject(
  route: RouteMessage,
  nameOf: (index: number) => string | undefined,
): RouteObject | undefined {
  if ((route.flags & RTM_F.CLONED) !== 0 || route.tos !== 0 || route.sourceLength !== 0)
    return undefined;
  return {
    type: 'route',
    prefix: route.prefix,
    table: route.table,
    metric: u32(route.attributes, RTA.PRIORITY) ?? 0,
    protocol: route.protocol,
    target: routeTarget(route, nameOf),
  };
}

/** Everything a unicast route of ours may carry; anything more makes it `other`. */
const plainAttributes: ReadonlySet<number> = new Set([
  RTA.DST,
  RTA.OIF,
  RTA.GATEWAY,
  RTA.PRIORITY,
  RTA.PREFSRC,
  RTA.METRICS,
  RTA.TABLE,
  RTA.ENCAP,
  RTA.ENCAP_TYPE,
  12 /* RTA_CACHEINFO: use counters and timers */,
  20 /* RTA_PREF: RFC 4191 router preference, medium unless set */,
]);

const typeNames: Readonly<Record<number, string>> = {
  [RTN.LOCAL]: 'local',
  [RTN.BROADCAST]: 'broadcast',
  [RTN.ANYCAST]: 'anycast',
  [RTN.MULTICAST]: 'multicast',
  [RTN.THROW]: 'throw',
};

function routeTarget(
  route: RouteMessage,
  nameOf: (index: number) => string | undefined,
): RouteTarget {
  const other = (description: string): RouteTarget => ({ kind: 'other', description });
  switch (route.type) {
    case RTN.BLACKHOLE:
      return { kind: 'blackhole' };
    case RTN.UNREACHABLE:
      return { kind: 'unreachable' };
    case RTN.PROHIBIT:
      return { kind: 'prohibit' };
    case RTN.UNICAST:
      break;
    default:
      return other(typeNames[route.type] ?? `type ${route.type}`);
  }
  const { attributes } = route;
  if (attributes.has(RTA.MULTIPATH)) return other('multipath');
  for (const type of attributes.keys())
    if (!plainAttributes.has(type)) return other(`unicast with attribute ${type}`);
  const metrics = nested(attributes, RTA.METRICS);
  for (const metric of metrics?.keys() ?? [])
    if (metric !== RTAX.MTU) return other(`unicast with metric ${metric}`);
  const encap = encapDestination(attributes);
  if (encap === 'unknown') return other('unicast with an encapsulation');
  const index = u32(attributes, RTA.OIF) ?? 0;
  return {
    kind: 'unicast',
    device: nameOf(index) ?? `if${index}`,
    gateway: address(attributes, RTA.GATEWAY),
    onlink: (route.flags & RTNH_F_ONLINK) !== 0,
    mtu: metrics === undefined ? undefined : u32(metrics, RTAX.MTU),
    preferredSource: address(attributes, RTA.PREFSRC),
    ...(encap === undefined ? {} : { encapDestination: encap }),
  };
}

function encapDestination(attributes: Attributes): Address | 'unknown' | undefined {
  const type = u16(attributes, RTA.ENCAP_TYPE);
  if (type === undefined || type === 0) return undefined;
  const encap = type === LWTUNNEL_ENCAP.IP6 ? nested(attributes, RTA.ENCAP) : undefined;
  return (encap === undefined ? undefined : address(encap, LWTUNNEL_IP6.DST)) ?? 'unknown';
}

/** All routes of a family, in all tables. */
export function writeGetRoutes(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly family: 4 | 6 },
): void {
  const body = writer.begin(RTM.GETROUTE, {
    flags: NLM_F.DUMP,
    sequence: options.sequence,
    bodyBytes: RTMSG_BYTES,
  });
  writer.setU8(body, options.family === 4 ? AF.INET : AF.INET6);
  writer.end();
}

/** What the kernel would do with a packet; `fibMatch` asks for the matching entry instead. */
export function writeLookup(
  writer: MessageWriter,
  options: {
    readonly sequence: number;
    readonly destination: Address;
    readonly from: Address | undefined;
    readonly fibMatch: boolean;
  },
): void {
  const { destination, from } = options;
  const body = writer.begin(RTM.GETROUTE, {
    flags: NLM_F.ACK,
    sequence: options.sequence,
    bodyBytes: RTMSG_BYTES,
  });
  writer.setU8(body, destination.family === 4 ? AF.INET : AF.INET6);
  writer.setU8(body + 1, destination.bytes.length * 8);
  if (from !== undefined) writer.setU8(body + 2, from.bytes.length * 8);
  writer.setU32(body + 8, options.fibMatch ? RTM_F.FIB_MATCH : 0);
  writer.data(RTA.DST, destination.bytes);
  if (from !== undefined) writer.data(RTA.SRC, from.bytes);
  writer.end();
}

const targetTypes = {
  unicast: RTN.UNICAST,
  blackhole: RTN.BLACKHOLE,
  unreachable: RTN.UNREACHABLE,
  prohibit: RTN.PROHIBIT,
} as const;

export function writeRoute(
  writer: MessageWriter,
  object: RouteObject,
  options: EntryOptions,
): void {
  const { prefix, target } = object;
  const set = options.verb === 'set';
  const body = writer.begin(set ? RTM.NEWROUTE : RTM.DELROUTE, {
    flags: set ? NLM_F.CREATE | (options.exclusive === true ? NLM_F.EXCL : NLM_F.REPLACE) : 0,
    sequence: options.sequence,
    bodyBytes: RTMSG_BYTES,
  });
  writer.setU8(body, prefix.family === 4 ? AF.INET : AF.INET6);
  writer.setU8(body + 1, prefix.length);
  writer.setU8(body + 4, object.table < 256 ? object.table : 0);
  writer.setU8(body + 5, object.protocol);
  writer.data(RTA.DST, prefix.bytes);
  if (object.table >= 256) writer.u32(RTA.TABLE, object.table);
  writer.u32(RTA.PRIORITY, object.metric);
  if (set) {
    if (target.kind === 'other')
      throw new TypeError(`cannot set a route of another make (${target.description})`);
    writer.setU8(body + 7, targetTypes[target.kind]);
    if (target.kind === 'unicast')
      writeNextHop(writer, { target, index: options.index, body, family: prefix.family });
  } else {
    writer.setU8(body + 6, RT_SCOPE.NOWHERE);
  }
  writer.end();
}

function writeNextHop(
  writer: MessageWriter,
  options: {
    readonly target: Extract<RouteTarget, { kind: 'unicast' }>;
    readonly index: number;
    readonly body: number;
    readonly family: 4 | 6;
  },
): void {
  const { target, body } = options;
  // IPv4: a route without a gateway speaks of this link only (fib_check_nh refuses it otherwise).
  const isLinkScope = options.family === 4 && target.gateway === undefined;
  writer.setU8(body + 6, isLinkScope ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE);
  if (target.onlink) writer.setU32(body + 8, RTNH_F_ONLINK);
  writer.u32(RTA.OIF, options.index);
  if (target.gateway !== undefined) writer.data(RTA.GATEWAY, target.gateway.bytes);
  if (target.preferredSource !== undefined) writer.data(RTA.PREFSRC, target.preferredSource.bytes);
  const { mtu, encapDestination: outer } = target;
  if (mtu !== undefined) writer.nest(RTA.METRICS, () => writer.u32(RTAX.MTU, mtu));
  if (outer !== undefined) {
    writer.u16(RTA.ENCAP_TYPE, LWTUNNEL_ENCAP.IP6);
    writer.nest(RTA.ENCAP, () => {
      writer.data(LWTUNNEL_IP6.DST, outer.bytes);
      writer.u8(LWTUNNEL_IP6.HOPLIMIT, encapHopLimit);
    });
  }
}
