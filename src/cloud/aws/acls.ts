/**
 * Network ACLs in the provider-neutral form of a firewall: a subnet's own, asked only of packets
 * that come from or go to another subnet. The rule with the smallest number that matches decides;
 * EC2 lists the closing "deny all" as number 32767. They know no connections: each direction is
 * asked for itself.
 */
import { tryParsePrefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import type { Ec2Client } from './ec2-client.js';
import { filters, inBatches } from './ec2-client.js';
import { portsAndTypes, protocolNumber } from './groups.js';
import type { Element } from './xml.js';

export interface NetworkAcl {
  readonly id: string;
  readonly subnets: readonly string[];
  readonly firewall: Firewall;
}

function readEntry(acl: string, entry: Element): FirewallRule | undefined {
  const text = entry.text('cidrBlock') ?? entry.text('ipv6CidrBlock') ?? '';
  const prefix = tryParsePrefix(text);
  const protocol = protocolNumber(entry.text('protocol') ?? '');
  const number = entry.number('ruleNumber');
  if (typeof prefix === 'string' || protocol === undefined || number === undefined)
    return undefined;
  const direction = entry.flag('egress') === true ? 'egress' : 'ingress';
  const icmp = entry.element('icmpTypeCode');
  const range = entry.element('portRange');
  const named = icmp.number('type') === undefined ? range : icmp;
  const [from, to] = named === icmp ? (['type', 'code'] as const) : (['from', 'to'] as const);
  return {
    name: `${acl} ${direction} rule ${number}`,
    direction,
    action: entry.text('ruleAction') === 'allow' ? 'allow' : 'deny',
    protocol,
    ...portsAndTypes(protocol, { from: named.number(from), to: named.number(to) }),
    prefixes: [prefix],
    groups: [],
    priority: number,
  };
}

export function readAcl(item: Element): NetworkAcl {
  const id = item.text('networkAclId') ?? '';
  return {
    id,
    subnets: item.items('associationSet').flatMap((entry) => entry.text('subnetId') ?? []),
    firewall: {
      rules: item.items('entrySet').flatMap((entry) => readEntry(id, entry) ?? []),
      otherwise: { ingress: 'deny', egress: 'deny' },
    },
  };
}

const pageSize = 500;

/** One call for up to 200 subnets; by subnet. */
export async function findAcls(
  client: Ec2Client,
  subnets: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, NetworkAcl>> {
  const found = new Map<string, NetworkAcl>();
  for (const batch of inBatches(subnets)) {
    const items = await client.list('DescribeNetworkAcls', {
      parameters: filters({ 'association.subnet-id': batch }),
      list: 'networkAclSet',
      pageSize,
      signal,
    });
    for (const acl of items.map(readAcl)) for (const subnet of acl.subnets) found.set(subnet, acl);
  }
  return found;
}
