/** The command that makes room for our packets in somebody else's ruleset, in its own tool. */
import type { Family } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import type { FilterTable } from './filter-model.js';

export type Blocked =
  | {
      readonly kind: 'drops-tunnel';
      readonly what: string;
      readonly nic: string;
      /** On its way into this node or out of it. */
      readonly way: 'in' | 'out';
      readonly family: Family;
      readonly protocol: number;
      /** UDP port; undefined for IP in IP. */
      readonly port: number | undefined;
    }
  | {
      readonly kind: 'drops-forwarded' | 'masquerades-overlay';
      readonly what: string;
      readonly family: Family;
      readonly pools: readonly Prefix[];
    };

export function remedyFor(
  blocked: Blocked,
  { table, base }: { readonly table: FilterTable; readonly base: string },
): string {
  // Managers of rules would undo what is put in behind their back.
  const managed = manager(table);
  const arrives = blocked.kind === 'drops-tunnel' && blocked.way === 'in';
  if (arrives && managed === 'firewalld') {
    const what =
      blocked.port === undefined
        ? `--add-protocol=${blocked.protocol}`
        : `--add-port=${blocked.port}/udp`;
    return `firewall-cmd --permanent ${what} && firewall-cmd --reload`;
  }
  if (blocked.kind === 'drops-tunnel' && managed === 'ufw' && blocked.port !== undefined)
    return `ufw allow ${blocked.way} on ${blocked.nic} to any port ${blocked.port} proto udp`;
  return table.tool === 'nft'
    ? `nft insert rule ${table.family} ${table.name} ${base} ${nftMatch(blocked)} accept`
    : iptablesCommands(blocked, { table, base });
}

function manager(table: FilterTable): 'firewalld' | 'ufw' | undefined {
  if (table.name === 'firewalld') return 'firewalld';
  return [...table.chains.keys()].some((name) => /^ufw6?-/.test(name)) ? 'ufw' : undefined;
}

function nftMatch(blocked: Blocked): string {
  if (blocked.kind === 'drops-tunnel') {
    const what =
      blocked.port === undefined ? `meta l4proto ${blocked.protocol}` : `udp dport ${blocked.port}`;
    return `${blocked.way === 'in' ? 'iifname' : 'oifname'} "${blocked.nic}" ${what}`;
  }
  const word = blocked.family === 4 ? 'ip' : 'ip6';
  const pools = `{ ${blocked.pools.map(({ text }) => text).join(', ')} }`;
  return `${word} saddr ${pools} ${word} daddr ${pools}`;
}

function iptablesCommands(
  blocked: Blocked,
  { table, base }: { readonly table: FilterTable; readonly base: string },
): string {
  const insert = `${table.tool} -t ${table.name} -I ${base} 1`;
  if (blocked.kind === 'drops-tunnel') {
    const what =
      blocked.port === undefined ? `-p ${blocked.protocol}` : `-p udp --dport ${blocked.port}`;
    return `${insert} ${blocked.way === 'in' ? '-i' : '-o'} ${blocked.nic} ${what} -j ACCEPT`;
  }
  const pools = blocked.pools.map(({ text }) => text).join(',');
  return `${insert} -s ${pools} -d ${pools} -j ACCEPT`;
}
