/** Reads `iptables-save --counters`: our chains, and where the built-in ones jump to them. */
import { type BuiltinChain, type IptablesTable, builtinChains } from './iptables-program.js';
import { iptablesPrefix } from './names.js';

export interface IptablesListing {
  /** Rules of our chains in order, without `-A CHAIN`. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Packets and bytes of the only rule of each drop chain, as `[packets:bytes]`. */
  readonly counters: ReadonlyMap<string, string>;
  /** Targets of the rules of built-in chains in order; other rules than a plain jump read ''. */
  readonly builtin: Readonly<Partial<Record<BuiltinChain, readonly string[]>>>;
}

/** iptables-save names protocols as /etc/protocols does, where that file is there. */
const protocolNumbers: Readonly<Record<string, string>> = {
  ipencap: '4',
  ipv4: '4',
  ipv6: '41',
  '17': 'udp',
};

/** One table's part; a table that the kernel does not have is empty. */
export function parseIptablesSave(text: string, table: IptablesTable): IptablesListing {
  const chains = new Map<string, string[]>();
  const counters = new Map<string, string>();
  const builtins: readonly string[] = builtinChains[table];
  const builtin: Record<string, string[]> = Object.fromEntries(builtins.map((name) => [name, []]));
  let current = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) current = line.slice(1).trim();
    if (current !== table) continue;
    const declared = /^:(\S+) /.exec(line)?.[1];
    if (declared?.startsWith(iptablesPrefix) === true) chains.set(declared, []);
    const rule = /^(\[\d+:\d+\]) -A (\S+) (.*)$/.exec(line);
    if (rule === null) continue;
    const [, counter, name, body] = rule as unknown as [string, string, string, string];
    builtin[name]?.push(/^-j (\S+)$/.exec(body)?.[1] ?? '');
    chains.get(name)?.push(normal(body));
    if (body === '-j DROP') counters.set(name, counter);
  }
  return { chains, counters, builtin };
}

function normal(rule: string): string {
  return rule.replace(/-p (\S+)/, (_, name: string) => `-p ${protocolNumbers[name] ?? name}`);
}
