/** Reads `nft -j list ruleset` into the filter model; what it does not know becomes `maybe`. */
import { type Address, compareBytes, tryParseAddress } from '../../encap/address.js';
import { prefixContains, prefixOf } from '../../encap/prefix.js';
import {
  type FilterChain,
  type FilterRule,
  type FilterTable,
  type ImaginedPacket,
  type Truth,
  type Verdict,
  and,
  deviceMatches,
  not,
  or,
  protocolMatches,
  truth,
} from './filter-model.js';
import { guardTable } from './names.js';
import { nftSyntax } from './nft-syntax.js';

type Json = Readonly<Record<string, unknown>>;
type Sets = ReadonlyMap<string, readonly unknown[]>;

/** Every table but ours; matches of iptables-nft (`xt`) say no more than their name. */
export function parseNftRuleset(text: string): readonly FilterTable[] {
  const items = (JSON.parse(text) as { nftables: Json[] }).nftables;
  const sets = new Map<string, readonly unknown[]>();
  const chains = new Map<string, Map<string, { base: FilterChain['base']; rules: FilterRule[] }>>();
  for (const item of items) {
    const [kind, value] = Object.entries(item)[0] as [string, Json];
    const table = `${String(value['family'])} ${String(value['table'] ?? value['name'])}`;
    if (table.endsWith(` ${guardTable}`)) continue;
    if (kind === 'table') chains.set(table, new Map());
    if (kind === 'set') sets.set(`${table} ${String(value['name'])}`, list(value['elem']));
    if (kind === 'chain')
      chains.get(table)?.set(String(value['name']), { base: baseOf(value), rules: [] });
    if (kind !== 'rule') continue;
    const own: Sets = new Map(
      [...sets]
        .filter(([key]) => key.startsWith(`${table} `))
        .map(([key, elements]) => [`@${key.slice(table.length + 1)}`, elements]),
    );
    chains.get(table)?.get(String(value['chain']))?.rules.push(ruleOf(value, own));
  }
  return [...chains].map(([table, byName]): FilterTable => {
    const [family, name] = table.split(' ') as [string, string];
    const named = [...byName].map(([key, chain]) => [key, { name: key, ...chain }] as const);
    return { tool: 'nft', family, name, chains: new Map(named) };
  });
}

function baseOf(chain: Json): FilterChain['base'] {
  if (chain['hook'] === undefined) return undefined;
  const policy = chain['policy'] === 'drop' ? 'drop' : 'accept';
  const base = { hook: chain['hook'] as string, type: chain['type'] as string, policy } as const;
  return chain['dev'] === undefined ? base : { ...base, devices: list(chain['dev']).map(String) };
}

function ruleOf(rule: Json, sets: Sets): FilterRule {
  const expressions = rule['expr'] as Json[];
  const conditions: ((packet: ImaginedPacket) => Truth)[] = [];
  let verdict: FilterRule['verdict'] = () => ({ verdict: { kind: 'continue' }, truth: 'yes' });
  for (const expression of expressions) {
    const [kind, body] = Object.entries(expression)[0] as [string, Json];
    const plain = verdictOf(expression);
    if (kind === 'match') conditions.push((packet) => matchTruth(packet, { match: body, sets }));
    else if (kind === 'vmap') verdict = (packet) => mapped(packet, { map: body, sets });
    else if (plain !== undefined) verdict = () => ({ verdict: plain, truth: 'yes' });
    else if (kind === 'limit' || kind === 'ct count') conditions.push(() => 'maybe');
    else if (kind === 'xt' && body['type'] === 'match' && body['name'] !== 'comment')
      conditions.push(() => 'maybe');
  }
  return {
    // By its handle `nft -a list ruleset` shows it.
    text: nftSyntax(expressions) ?? `rule with handle ${String(rule['handle'])}`,
    matches: (packet) => and(conditions.map((condition) => condition(packet))),
    verdict,
  };
}

function verdictOf(expression: Json): Verdict | undefined {
  const [kind, body] = Object.entries(expression)[0] as [string, Json | null];
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return { kind };
    case 'reject':
      return { kind: 'drop' };
    case 'masquerade':
    case 'snat':
      return { kind: 'masquerade' };
    case 'jump':
    case 'goto':
      return { kind, chain: String(body?.['target']) };
    case 'xt':
      if (body?.['name'] === 'REJECT') return { kind: 'drop' };
      return ['MASQUERADE', 'SNAT', 'NETMAP'].includes(String(body?.['name']))
        ? { kind: 'masquerade' }
        : undefined;
    default:
      return undefined;
  }
}

