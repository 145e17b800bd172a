/**
 * Network security groups in the neutral form. A packet has to pass the group of the subnet and the
 * group of the NIC, each by its rules in the order of their priority; Azure's own defaults (65000
 * and up) are among the rules that it shows. Where there is no group, everything passes.
 */
import type { Prefix } from '../../../encap/prefix.js';
import { hostPrefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import { readAddress } from '../json-values.js';
import { portRange, protocolNumber } from '../protocol-names.js';
import { type ServiceTags, tagPrefixes } from './service-tags.js';
import {
  type AzureNic,
  type AzureRuleEnd,
  type AzureSecurityGroup,
  type AzureSecurityRule,
  key,
  lastPart,
} from './wire.js';

/** Addresses of NICs by the application security group that they are in. */
export type GroupMembers = ReadonlyMap<string, readonly Prefix[]>;

export function groupMembers(nics: readonly AzureNic[]): GroupMembers {
  const members = new Map<string, Prefix[]>();
  for (const { configurations } of nics)
    for (const { address, applicationGroups } of configurations) {
      const found = readAddress(address);
      if (found === undefined) continue;
      for (const group of applicationGroups)
        members.set(key(group), [...(members.get(key(group)) ?? []), hostPrefix(found)]);
    }
  return members;
}

export interface GroupContext {
  readonly tags: ServiceTags;
  readonly members: GroupMembers;
}

export const openFirewall: Firewall = {
  rules: [],
  otherwise: { ingress: 'allow', egress: 'allow' },
};

export function securityGroupFirewall(
  group: AzureSecurityGroup,
  context: GroupContext,
): { readonly firewall: Firewall; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const name = lastPart(group.id);
  const rules = group.rules.flatMap((rule) => {
    const read = translateRule(rule, context);
    if (read === undefined)
      problems.push(`network security group ${name}: rule ${rule.name} is not understood`);
    return (read ?? []).map((part) => ({ ...part, name: `${name}/${rule.name}` }));
  });
  return { firewall: { rules, otherwise: { ingress: 'deny', egress: 'deny' } }, problems };
}

function translateRule(
  rule: AzureSecurityRule,
  context: GroupContext,
): readonly Omit<FirewallRule, 'name'>[] | undefined {
  const protocol = protocolNumber(rule.protocol);
  const ports = readPorts(rule.destination.ports);
  if (protocol === undefined || ports === undefined) return undefined;
  // Our packets come from any port (VXLAN takes it from the inner flow): an allowance of some
  // source ports is none, a denial of some is one.
  const anySource = rule.source.ports.length === 0 || rule.source.ports.includes('*');
  if (!anySource && rule.access === 'allow') return [];
  const [peer, own] =
    rule.direction === 'ingress'
      ? [rule.source, rule.destination]
      : [rule.destination, rule.source];
  const base = {
    direction: rule.direction,
    action: rule.access,
    priority: rule.priority,
    protocol,
    prefixes: prefixesOf(peer, context),
    groups: [],
    local: own.addresses.includes('*') ? undefined : prefixesOf(own, context),
  };
  return ports === 'all' ? [base] : ports.map((range) => ({ ...base, ports: range }));
}

/** Tags that only Azure can resolve (Storage, Sql…) are services, and no node is one. */
function prefixesOf(end: AzureRuleEnd, { tags, members }: GroupContext): readonly Prefix[] {
  return [
    ...end.addresses.flatMap((text) => tagPrefixes(text, tags) ?? []),
    ...end.groups.flatMap((group) => members.get(key(group)) ?? []),
  ];
}

function readPorts(
  texts: readonly string[],
): 'all' | readonly NonNullable<FirewallRule['ports']>[] | undefined {
  if (texts.length === 0 || texts.includes('*')) return 'all';
  const ranges = texts.map(portRange);
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}
