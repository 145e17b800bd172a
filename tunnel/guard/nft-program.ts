/**
 * The nftables rules for a spec, as data: sets with their elements, chains with their rules.
 *
 * The way of a VXLAN packet: hook `input` sees the outer packet whole (IPv4 fragments are
 * reassembled before it, and decapsulation comes after it). `input` recognises UDP port and VNI,
 * `outer` asks where it came in, who sent it and whether it is for us, `vxlan` looks at the flags
 * and the EtherType, `vxlan4` looks the pair (outer source, inner source) up. What `vxlan4` accepts
 * the kernel decapsulates; the inner packet then comes by again with the tunnel device as its
 * ingress and is checked by `sources`.
 *
 * Offsets are bits behind the start of the transport header (@th), which for IP in IP is the inner
 * header itself:
 *
 *     VXLAN (RFC 7348, section 5):  UDP 0–63 · flags 64–71 · reserved 72–95 · VNI 96–119 ·
 *       reserved 120–127 · inner Ethernet 128–239 (EtherType 224) · inner IP from 240
 *     IPv4 (RFC 791):  version 0–3 · source 96–127
 *     IPv6 (RFC 8200): version 0–3 · source 64–191
 *
 * IPv6 fragments do pass hook `input` before they are reassembled. A first fragment shows UDP port
 * or protocol (RFC 7112: the whole header chain; the kernel drops others), and without it there is
 * no packet: so tunnel packets in fragments are dropped there. Our own never fragment.
 */
import { createHash } from 'node:crypto';
import type { Address, Family } from '../../encap/address.js';
import { type Prefix, firstAddress, lastBytes } from '../../encap/prefix.js';
import { type GuardFacts, type Pair, ofFamily } from './facts.js';
import { type DropReason, dropReasonNames, metadataAddresses } from './names.js';

export interface NftSet {
  /** What stands between the braces of `add set`. */
  readonly declaration: string;
  /** Types and flags as `nft -j` lists them. */
  readonly shape: string;
  /** Elements in the form that `nft` lists them in, which is also what it takes. */
  readonly elements: ReadonlySet<string>;
}

export interface NftBase {
  readonly type: 'filter' | 'nat';
  readonly hook: 'input' | 'forward' | 'postrouting';
  /** A number, as `nft -j` lists it. */
  readonly priority: number;
}

export interface NftChain {
  /** Undefined for a chain that others jump to. */
  readonly base: NftBase | undefined;
  /** Each ends in a comment that carries the hash of its text: an edited rule is seen by it. */
  readonly rules: readonly string[];
}

export interface NftProgram {
  readonly counters: readonly DropReason[];
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/**
 * `input` and `forward` come before the `filter` priority (0) that others use: our counters tell
 * what we dropped. Masquerading comes after the `srcnat` priority (100): of several chains the first
 * translation wins, so an operator's own rule for an egress address has its way. Last is the look
 * at what leaves, when device and destination are final.
 */
const priorities = { filter: -10, masquerade: 110, egress: 190 } as const;

const vxlanFlagsOk = '0x08';

/** Bit offset of the inner IP header behind the transport header. */
const innerStart = { vxlan: 240, ipip: 0 } as const;
const sourceOffset = { 4: 96, 6: 64 } as const;
const sourceBits = { 4: 32, 6: 128 } as const;
const keyword = { 4: 'ip', 6: 'ip6' } as const;

/** Sets that go by their other name, see nft-renewal.ts; given are the first names. */
export type OtherNames = ReadonlySet<string>;

export function nftProgram(facts: GuardFacts, otherNames: OtherNames = new Set()): NftProgram {
  const named = (name: string): string => (otherNames.has(name) ? otherName(name) : name);
  return {
    counters: dropReasonNames,
    sets: new Map([...sets(facts)].map(([name, set]) => [named(name), set])),
    chains: chains(facts, named),
  };
}

/** Name of the sets of prefixes that may leave natively, without the family. */
export const nativeToSet = 'nativeto';

export function otherName(set: string): string {
  return `${set}_`;
}

/** The comment that says which rule this is: the hash of its text. */
export function markOf(rule: string): string {
  return /comment "([^"]*)"$/.exec(rule)?.[1] ?? '';
}