function mapped(
  packet: ImaginedPacket,
  { map, sets }: { readonly map: Json; readonly sets: Sets },
): { readonly verdict: Verdict; readonly truth: Truth } {
  const pairs = list((map['data'] as Json | string as Json)['set']) as [unknown, Json][];
  let possible: Verdict | undefined;
  for (const [key, value] of pairs) {
    const match = { op: '==', left: map['key'], right: key };
    const matched = matchTruth(packet, { match, sets });
    const verdict = verdictOf(value) ?? { kind: 'continue' };
    if (matched === 'yes') return { verdict, truth: 'yes' };
    if (matched === 'maybe') possible ??= verdict;
  }
  return possible === undefined
    ? { verdict: { kind: 'continue' }, truth: 'no' }
    : { verdict: possible, truth: 'maybe' };
}

function matchTruth(
  packet: ImaginedPacket,
  { match, sets }: { readonly match: Json; readonly sets: Sets },
): Truth {
  const left = (match['left'] ?? {}) as Record<string, Json | undefined>;
  const inner = (one: unknown): Truth => fieldTruth(packet, { left, one });
  const applicable = protocolApplies(packet, left);
  if (applicable !== 'yes') return applicable;
  const right = match['right'];
  const set =
    typeof right === 'string' && right.startsWith('@')
      ? sets.get(right)
      : Array.isArray(right)
        ? (right as unknown[])
        : ((right as Json | null)?.['set'] as unknown[] | undefined);
  const result =
    typeof right === 'string' && right.startsWith('@') && set === undefined
      ? 'maybe'
      : or((set ?? [right]).map(inner));
  return match['op'] === '!=' ? not(result) : result;
}

/** A header field can only match in a packet that has this header. */
function protocolApplies(packet: ImaginedPacket, left: Record<string, Json | undefined>): Truth {
  const header = left['payload']?.['protocol'];
  if (header === 'ip') return truth(packet.family === 4);
  if (header === 'ip6') return truth(packet.family === 6);
  if (header === 'tcp' || header === 'udp') return protocolMatches(packet, header);
  if (header === 'icmp' || header === 'icmpv6') return 'no';
  return 'yes';
}

function fieldTruth(
  packet: ImaginedPacket,
  { left, one }: { readonly left: Record<string, Json | undefined>; readonly one: unknown },
): Truth {
  const { payload, meta, ct } = left;
  if (payload !== undefined) {
    switch (payload['field']) {
      case 'saddr':
        return addressTruth(packet.source, one);
      case 'daddr':
        return addressTruth(packet.destination, one);
      case 'protocol':
      case 'nexthdr':
        return protocolMatches(packet, String(one));
      case 'dport':
        return portTruth(packet.destinationPort, one);
      default:
        return 'maybe';
    }
  }
  if (meta !== undefined) {
    switch (meta['key']) {
      case 'iifname':
      case 'iif':
        return deviceMatches(packet.inDevice, { pattern: String(one), wildcard: '*' });
      case 'oifname':
      case 'oif':
        return deviceMatches(packet.outDevice, { pattern: String(one), wildcard: '*' });
      case 'l4proto':
        return protocolMatches(packet, String(one));
      case 'nfproto':
        return truth(String(one) === `ipv${packet.family}`);
      case 'protocol':
        return truth(String(one) === (packet.family === 4 ? 'ip' : 'ip6'));
      default:
        return 'maybe';
    }
  }
  if (ct?.['key'] === 'state') return truth(one === 'new');
  if (ct?.['key'] === 'status') return truth(false);
  return 'maybe';
}

function addressTruth(address: Address, one: unknown): Truth {
  if (typeof one === 'string') {
    const other = tryParseAddress(one);
    return other === undefined ? 'maybe' : truth(other.text === address.text);
  }
  const { prefix, range } = (one ?? {}) as {
    prefix?: { addr: string; len: number };
    range?: [string, string];
  };
  if (prefix !== undefined) {
    const network = tryParseAddress(prefix.addr);
    return network === undefined
      ? 'maybe'
      : truth(prefixContains(prefixOf(network, prefix.len), address));
  }
  const [low, high] = (range ?? []).map(tryParseAddress);
  if (low === undefined || high === undefined) return 'maybe';
  return truth(
    low.family === address.family &&
      compareBytes(low.bytes, address.bytes) <= 0 &&
      compareBytes(address.bytes, high.bytes) <= 0,
  );
}

function portTruth(port: number | undefined, one: unknown): Truth {
  if (port === undefined) return 'no';
  if (typeof one === 'number') return truth(one === port);
  const range = (one as Json | null)?.['range'] as [number, number] | undefined;
  return range === undefined ? 'maybe' : truth(range[0] <= port && port <= range[1]);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
