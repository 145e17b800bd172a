/**
 * Network interfaces as DescribeNetworkInterfaces tells them: whose addresses they hold, and
 * whether they check sources and destinations.
 */
import type { Ec2Client } from './ec2-client.js';
import { filterValues, filters, inBatches } from './ec2-client.js';
import { tagsOf } from './tags.js';
import type { Element } from './xml.js';

export interface NetworkInterface {
  readonly id: string;
  readonly vpcId: string | undefined;
  readonly subnetId: string | undefined;
  /** Undefined: not attached to an instance of this account. */
  readonly instanceId: string | undefined;
  /** 0 for the first one. */
  readonly deviceIndex: number | undefined;
  /** Canonical texts of both families, the primary one first. */
  readonly addresses: readonly string[];
  /** Undefined: EC2 did not say. */
  readonly check: 'enabled' | 'disabled' | undefined;
  readonly groups: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
}

export function readInterface(item: Element): NetworkInterface {
  const attachment = item.element('attachment');
  const check = item.flag('sourceDestCheck');
  const addresses = [
    item.text('privateIpAddress'),
    ...item.items('privateIpAddressesSet').map((entry) => entry.text('privateIpAddress')),
    ...item.items('ipv6AddressesSet').map((entry) => entry.text('ipv6Address')),
  ].filter((text) => text !== undefined);
  return {
    id: item.text('networkInterfaceId') ?? '',
    vpcId: item.text('vpcId'),
    subnetId: item.text('subnetId'),
    instanceId: attachment.text('instanceId'),
    deviceIndex: attachment.number('deviceIndex'),
    addresses: [...new Set(addresses)],
    check: check === undefined ? undefined : check ? 'enabled' : 'disabled',
    groups: item.items('groupSet').flatMap((group) => group.text('groupId') ?? []),
    tags: tagsOf(item),
  };
}

/** Items of a page, the most that EC2 gives. */
const pageSize = 1000;

interface Asking {
  readonly signal?: AbortSignal | undefined;
}

async function describe(
  client: Ec2Client,
  wanted: Readonly<Record<string, readonly string[]>>,
  asking: Asking,
): Promise<readonly NetworkInterface[]> {
  const items = await client.list('DescribeNetworkInterfaces', {
    parameters: filters(wanted),
    list: 'networkInterfaceSet',
    pageSize,
    signal: asking.signal,
  });
  return items.map(readInterface);
}

/** All interfaces of an instance: one call. */
export function interfacesOf(
  client: Ec2Client,
  instanceId: string,
  asking: Asking,
): Promise<readonly NetworkInterface[]> {
  return describe(client, { 'attachment.instance-id': [instanceId] }, asking);
}

export async function interfacesById(
  client: Ec2Client,
  ids: readonly string[],
  asking: Asking,
): Promise<readonly NetworkInterface[]> {
  const found: NetworkInterface[] = [];
  // A filter, and not NetworkInterfaceId.N: that fails as a whole where one of them is gone.
  for (const batch of inBatches(ids))
    found.push(...(await describe(client, { 'network-interface-id': batch }, asking)));
  return found;
}

export interface AddressSearch extends Asking {
  readonly vpcId: string;
  readonly cluster: string;
  /** Canonical texts of both families. */
  readonly addresses: readonly string[];
  readonly clusterTag: string;
}

/**
 * The interfaces of a VPC that hold any of the addresses. A filter takes 200 values, a page 1000
 * interfaces: so where there are many, those that carry the cluster's tag come first, a thousand a
 * call, and only what is left is asked for by address.
 */
export async function interfacesHolding(
  client: Ec2Client,
  search: AddressSearch,
): Promise<readonly NetworkInterface[]> {
  const found = new Map<string, NetworkInterface>();
  const wanted = new Set(search.addresses);
  const missing = new Set(search.addresses);
  const take = (interfaces: readonly NetworkInterface[]): void => {
    for (const entry of interfaces) {
      if (!entry.addresses.some((address) => wanted.has(address))) continue;
      found.set(entry.id, entry);
      for (const address of entry.addresses) missing.delete(address);
    }
  };
  const inVpc = { 'vpc-id': [search.vpcId] };
  if (missing.size > filterValues)
    take(
      await describe(client, { ...inVpc, [`tag:${search.clusterTag}`]: [search.cluster] }, search),
    );
  const families = [
    ['addresses.private-ip-address', (text: string) => !text.includes(':')],
    ['ipv6-addresses.ipv6-address', (text: string) => text.includes(':')],
  ] as const;
  for (const [name, ofFamily] of families)
    for (const batch of inBatches([...missing].filter(ofFamily)))
      take(await describe(client, { ...inVpc, [name]: batch }, search));
  return [...found.values()];
}
