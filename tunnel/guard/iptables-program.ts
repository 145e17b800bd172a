/**
 * The guard's rules for iptables, for kernels without nftables: the same walk as nft-program.ts,
 * with one rule for each address since there are no sets, and u32 matches for what is inside.
 *
 * "Passing" is RETURN: chains are entered by `goto`, so it leads back to whatever follows our jump
 * in INPUT or FORWARD. An ACCEPT would overrule the host's own rules.
 *
 * u32 reads 32-bit words at a byte offset from the IP header; `0>>22&0x3C@` moves on by the IPv4
 * header's length (its IHL). Over IPv6 the offset is fixed, 40, so that a tunnel packet behind
 * extension headers (a fragment among them) is dropped. Everything is written as `iptables-save`
 * prints it, so that the two can be compared.
 */
import { type Family } from '../../encap/address.js';
import { type Prefix, firstAddress, lastAddress } from '../../encap/prefix.js';
import { type GuardFacts, ofFamily, prefixFrom } from './facts.js';
import { type DropReason, dropReasonNames, iptablesPrefix, metadataAddresses } from './names.js';

/** Rules by chain, for one table of one family; empty: nothing of ours is to be there. */
export type IptablesProgram = ReadonlyMap<string, readonly string[]>;

/**
 * Built-in chains that jump to ours, by table. In `filter` ours come first; in `nat` anywhere, as
 * the first translation wins and an operator's own shall have its way.
 */
export const builtinChains = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['POSTROUTING'],
} as const;
export type IptablesTable = keyof typeof builtinChains;
export type BuiltinChain = (typeof builtinChains)[IptablesTable][number];

/** Our chain that the built-in chain of this name jumps to. */
export function entryChain(builtin: BuiltinChain): string {
  return `${iptablesPrefix}${builtin}`;
}

/** Holds one rule, whose counter is the reason's. */
export function dropChain(reason: DropReason): string {
  return `${iptablesPrefix}D-${reason.toUpperCase().replaceAll('_', '-')}`;
}

const chain = (name: string): string => `${iptablesPrefix}${name}`;
const goto = (name: string): string => `-g ${chain(name)}`;
const call = (name: string): string => `-j ${chain(name)}`;
const drop = (reason: DropReason): string => `-j ${dropChain(reason)}`;
const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** Bytes from the start of the transport header to the inner IP header. */
const innerStart = { vxlan: 30, ipip: 0 } as const;

