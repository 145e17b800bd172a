/**
 * Security groups of Neutron in the neutral form: rules only allow, the groups of a port add up, and
 * what none of them allows is dropped, both ways. A port without port security has no firewall.
 */
import { type Prefix, parsePrefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import { readPrefixes } from '../json-values.js';
import { protocolNumber } from '../protocol-names.js';
import type { NeutronGroup, NeutronRule } from './wire.js';

export interface TranslatedGroups {
  readonly firewall: Firewall;
  /** What could not be understood, and is not counted. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export const openFirewall: Firewall = {
  rules: [],
  otherwise: { ingress: 'allow', egress: 'allow' },
};

export function securityGroups(groups: readonly NeutronGroup[]): TranslatedGroups {
  const problems: string[] = [];
  const notes: string[] = [];
  const rules = groups.flatMap((group) =>
    group.rules.flatMap((rule) => {
      const name = `${group.name} rule ${rule.id}`;
      if (/^ipip$/i.test(rule.protocol ?? ''))
        notes.push(
          `security group ${name} names protocol ipip, of which older releases of Neutron make 94: write the number 4`,
        );
      const read = translateRule(rule, name);
      if (read === undefined) problems.push(`security group ${name} is not understood`);
      return read ?? [];
    }),
  );
  return {
    firewall: { rules, otherwise: { ingress: 'deny', egress: 'deny' } },
    problems,
    notes,
  };
}

const everywhere: Readonly<Record<4 | 6, Prefix>> = {
  4: parsePrefix('0.0.0.0/0'),
  6: parsePrefix('::/0'),
};

/** ICMP and ICMPv6. */
const icmp = new Set<number | 'all'>([1, 58]);

function translateRule(rule: NeutronRule, name: string): FirewallRule | undefined {
  const protocol = ruleProtocol(rule);
  if (protocol === undefined || rule.remoteAddressGroup !== undefined) return undefined;
  const { remoteGroup, remotePrefix, rangeMin: min, rangeMax: max } = rule;
  const anywhere = remoteGroup === undefined && remotePrefix === undefined;
  const prefixes = anywhere ? [everywhere[rule.family]] : readPrefixes([remotePrefix]);
  if (remotePrefix !== undefined && prefixes.length === 0) return undefined;
  const what =
    min === undefined
      ? {}
      : icmp.has(protocol)
        ? { icmp: { type: min, code: max } }
        : { ports: { from: min, to: max ?? min } };
  return {
    name,
    direction: rule.direction,
    action: 'allow',
    protocol,
    ...what,
    prefixes,
    groups: remoteGroup === undefined ? [] : [remoteGroup],
    priority: 0,
  };
}

/** In a rule for IPv6 Neutron takes `icmp` for ICMPv6. */
function ruleProtocol({ protocol, family }: NeutronRule): number | 'all' | undefined {
  if (protocol === undefined) return 'all';
  if (family === 6 && /^icmp$/i.test(protocol)) return 58;
  // IANA's 0 (hop-by-hop options) is another word for any, here.
  return protocol === '0' ? 'all' : protocolNumber(protocol);
}
