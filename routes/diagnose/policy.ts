/**
 * The walk of one packet through the policy rules, as the kernel does it (net/core/fib_rules.c):
 * by priority, the first rule whose table has a route decides. Somebody's rule before `main` can
 * take overlay or tunnel packets to another table, where none of our routes are.
 */
import type { Address, Family } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import { prefixContains } from '../../encap/prefix.js';
import { bestRoute } from '../../tunnel/best-route.js';
import type { PolicyRule } from '../../tunnel/kernel-details.js';
import { formatPolicyRule, tableName } from '../../tunnel/kernel-details.js';
import { formatObject } from '../../tunnel/format.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { mainTable } from '../ownership.js';

/** A packet without a mark; `inDevice` undefined: made by this node itself. */
export interface RoutedPacket {
  readonly family: Family;
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: number | undefined;
  readonly destinationPort: number | undefined;
  readonly inDevice: string | undefined;
}

/** Somebody's rule that decides before `main`, or none that leads there. */
export interface Diversion {
  readonly rule: PolicyRule | undefined;
  /** `10: from all to 10.64.0.0/16 lookup 100`. */
  readonly text: string;
  /** What the packet meets there. */
  readonly outcome: string;
  /** False when the rule depends on more than the packet's headers. */
  readonly certain: boolean;
}

const localTable = 255;
const ours = Symbol('as the main table has it');

/** Undefined: the packet is decided by the main (or the local) table. */
export function diversionOf(
  packet: RoutedPacket,
  of: { readonly rules: readonly PolicyRule[]; readonly routes: readonly RouteObject[] },
): Diversion | undefined {
  const rules = of.rules
    .filter((rule) => rule.family === packet.family)
    .sort((a, b) => a.priority - b.priority);
  const doubtful: Diversion[] = [];
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    const match = matches(rule, packet);
    if (match === 'no') continue;
    if (rule.action === 'goto') {
      // A jump that only may happen is taken as not happening: what it skips is judged then.
      const target = rules.findIndex(
        (other, at) => at > i && other.priority >= (rule.goto ?? Infinity),
      );
      if (match === 'yes' && target > i) i = target - 1;
      continue;
    }
    const outcome = outcomeOf(rule, { packet, routes: of.routes });
    if (outcome === undefined) continue;
    if (outcome === ours) return doubtful[0];
    const diversion = { rule, text: formatPolicyRule(rule), outcome, certain: match === 'yes' };
    if (diversion.certain) return diversion;
    doubtful.push(diversion);
  }
  return (
    doubtful[0] ?? {
      rule: undefined,
      text: '32766: from all lookup main',
      outcome: 'no rule leads to the main table',
      certain: true,
    }
  );
}

/** Undefined: the next rule is tried. `ours`: the main table has the last word. */
function outcomeOf(
  rule: PolicyRule,
  of: { readonly packet: RoutedPacket; readonly routes: readonly RouteObject[] },
): string | typeof ours | undefined {
  switch (rule.action) {
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return rule.action;
    case 'nop':
    case 'goto':
    case 'other':
      return undefined;
    case 'lookup': {
      if (rule.table === mainTable) {
        const suppressed = rule.suppressPrefixLength;
        const found = bestRoute(of.routes, { table: mainTable, address: of.packet.destination });
        return suppressed !== undefined && found !== undefined && found.prefix.length <= suppressed
          ? undefined
          : ours;
      }
      if (rule.table === localTable) {
        // Broadcast and multicast entries are in there too; what is local is seen by the lookup.
        return undefined;
      }
      const found = bestRoute(of.routes, { table: rule.table, address: of.packet.destination });
      if (found === undefined) return undefined;
      if (found.target.kind === 'other' && found.target.description === 'throw') return undefined;
      if (
        rule.suppressPrefixLength !== undefined &&
        found.prefix.length <= rule.suppressPrefixLength
      )
        return undefined;
      const main = bestRoute(of.routes, { table: mainTable, address: of.packet.destination });
      return main !== undefined && sameWay(found, main)
        ? ours
        : `table ${tableName(rule.table)}: ${formatObject(found)}`;
    }
  }
}

/** A copy of our route in another table leads the same way. */
function sameWay(a: RouteObject, b: RouteObject): boolean {
  return (
    a.target.kind === 'unicast' &&
    b.target.kind === 'unicast' &&
    a.target.device === b.target.device &&
    a.target.gateway?.text === b.target.gateway?.text
  );
}

function matches(rule: PolicyRule, packet: RoutedPacket): 'yes' | 'no' | 'maybe' {
  const within = (prefix: Prefix | undefined, address: Address): boolean =>
    prefix === undefined || prefixContains(prefix, address);
  const unmarked = rule.mark === undefined || (rule.mark.value & rule.mark.mask) === 0;
  const ports = rule.destinationPorts;
  const certain =
    within(rule.source, packet.source) &&
    within(rule.destination, packet.destination) &&
    unmarked &&
    (rule.inDevice === undefined || rule.inDevice === (packet.inDevice ?? 'lo')) &&
    rule.outDevice === undefined &&
    (rule.ipProtocol === undefined ||
      packet.protocol === undefined ||
      rule.ipProtocol === packet.protocol) &&
    (ports === undefined ||
      packet.destinationPort === undefined ||
      (packet.destinationPort >= ports.first && packet.destinationPort <= ports.last));
  if (certain === rule.invert) return 'no';
  const doubt =
    rule.otherConditions.some((condition) => condition !== 'l3mdev') ||
    rule.sourcePorts !== undefined ||
    (packet.protocol === undefined && rule.ipProtocol !== undefined) ||
    (packet.destinationPort === undefined && ports !== undefined);
  // A device is in a VRF or is not; ours are in none.
  if (rule.otherConditions.includes('l3mdev')) return 'no';
  return doubt ? 'maybe' : 'yes';
}