export function iptablesProgram(facts: GuardFacts, family: Family): IptablesProgram {
  const metadata = facts.blockMetadata
    ? [`-d ${metadataAddresses[family]}/${family === 4 ? 32 : 128} ${drop('metadata')}`]
    : [];
  const pools = ofFamily(facts.pools, family);
  const rules: Record<string, readonly string[]> = {
    INPUT: [
      ...(family === 6 ? fragmentRules(facts) : []),
      ...facts.vxlan.map(
        ({ vni, port }) =>
          `-p udp -m udp --dport ${port} ${u32([`${at(family, 12)}>>0x8=${hex(vni)}`])} ${goto('VXLAN')}`,
      ),
      `-p 4 ${goto('IPIP4')}`,
      `-p 41 ${goto('IPIP6')}`,
      '-i lo -j RETURN',
      ...metadata,
      goto('SOURCES'),
    ],
    FORWARD: [
      ...metadata,
      `-p 4 ${call('TUNNEL-OUT')}`,
      `-p 41 ${call('TUNNEL-OUT')}`,
      ...facts.ports.map((port) => `-p udp -m udp --dport ${port} ${call('TUNNEL-OUT')}`),
      call('SOURCES'),
      goto('EGRESS'),
    ],
    OUTPUT: [goto('EGRESS')],
    EGRESS: [
      ...notUnderlay(facts).map((device) => `-o ${device} -j RETURN`),
      ...pools.map((pool) => `${destination(pool)}${goto('TO-POOL')}`),
    ],
    'TO-POOL': [
      ...ofFamily(facts.own, family).map((own) => `${destination(own)}-j RETURN`),
      goto('NATIVE-TO'),
    ],
    'NATIVE-TO': [
      ...ofFamily(facts.nativeTo, family).map((prefix) => `${destination(prefix)}-j RETURN`),
      drop('native_leak'),
    ],
    OUTER: [call('ON-NIC'), call('LOCAL'), call('SENDERS')],
    'ON-NIC': [...facts.nics.map((nic) => `-i ${nic} -j RETURN`), drop('workload_tunnel')],
    LOCAL: [
      ...ofFamily(facts.local, family).map(({ text }) => `-d ${host(text, family)} -j RETURN`),
      drop('tunnel_destination'),
    ],
    SENDERS: [
      ...ofFamily(facts.outers, family).map(({ text }) => `-s ${host(text, family)} -j RETURN`),
      drop('outer_source'),
    ],
    VXLAN: [
      call('OUTER'),
      `${u32Not([`${at(family, 8)}=0x8000000`])} ${drop('vxlan_flags')}`,
      `${u32Not([`${at(family, 12)}&0xff=0x0`])} ${drop('vxlan_flags')}`,
      `${u32([`${at(family, 28)}>>0x10=0x800`])} ${goto('VXLAN4')}`,
      `${u32([`${at(family, 28)}>>0x10=0x86dd`])} ${goto('VXLAN6')}`,
      drop('inner_ethertype'),
    ],
    VXLAN4: pairRules(facts, { family, encapsulation: 'vxlan', inner: 4 }),
    VXLAN6: pairRules(facts, { family, encapsulation: 'vxlan', inner: 6 }),
    IPIP4: [call('OUTER'), ...pairRules(facts, { family, encapsulation: 'ipip', inner: 4 })],
    IPIP6: [call('OUTER'), ...pairRules(facts, { family, encapsulation: 'ipip', inner: 6 })],
    'TUNNEL-OUT': ofFamily(facts.nodes, family).map(
      ({ text }) => `-d ${host(text, family)} ${goto('TO-NODE')}`,
    ),
    'TO-NODE': [
      call('ON-NIC'),
      ...pools.map((pool) => `${source(pool)}${drop('workload_tunnel')}`),
    ],
    SOURCES: [
      ...facts.tunnelDevices.map((device) => `-i ${device} ${goto('FROM-TUNNEL')}`),
      ...facts.nics.map((nic) => `-i ${nic} ${goto('FROM-NIC')}`),
      goto('FROM-WORKLOAD'),
    ],
    'FROM-TUNNEL': ofFamily(facts.own, family).map(
      (own) => `${source(own)}${drop('decap_source')}`,
    ),
    'FROM-NIC': pools.map((pool) => `${source(pool)}${goto('NATIVE')}`),
    NATIVE: [
      ...ofFamily(facts.native, family).map((prefix) => `${source(prefix)}-j RETURN`),
      drop('native_source'),
    ],
    'FROM-WORKLOAD': pools.map((pool) => `${source(pool)}${goto('OWN')}`),
    OWN: [
      ...ofFamily(facts.own, family).map((own) => `${source(own)}-j RETURN`),
      drop('workload_source'),
    ],
  };
  return new Map([
    ...Object.entries(rules).map(([name, list]) => [chain(name), list] as const),
    ...dropReasonNames.map((reason) => [dropChain(reason), ['-j DROP']] as const),
  ]);
}

/** Prefixes that may leave natively by a listing of our chains. */
export function nativeToIn(chains: ReadonlyMap<string, readonly string[]>): readonly Prefix[] {
  return (chains.get(chain('NATIVE-TO')) ?? []).flatMap((rule) =>
    prefixFrom(/^-d (\S+) -j RETURN$/.exec(rule)?.[1] ?? ''),
  );
}

