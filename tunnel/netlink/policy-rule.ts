/**
 * Policy routing rules: struct fib_rule_hdr and FRA_* attributes (linux/fib_rules.h).
 *
 *      0       1       2       3       4       5       6       7       8               12
 *     +-------+-------+-------+-------+-------+-------+-------+-------+---------------+
 *     | family| dst   | src   | tos   | table | res   | res   | action| flags         |
 *     +-------+-------+-------+-------+-------+-------+-------+-------+---------------+
 *
 * The lengths are those of the FRA_DST and FRA_SRC prefixes.
 */
import { addressFromBytes } from '../../encap/address.js';
import { type Prefix, prefixOf } from '../../encap/prefix.js';
import type { PolicyRule, PortRange } from '../kernel-details.js';
import { type Attributes, address, readAttributes, readU32, text, u32, u8 } from './attributes.js';
import { AF, NLM_F } from './constants.js';
import type { Message } from './message.js';
import type { MessageWriter } from './writer.js';

const RULE_HEADER_BYTES = 12;
/** linux/rtnetlink.h */
const RTM_GETRULE = 34;
/** linux/fib_rules.h */
const FIB_RULE_INVERT = 0x2;
const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  GOTO: 4,
  PRIORITY: 6,
  FWMARK: 10,
  TUN_ID: 12,
  SUPPRESS_IFGROUP: 13,
  SUPPRESS_PREFIXLEN: 14,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  L3MDEV: 19,
  UID_RANGE: 20,
  PROTOCOL: 21,
  IP_PROTO: 22,
  SPORT_RANGE: 23,
  DPORT_RANGE: 24,
  DSCP: 25,
  FLOWLABEL: 26,
} as const;
const actions: Readonly<Record<number, PolicyRule['action']>> = {
  1: 'lookup',
  2: 'goto',
  3: 'nop',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};
const none = 0xffff_ffff;

export function readPolicyRule(message: Message): PolicyRule | undefined {
  const { bytes, start } = message;
  const family = bytes[start] === AF.INET ? 4 : bytes[start] === AF.INET6 ? 6 : undefined;
  if (family === undefined) return undefined;
  const attributes = readAttributes(bytes, start + RULE_HEADER_BYTES, message.end);
  const mark = u32(attributes, FRA.FWMARK);
  const mask = u32(attributes, FRA.FWMASK);
  const suppressed = u32(attributes, FRA.SUPPRESS_PREFIXLEN) ?? none;
  return {
    family,
    priority: u32(attributes, FRA.PRIORITY) ?? 0,
    action: actions[bytes[start + 7]!] ?? 'other',
    table: u32(attributes, FRA.TABLE) ?? bytes[start + 4]!,
    goto: u32(attributes, FRA.GOTO),
    invert: (readU32(bytes, start + 8) & FIB_RULE_INVERT) !== 0,
    source: prefix(attributes, { type: FRA.SRC, length: bytes[start + 2]!, family }),
    destination: prefix(attributes, { type: FRA.DST, length: bytes[start + 1]!, family }),
    inDevice: text(attributes, FRA.IIFNAME),
    outDevice: text(attributes, FRA.OIFNAME),
    mark:
      mark === undefined && (mask ?? 0) === 0
        ? undefined
        : { value: mark ?? 0, mask: mask ?? none },
    ipProtocol: u8(attributes, FRA.IP_PROTO),
    sourcePorts: ports(attributes, FRA.SPORT_RANGE),
    destinationPorts: ports(attributes, FRA.DPORT_RANGE),
    suppressPrefixLength: suppressed === none ? undefined : suppressed,
    protocol: u8(attributes, FRA.PROTOCOL) ?? 0,
    otherConditions: [
      ...(bytes[start + 3] === 0 ? [] : [`tos 0x${bytes[start + 3]!.toString(16)}`]),
      ...(attributes.has(FRA.TUN_ID) ? ['tun_id'] : []),
      ...((u8(attributes, FRA.L3MDEV) ?? 0) === 0 ? [] : ['l3mdev']),
      ...(attributes.has(FRA.UID_RANGE) ? ['uidrange'] : []),
      ...(attributes.has(FRA.DSCP) ? ['dscp'] : []),
      ...(attributes.has(FRA.FLOWLABEL) ? ['flowlabel'] : []),
      ...((u32(attributes, FRA.SUPPRESS_IFGROUP) ?? none) === none ? [] : ['suppress_ifgroup']),
    ],
  };
}

/** All rules of a family, in the order in which they are tried. */
export function writeGetPolicyRules(
  writer: MessageWriter,
  options: { readonly sequence: number; readonly family: 4 | 6 },
): void {
  const body = writer.begin(RTM_GETRULE, {
    flags: NLM_F.DUMP,
    sequence: options.sequence,
    bodyBytes: RULE_HEADER_BYTES,
  });
  writer.setU8(body, options.family === 4 ? AF.INET : AF.INET6);
  writer.end();
}

/** Undefined when the rule does not look at it. */
function prefix(
  attributes: Attributes,
  at: { readonly type: number; readonly length: number; readonly family: 4 | 6 },
): Prefix | undefined {
  if (at.length === 0) return undefined;
  const zero = new Uint8Array(at.family === 4 ? 4 : 16);
  return prefixOf(address(attributes, at.type) ?? addressFromBytes(zero), at.length);
}

/** struct fib_rule_port_range: two 16-bit numbers of the host's order. */
function ports(attributes: Attributes, type: number): PortRange | undefined {
  const value = attributes.get(type);
  if (value === undefined || value.length < 4) return undefined;
  return { first: value[0]! | (value[1]! << 8), last: value[2]! | (value[3]! << 8) };
}
