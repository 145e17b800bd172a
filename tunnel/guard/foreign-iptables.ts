/** Reads `iptables-save` into the filter model; an option that it does not know is `maybe`. */
import { tryParseAddress } from '../../encap/address.js';
import { prefixContains, prefixOf, tryParseInterfaceAddress } from '../../encap/prefix.js';
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
import { iptablesPrefix } from './names.js';

export function parseForeignIptables(
  text: string,
  tool: Exclude<FilterTable['tool'], 'nft'>,
): readonly FilterTable[] {
  const tables: FilterTable[] = [];
  let chains = new Map<string, { name: string; base: FilterChain['base']; rules: FilterRule[] }>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1).trim();
      chains = new Map();
      const family = tool.startsWith('ip6') ? 'ip6' : 'ip';
      tables.push({ tool, family, name: table, chains });
    }
    const declared = /^:(\S+) (\S+)/.exec(line);
    if (declared !== null) {
      const [, name, policy] = declared as unknown as [string, string, string];
      chains.set(name, { name, base: baseOf({ name, policy, table }), rules: [] });
    }
    const rule = /^(?:\[\d+:\d+\] )?-A (\S+) (.*)$/.exec(line);
    // Our own chains are no foreign rules; a jump to a chain that is not known passes.
    if (rule !== null && !rule[1]!.startsWith(iptablesPrefix))
      chains.get(rule[1]!)?.rules.push(ruleOf(rule[2]!, line.replace(/^\[\S+ /, '')));
  }
  return tables;
}

function baseOf(chain: {
  readonly name: string;
  readonly policy: string;
  readonly table: string;
}): FilterChain['base'] {
  if (chain.policy === '-') return undefined;
  return {
    hook: chain.name.toLowerCase(),
    type: chain.table === 'nat' ? 'nat' : 'filter',
    policy: chain.policy === 'DROP' ? 'drop' : 'accept',
  };
}

function ruleOf(body: string, text: string): FilterRule {
  const words = [...body.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!);
  const conditions: ((packet: ImaginedPacket) => Truth)[] = [];
  let verdict: Verdict = { kind: 'continue' };
  for (let i = 0; i < words.length;) {
    const negated = words[i] === '!';
    if (negated) i++;
    const option = words[i++]!;
    const values: string[] = [];
    while (i < words.length && words[i] !== '!' && !words[i]!.startsWith('-'))
      values.push(words[i++]!);
    const value = values[0] ?? '';
    if (option === '-j' || option === '-g') {
      verdict = verdictOf(value, option === '-g' ? 'goto' : 'jump');
      // What follows are the target's own options.
      break;
    }
    conditions.push((packet) => {
      const result = optionTruth(packet, { option, value });
      return negated ? not(result) : result;
    });
  }
  return {
    text,
    matches: (packet) => and(conditions.map((condition) => condition(packet))),
    verdict: () => ({ verdict, truth: 'yes' }),
  };
}

function verdictOf(target: string, kind: 'jump' | 'goto'): Verdict {
  switch (target) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
    case 'REJECT':
      return { kind: 'drop' };
    case 'RETURN':
      return { kind: 'return' };
    case 'MASQUERADE':
    case 'SNAT':
    case 'NETMAP':
      return { kind: 'masquerade' };
    default:
      // Also LOG, MARK and the like: there is no chain of that name, so the walk goes on.
      return { kind, chain: target };
  }
}

function optionTruth(
  packet: ImaginedPacket,
  { option, value }: { readonly option: string; readonly value: string },
): Truth {
  const anyOf = (test: (one: string) => Truth): Truth => or(value.split(',').map(test));
  switch (option) {
    case '-m':
    case '--comment':
      return 'yes';
    case '-s':
      return addressTruth(packet.source, value);
    case '-d':
      return addressTruth(packet.destination, value);
    case '-i':
      return deviceMatches(packet.inDevice, { pattern: value, wildcard: '+' });
    case '-o':
      return deviceMatches(packet.outDevice, { pattern: value, wildcard: '+' });
    case '-p':
      return protocolMatches(packet, value);
    case '--dport':
    case '--dports':
    case '--ports':
      return anyOf((one) => portTruth(packet.destinationPort, one));
    case '--ctstate':
    case '--state':
      return anyOf((one) => truth(one === 'NEW'));
    case '--icmp-type':
    case '--icmpv6-type':
    case '--tcp-flags':
      return 'no';
    case '--dst-type':
      return anyOf((one) => truth(one === (arrives.has(packet.hook) ? 'LOCAL' : 'UNICAST')));
    default:
      return 'maybe';
  }
}

/** Where what is imagined is for this node itself. */
const arrives: ReadonlySet<ImaginedPacket['hook']> = new Set(['ingress', 'prerouting', 'input']);

function addressTruth(address: ImaginedPacket['source'], text: string): Truth {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed !== 'string')
    return truth(prefixContains(prefixOf(parsed.address, parsed.length), address));
  const single = tryParseAddress(text);
  return single === undefined ? 'maybe' : truth(single.text === address.text);
}

function portTruth(port: number | undefined, text: string): Truth {
  if (port === undefined) return 'no';
  const [low, high] = text.split(':').map(Number);
  return truth(low! <= port && port <= (high ?? low!));
}