function sets(facts: GuardFacts): ReadonlyMap<string, NftSet> {
  const result = new Map<string, NftSet>();
  for (const outer of [4, 6] as const) {
    for (const inner of [4, 6] as const) {
      result.set(`pair${outer}${inner}`, {
        // One set for VXLAN and IP in IP: only the widths are part of its type, not the offsets.
        declaration: `typeof ${keyword[outer]} saddr . ${innerSource('vxlan', inner)}; flags interval;`,
        shape: `ipv${outer}_addr,integer interval`,
        elements: new Set(
          facts.pairs
            .filter((pair) => pair.outer.family === outer && pair.inner.family === inner)
            .map(pairElement),
        ),
      });
    }
    const addresses = (items: readonly Address[]): NftSet => ({
      declaration: `type ipv${outer}_addr;`,
      shape: `ipv${outer}_addr `,
      elements: new Set(ofFamily(items, outer).map(({ text }) => text)),
    });
    result.set(`outer${outer}`, addresses(facts.outers));
    result.set(`node${outer}`, addresses(facts.nodes));
    result.set(`native${outer}`, {
      declaration: `type ipv${outer}_addr; flags interval;`,
      shape: `ipv${outer}_addr interval`,
      elements: new Set(ofFamily(facts.native, outer).map(prefixElement)),
    });
    result.set(`${nativeToSet}${outer}`, {
      declaration: `type ipv${outer}_addr; flags interval;`,
      shape: `ipv${outer}_addr interval`,
      elements: new Set(ofFamily(facts.nativeTo, outer).map(prefixElement)),
    });
  }
  return result;
}

function chains(facts: GuardFacts, named: (set: string) => string): ReadonlyMap<string, NftChain> {
  const marked = (rules: readonly string[]): readonly string[] =>
    rules.map((rule) =>
      withMark(rule.replace(/@([a-z]+[46]+)/g, (_, set: string) => `@${named(set)}`)),
    );
  const base = (hook: 'input' | 'forward', rules: readonly string[]): NftChain => ({
    base: { type: 'filter', hook, priority: priorities.filter },
    rules: marked(rules),
  });
  const egress: NftChain = {
    base: { type: 'filter', hook: 'postrouting', priority: priorities.egress },
    rules: marked(egressRules(facts)),
  };
  const masquerade: NftChain = {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.masquerade },
    rules: marked(masqueradeRules(facts)),
  };
  const plain = (rules: readonly string[]): NftChain => ({ base: undefined, rules: marked(rules) });
  const metadata = facts.blockMetadata
    ? ([4, 6] as const).map(
        (f) => `${keyword[f]} daddr ${metadataAddresses[f]} ${drop('metadata')}`,
      )
    : [];
  const ports = facts.ports.join(', ');
  return new Map<string, NftChain>([
    [
      'input',
      base('input', [
        // Before the VNI is looked at: a first fragment of 8 bytes does not hold it.
        ...(ports === ''
          ? []
          : [`udp dport { ${ports} } exthdr frag exists ${drop('outer_fragment')}`]),
        ...facts.vxlan.map(({ vni, port }) => `udp dport ${port} @th,96,24 ${vni} goto vxlan`),
        'meta l4proto 4 goto ipip4',
        'meta l4proto 41 goto ipip6',
        'iifname "lo" accept',
        ...metadata,
        'goto sources',
      ]),
    ],
    [
      'forward',
      base('forward', [
        ...metadata,
        'meta l4proto { 4, 41 } jump tunnel_out',
        ...(ports === '' ? [] : [`udp dport { ${ports} } jump tunnel_out`]),
        'goto sources',
      ]),
    ],
    ['egress', egress],
    // Without need the chain is not even there: its hook makes the kernel track connections.
    ...(masquerade.rules.length === 0 ? [] : [['translate', masquerade] as const]),
    ['outer', plain(outerRules(facts))],
    [
      'vxlan',
      plain([
        'jump outer',
        `@th,64,8 != ${vxlanFlagsOk} ${drop('vxlan_flags')}`,
        `@th,72,24 != 0 ${drop('vxlan_flags')}`,
        `@th,120,8 != 0 ${drop('vxlan_flags')}`,
        '@th,224,16 0x0800 goto vxlan4',
        '@th,224,16 0x86dd goto vxlan6',
        drop('inner_ethertype'),
      ]),
    ],
    ['vxlan4', plain(innerRules('vxlan', 4))],
    ['vxlan6', plain(innerRules('vxlan', 6))],
    ['ipip4', plain(['jump outer', ...innerRules('ipip', 4)])],
    ['ipip6', plain(['jump outer', ...innerRules('ipip', 6)])],
    ['tunnel_out', plain(tunnelOutRules(facts))],
    [
      'sources',
      plain([
        ...onDevices(facts.tunnelDevices, 'goto from_tunnel'),
        ...onDevices(facts.nics, 'goto from_nic'),
        'goto from_workload',
      ]),
    ],
    ['from_tunnel', plain(fromTunnelRules(facts))],
    ['from_nic', plain(fromNicRules(facts))],
    ['from_workload', plain(fromWorkloadRules(facts))],
  ]);
}

