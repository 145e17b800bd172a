/**
 * Security groups in the provider-neutral form of a firewall. An interface's groups act as one:
 * what any of them allows passes, and nothing else does; there is no deny and no order.
 *
 * A rule may name a managed prefix list, whose entries are not read here. Such a firewall has two
 * readings, one in which the list is empty and one in which it is everything, and an answer that
 * both agree on is certain.
 */
import { parsePrefix, tryParsePrefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import type { Ec2Client } from './ec2-client.js';
import { filters, inBatches } from './ec2-client.js';
import type { Element } from './xml.js';

export interface SecurityGroup {
  readonly id: string;
  readonly rules: readonly GroupRule[];
}

export interface GroupRule {
  readonly rule: FirewallRule;
  /** `pl-…` whose entries are peers of the rule too. */
  readonly lists: readonly string[];
}

/** EC2 has names for these; all others are numbers, and -1 is every one. */
const protocols: Readonly<Record<string, number | 'all'>> = {
  '-1': 'all',
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
};

/** Undefined for what EC2 does not document. */
export function protocolNumber(text: string): number | 'all' | undefined {
  if (Object.hasOwn(protocols, text)) return protocols[text];
  return /^\d{1,3}$/.test(text) && Number(text) < 256 ? Number(text) : undefined;
}

/** -1 (or nothing) as the first of the two means every one. */
export function portsAndTypes(
  protocol: number | 'all',
  range: { readonly from: number | undefined; readonly to: number | undefined },
): Pick<FirewallRule, 'ports' | 'icmp'> {
  const { from, to } = range;
  if (protocol === 'all' || from === undefined || from < 0) return {};
  if (protocol === 1 || protocol === 58)
    return { icmp: { type: from, code: to === undefined || to < 0 ? undefined : to } };
  return { ports: { from, to: to ?? from } };
}

function readRules(
  group: string,
  direction: 'ingress' | 'egress',
  permissions: readonly Element[],
): GroupRule[] {
  return permissions.flatMap((permission, i) => {
    const protocol = protocolNumber(permission.text('ipProtocol') ?? '');
    if (protocol === undefined) return [];
    const ranges = [
      ...permission.items('ipRanges').map((range) => range.text('cidrIp')),
      ...permission.items('ipv6Ranges').map((range) => range.text('cidrIpv6')),
    ];
    const prefixes = ranges.flatMap((text) => {
      const prefix = text === undefined ? 'not-a-prefix' : tryParsePrefix(text);
      return typeof prefix === 'string' ? [] : [prefix];
    });
    return [
      {
        rule: {
          name: `${group} ${direction} rule ${i + 1}`,
          direction,
          action: 'allow' as const,
          protocol,
          ...portsAndTypes(protocol, {
            from: permission.number('fromPort'),
            to: permission.number('toPort'),
          }),
          prefixes,
          groups: permission.items('groups').flatMap((pair) => pair.text('groupId') ?? []),
          priority: 0,
        },
        lists: permission.items('prefixListIds').flatMap((list) => list.text('prefixListId') ?? []),
      },
    ];
  });
}

export function readGroup(item: Element): SecurityGroup {
  const id = item.text('groupId') ?? '';
  return {
    id,
    rules: [
      ...readRules(id, 'ingress', item.items('ipPermissions')),
      ...readRules(id, 'egress', item.items('ipPermissionsEgress')),
    ],
  };
}

const pageSize = 500;

/** One call for up to 200 groups; by id. */
export async function findGroups(
  client: Ec2Client,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, SecurityGroup>> {
  const found = new Map<string, SecurityGroup>();
  for (const batch of inBatches(ids)) {
    const items = await client.list('DescribeSecurityGroups', {
      parameters: filters({ 'group-id': batch }),
      list: 'securityGroupInfo',
      pageSize,
      signal,
    });
    for (const group of items.map(readGroup)) found.set(group.id, group);
  }
  return found;
}

const everybody = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')];
const otherwise = { ingress: 'deny', egress: 'deny' } as const;

/** A firewall as it is at least, and at most; the same object where it is certain. */
export interface FirewallBounds {
  readonly least: Firewall;
  readonly most: Firewall;
}

/** What an interface with these groups lets pass. */
export function groupsFirewall(groups: readonly SecurityGroup[]): FirewallBounds {
  const rules = groups.flatMap((group) => group.rules);
  const least: Firewall = { rules: rules.map(({ rule }) => rule), otherwise };
  if (rules.every(({ lists }) => lists.length === 0)) return { least, most: least };
  return {
    least,
    most: {
      rules: rules.map(({ rule, lists }) =>
        lists.length === 0 ? rule : { ...rule, prefixes: everybody },
      ),
      otherwise,
    },
  };
}