/** The nat table's part; see nft-program.ts for the choice of ports. */
export function iptablesNatProgram(facts: GuardFacts, family: Family): IptablesProgram {
  const sources = ofFamily(facts.masquerade?.sources ?? [], family);
  if (sources.length === 0) return new Map();
  return new Map([
    [
      chain('POSTROUTING'),
      [
        ...notUnderlay(facts).map((device) => `-o ${device} -j RETURN`),
        ...sources.map((prefix) => `${source(prefix)}${goto('MASQUERADE')}`),
      ],
    ],
    [
      chain('MASQUERADE'),
      [
        ...ofFamily(facts.masquerade?.keep ?? [], family).map(
          (prefix) => `${destination(prefix)}-j RETURN`,
        ),
        masqueradeRule,
      ],
    ],
  ]);
}

/** Translates everything: for the chain above, and to try out whether the kernel can. */
export const masqueradeRule = '-j MASQUERADE --random-fully';

function notUnderlay(facts: GuardFacts): readonly string[] {
  return [...new Set(['lo', ...facts.tunnelDevices])];
}

/** Over IPv6 INPUT sees fragments: a tunnel packet must follow the fixed header directly. */
function fragmentRules(facts: GuardFacts): readonly string[] {
  const behindExtension = (nextHeader: number): string =>
    `${u32Not([`0x3&0xff=${hex(nextHeader)}`])} ${drop('outer_fragment')}`;
  return [
    ...facts.ports.map((port) => `-p udp -m udp --dport ${port} ${behindExtension(17)}`),
    `-p 4 ${behindExtension(4)}`,
    `-p 41 ${behindExtension(41)}`,
  ];
}

interface PairChain {
  readonly family: Family;
  readonly encapsulation: 'vxlan' | 'ipip';
  readonly inner: Family;
}

function pairRules(
  facts: GuardFacts,
  { family, encapsulation, inner }: PairChain,
): readonly string[] {
  const start = innerStart[encapsulation];
  return [
    `${u32Not([`${at(family, start)}>>0x1c=${hex(inner)}`])} ${drop('inner_version')}`,
    ...facts.pairs
      .filter((pair) => pair.outer.family === family && pair.inner.family === inner)
      .map(
        (pair) =>
          `-s ${host(pair.outer.text, family)} ${u32(sourceTests(pair.inner, { family, start }))} -j RETURN`,
      ),
    drop('inner_source'),
  ];
}

/** One range for each 32-bit word of the source that the prefix says something about. */
function sourceTests(
  prefix: Prefix,
  { family, start }: { readonly family: Family; readonly start: number },
): readonly string[] {
  const field = start + (prefix.family === 4 ? 12 : 8);
  const first = words(prefix.bytes);
  const last = words(lastAddress(prefix).bytes);
  const count = Math.max(1, Math.ceil(prefix.length / 32));
  return first.slice(0, count).map((low, i) => {
    const high = last[i]!;
    const range = low === high ? hex(low) : `${hex(low)}:${hex(high)}`;
    return `${at(family, field + 4 * i)}=${range}`;
  });
}

function words(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i));
}

/** u32's location of the word that many bytes behind the start of the transport header. */
function at(family: Family, offset: number): string {
  return family === 4 ? `0x0>>0x16&0x3c@${hex(offset)}` : hex(40 + offset);
}

function u32(tests: readonly string[]): string {
  return `-m u32 --u32 "${tests.join('&&')}"`;
}

/** Also true when the packet ends before the word. */
function u32Not(tests: readonly string[]): string {
  return `-m u32 ! --u32 "${tests.join('&&')}"`;
}

function host(address: string, family: Family): string {
  return `${address}/${family === 4 ? 32 : 128}`;
}

function destination(prefix: Prefix): string {
  return source(prefix).replace('-s', '-d');
}

/** `iptables-save` leaves a prefix of length 0 out. */
function source(prefix: Prefix): string {
  return prefix.length === 0 ? '' : `-s ${firstAddress(prefix).text}/${prefix.length} `;
}