/** Who may send a tunnel packet at all; returns for those. */
function outerRules(facts: GuardFacts): readonly string[] {
  const local = ([4, 6] as const).map((family) => {
    const own = ofFamily(facts.local, family).map(({ text }) => text);
    const elsewhere =
      own.length === 0
        ? `meta nfproto ipv${family}`
        : `${keyword[family]} daddr != { ${own.join(', ')} }`;
    return `${elsewhere} ${drop('tunnel_destination')}`;
  });
  return [
    `${notOnNic(facts)}${drop('workload_tunnel')}`,
    ...local,
    `ip saddr != @outer4 ${drop('outer_source')}`,
    `ip6 saddr != @outer6 ${drop('outer_source')}`,
    `exthdr frag exists ${drop('outer_fragment')}`,
  ];
}

/** A truncated packet matches none of these and meets the last line. */
function innerRules(encapsulation: 'vxlan' | 'ipip', inner: Family): readonly string[] {
  return [
    `@th,${innerStart[encapsulation]},4 != ${inner} ${drop('inner_version')}`,
    ...([4, 6] as const).map(
      (outer) =>
        `${keyword[outer]} saddr . ${innerSource(encapsulation, inner)} @pair${outer}${inner} accept`,
    ),
    drop('inner_source'),
  ];
}

/**
 * A forwarded packet that would be a tunnel packet to a node. Masqueraded on its way out it would
 * carry this node's address, so neither workloads (behind any device or peer) may send one.
 */
function tunnelOutRules(facts: GuardFacts): readonly string[] {
  return [
    'ip daddr != @node4 return',
    'ip6 daddr != @node6 return',
    `${notOnNic(facts)}${drop('workload_tunnel')}`,
    ...([4, 6] as const).flatMap((family) =>
      inPrefixes(family, ofFamily(facts.pools, family)).map(
        (match) => `${match} ${drop('workload_tunnel')}`,
      ),
    ),
  ];
}

/** The pair was checked on `input`; a peer that owns "everything" still does not own our sources. */
function fromTunnelRules(facts: GuardFacts): readonly string[] {
  return ([4, 6] as const).flatMap((family) =>
    inPrefixes(family, ofFamily(facts.own, family)).map((own) => `${own} ${drop('decap_source')}`),
  );
}

function fromNicRules(facts: GuardFacts): readonly string[] {
  return ([4, 6] as const).flatMap((family) =>
    inPrefixes(family, ofFamily(facts.pools, family)).map(
      (pool) => `${pool} ${keyword[family]} saddr != @native${family} ${drop('native_source')}`,
    ),
  );
}

function fromWorkloadRules(facts: GuardFacts): readonly string[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = ofFamily(facts.own, family).map(prefixElement).join(', ');
    const foreign = own === '' ? '' : `${keyword[family]} saddr != { ${own} } `;
    return inPrefixes(family, ofFamily(facts.pools, family)).map(
      (pool) => `${pool} ${foreign}${drop('workload_source')}`,
    );
  });
}

