/**
 * Somebody else's packet filter as far as we understand it, and the walk of one imagined packet
 * through it. A condition that we cannot judge (a mark, a rate, an external set) is `maybe`, and a
 * finding that hangs on one says that it is not certain.
 */
import type { Address, Family } from '../../encap/address.js';

export type Truth = 'yes' | 'no' | 'maybe';

/** A packet of a new connection, as the filter would see it. */
export interface ImaginedPacket {
  readonly hook: 'ingress' | 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  readonly family: Family;
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: number;
  readonly destinationPort: number | undefined;
  readonly inDevice: DeviceGuess;
  readonly outDevice: DeviceGuess;
}

/** A known device, or a workload's, of which only is known that it is none of these. */
export type DeviceGuess = string | { readonly noneOf: readonly string[] };

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'masquerade' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export interface FilterRule {
  readonly text: string;
  readonly matches: (packet: ImaginedPacket) => Truth;
  /** Usually one; a verdict map gives one for each key. */
  readonly verdict: (packet: ImaginedPacket) => {
    readonly verdict: Verdict;
    readonly truth: Truth;
  };
}

export interface FilterChain {
  readonly name: string;
  readonly base:
    | {
        readonly hook: string;
        readonly type: string;
        readonly policy: 'accept' | 'drop';
        /** Of a chain on ingress: it sees these alone. */
        readonly devices?: readonly string[];
      }
    | undefined;
  readonly rules: readonly FilterRule[];
}

export interface FilterTable {
  readonly tool: 'nft' | 'iptables' | 'iptables-legacy' | 'ip6tables' | 'ip6tables-legacy';
  /** As nft calls it: ip, ip6, inet. */
  readonly family: string;
  readonly name: string;
  readonly chains: ReadonlyMap<string, FilterChain>;
}

export interface Fate {
  readonly kind: 'accept' | 'drop' | 'masquerade';
  readonly chain: string;
  /** The deciding rule's text; undefined: the base chain's policy. */
  readonly rule: string | undefined;
  readonly certain: boolean;
}

/** What the base chain does with the packet; the first `drop` or `masquerade` that may happen. */
export function fateOf(
  packet: ImaginedPacket,
  { table, base }: { readonly table: FilterTable; readonly base: FilterChain },
): Fate {
  const walk = new Walk(packet, table);
  walk.chain(base, 0);
  const policy = base.base?.policy ?? 'accept';
  walk.fates.push({ kind: policy, chain: base.name, rule: undefined, certain: true });
  const end = walk.fates.findIndex((fate) => fate.certain);
  const possible = walk.fates.slice(0, end + 1);
  // Translation that may happen is worth telling; a drop that may happen (a rate limit) is not.
  const translated = possible.find((fate) => fate.kind === 'masquerade');
  if (translated !== undefined)
    return { ...translated, certain: possible.indexOf(translated) === 0 && translated.certain };
  const last = possible.at(-1)!;
  return { ...last, certain: possible.every((fate) => fate.kind === last.kind) };
}

/** No walk of a real ruleset is deeper; a loop of jumps would be. */
const maxDepth = 64;

class Walk {
  /** In order; the first certain one ends the walk. */
  readonly fates: Fate[] = [];
  readonly #packet: ImaginedPacket;
  readonly #table: FilterTable;

  constructor(packet: ImaginedPacket, table: FilterTable) {
    this.#packet = packet;
    this.#table = table;
  }

  /** True when the packet certainly goes no further than this chain. */
  chain(chain: FilterChain, depth: number, doubt = false): boolean {
    if (depth > maxDepth) return false;
    for (const rule of chain.rules) {
      const matched = rule.matches(this.#packet);
      if (matched === 'no') continue;
      const { verdict, truth } = rule.verdict(this.#packet);
      if (truth === 'no') continue;
      const sure = matched === 'yes' && truth === 'yes';
      switch (verdict.kind) {
        case 'continue':
          continue;
        case 'return':
          // A return that only may happen is taken as not happening: what follows may decide.
          if (sure) return false;
          continue;
        case 'accept':
        case 'drop':
        case 'masquerade': {
          const certain = sure && !doubt;
          const fate = { kind: verdict.kind, chain: chain.name, rule: rule.text, certain };
          this.fates.push(fate);
          if (certain) return true;
          if (sure) return false;
          continue;
        }
        case 'jump':
        case 'goto': {
          const target = this.#table.chains.get(verdict.chain);
          if (target === undefined) continue;
          if (this.chain(target, depth + 1, doubt || !sure)) return true;
          if (sure && verdict.kind === 'goto') return false;
          continue;
        }
      }
    }
    return false;
  }
}

export function and(truths: readonly Truth[]): Truth {
  if (truths.includes('no')) return 'no';
  return truths.includes('maybe') ? 'maybe' : 'yes';
}

export function or(truths: readonly Truth[]): Truth {
  if (truths.includes('yes')) return 'yes';
  return truths.includes('maybe') ? 'maybe' : 'no';
}

export function not(truth: Truth): Truth {
  return truth === 'maybe' ? 'maybe' : truth === 'yes' ? 'no' : 'yes';
}

export function truth(value: boolean): Truth {
  return value ? 'yes' : 'no';
}

/** `pattern` may end in the tool's wildcard. */
export function deviceMatches(
  device: DeviceGuess,
  { pattern, wildcard }: { readonly pattern: string; readonly wildcard: '*' | '+' },
): Truth {
  const like = (name: string): boolean =>
    pattern.endsWith(wildcard) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  if (typeof device === 'string') return truth(like(device));
  return device.noneOf.some(like) ? 'no' : 'maybe';
}

/** IANA protocol numbers under the names that the tools print. */
const protocols: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipencap: 4,
  ipip: 4,
  ipv4: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  'ipv6-icmp': 58,
  sctp: 132,
  udplite: 136,
};

export function protocolMatches(packet: ImaginedPacket, name: string): Truth {
  const number = /^\d+$/.test(name) ? Number(name) : protocols[name];
  return number === undefined ? 'maybe' : truth(number === packet.protocol);
}
