/**
 * VPC firewall rules in the neutral form. A rule is for the instances that carry one of its target
 * tags or run as one of its target accounts, or for all; the smaller priority decides, and a denial
 * comes before an allowance of the same one. What no rule says is the network's implied rules:
 * nothing in, everything out.
 */
import type { Prefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import { readPrefixes } from '../json-values.js';
import { portRange, protocolNumber } from '../protocol-names.js';
import type { ComputeFirewall, ComputeInstance, ComputeTraffic } from './wire.js';

export interface TranslatedRules {
  readonly rules: readonly FirewallRule[];
  /** What could not be understood, and is left out. */
  readonly problems: readonly string[];
}

/** The groups that an instance is in: a tag and an account may have the same name. */
export function groupsOf(instance: ComputeInstance): readonly string[] {
  return [
    ...instance.tags.map((tag) => `tag:${tag}`),
    ...instance.serviceAccounts.map((account) => `account:${account}`),
  ];
}

export function appliesTo(rule: ComputeFirewall, instance: ComputeInstance): boolean {
  if (rule.targetTags.length + rule.targetServiceAccounts.length === 0) return true;
  return (
    rule.targetTags.some((tag) => instance.tags.includes(tag)) ||
    rule.targetServiceAccounts.some((account) => instance.serviceAccounts.includes(account))
  );
}

const everywhere = readPrefixes(['0.0.0.0/0', '::/0']);

/** Rules of one network for one instance; those of other networks must be left out before. */
export function computeFirewall(rules: readonly FirewallRule[]): Firewall {
  return { rules, otherwise: { ingress: 'deny', egress: 'allow' } };
}

export function translateRule(rule: ComputeFirewall): TranslatedRules {
  if (rule.disabled) return { rules: [], problems: [] };
  const problems: string[] = [];
  const ingress = rule.direction === 'ingress';
  const [peers, own] = ingress
    ? [rule.sourceRanges, rule.destinationRanges]
    : [rule.destinationRanges, rule.sourceRanges];
  const groups = ingress
    ? [
        ...rule.sourceTags.map((tag) => `tag:${tag}`),
        ...rule.sourceServiceAccounts.map((account) => `account:${account}`),
      ]
    : [];
  const prefixes = peers.length + groups.length === 0 ? everywhere : readPrefixes(peers);
  const ends: Ends = { prefixes, groups, local: own.length === 0 ? undefined : readPrefixes(own) };
  const each = (traffic: readonly ComputeTraffic[], action: 'allow' | 'deny'): FirewallRule[] =>
    traffic.flatMap((entry) => {
      const read = readTraffic(entry);
      if (read === undefined) {
        problems.push(
          `firewall rule ${rule.name}: "${[entry.protocol, ...entry.ports].join(' ')}" is not understood and not counted`,
        );
        return [];
      }
      return read.map((part) => ({
        name: rule.name,
        direction: rule.direction,
        action,
        priority: rule.priority,
        ...part,
        ...ends,
      }));
    });
  return { rules: [...each(rule.denied, 'deny'), ...each(rule.allowed, 'allow')], problems };
}

interface Ends {
  readonly prefixes: readonly Prefix[];
  readonly groups: readonly string[];
  readonly local: readonly Prefix[] | undefined;
}

function readTraffic(
  entry: ComputeTraffic,
): readonly Pick<FirewallRule, 'protocol' | 'ports'>[] | undefined {
  const protocol = protocolNumber(entry.protocol);
  if (protocol === undefined) return undefined;
  if (entry.ports.length === 0) return [{ protocol }];
  const ranges = entry.ports.map(portRange);
  return ranges.some((range) => range === undefined)
    ? undefined
    : ranges.map((ports) => ({ protocol, ports }));
}