/**
 * To other nodes' workloads by a device that is none of ours: in clear. That must have been decided;
 * a route of somebody else's, or ours before it is put right, is no decision.
 */
function egressRules(facts: GuardFacts): readonly string[] {
  return [
    `oifname { ${quoted(notUnderlay(facts))} } accept`,
    ...([4, 6] as const).flatMap((family) => {
      const pools = ofFamily(facts.pools, family).map(prefixElement).join(', ');
      const own = ofFamily(facts.own, family).map(prefixElement).join(', ');
      if (pools === '') return [];
      const daddr = `${keyword[family]} daddr`;
      const foreign = own === '' ? '' : `${daddr} != { ${own} } `;
      return [
        `${daddr} { ${pools} } ${foreign}${daddr} != @${nativeToSet}${family} ${drop('native_leak')}`,
      ];
    }),
  ];
}

/**
 * `fully-random` source ports: two connections that begin at once on two CPUs would else be given
 * the same port now and then, and one of them lose its first packet (RFC 6056 tells another reason).
 */
function masqueradeRules(facts: GuardFacts): readonly string[] {
  return ([4, 6] as const).flatMap((family) => {
    const { sources = [], keep = [] } = facts.masquerade ?? {};
    const from = ofFamily(sources, family).map(prefixElement).join(', ');
    const inside = ofFamily(keep, family).map(prefixElement).join(', ');
    if (from === '') return [];
    const word = keyword[family];
    return [
      `${word} saddr { ${from} } ${word} daddr != { ${inside} } oifname != { ${quoted(notUnderlay(facts))} } masquerade fully-random`,
    ];
  });
}

function notUnderlay(facts: GuardFacts): readonly string[] {
  return [...new Set(['lo', ...facts.tunnelDevices])];
}

/** A match on the source, or nothing when there are no prefixes. */
function inPrefixes(family: Family, prefixes: readonly Prefix[]): readonly string[] {
  if (prefixes.length === 0) return [];
  return [`${keyword[family]} saddr { ${prefixes.map(prefixElement).join(', ')} }`];
}

function onDevices(names: readonly string[], verdict: string): readonly string[] {
  return names.length === 0 ? [] : [`iifname { ${quoted(names)} } ${verdict}`];
}

/** By name, as devices may come and go and their indices with them. */
function notOnNic(facts: GuardFacts): string {
  return facts.nics.length === 0 ? '' : `iifname != { ${quoted(facts.nics)} } `;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

function drop(reason: DropReason): string {
  return `counter name "${reason}" drop`;
}

function withMark(rule: string): string {
  const hash = createHash('sha256').update(rule).digest('hex').slice(0, 12);
  return `${rule} comment "selvage ${hash}"`;
}

function innerSource(encapsulation: 'vxlan' | 'ipip', inner: Family): string {
  return `@th,${innerStart[encapsulation] + sourceOffset[inner]},${sourceBits[inner]}`;
}

/** An outer source and the inner ones that belong to it, as nft lists them. */
export function pairElement({ outer, inner }: Pair): string {
  return `${outer.text} . ${integerRange(inner)}`;
}

function integerRange(prefix: Prefix): string {
  const first = hexadecimal(prefix.bytes);
  const last = hexadecimal(lastBytes(prefix));
  return first === last ? first : `${first}-${last}`;
}

/** The bytes as one integer. There are tens of thousands of them, so no big integers on the way. */
function hexadecimal(bytes: Uint8Array): string {
  let digits = '';
  for (const byte of bytes) {
    if (digits !== '') digits += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16);
    else if (byte !== 0) digits = byte.toString(16);
  }
  return `0x${digits === '' ? '0' : digits}`;
}

/** As nft lists it: a host without its length. */
export function prefixElement(prefix: Prefix): string {
  return prefix.length === (prefix.family === 4 ? 32 : 128)
    ? firstAddress(prefix).text
    : prefix.text;
}
