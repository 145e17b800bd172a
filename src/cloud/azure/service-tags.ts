/**
 * What Azure's service tags mean at one subnet ("Virtual network service tags").
 *
 * `VirtualNetwork` is the network's own space, that of its peers and of what a gateway connects, the
 * host's virtual address, and the prefixes of user-defined routes. The gateway's part is not in any
 * resource that is read here, but private addresses that packets come from or go to have no other
 * way here, so they belong to the tag; those of workloads only where a route says so. A default route
 * would make everything part of it, which is not taken for granted. `Internet` is the rest, as far as
 * it is public.
 */
import type { Cluster } from '../../../encap/cluster.js';
import { type Prefix, parsePrefix } from '../../../encap/prefix.js';
import { without } from '../admission.js';
import { readPrefixes } from '../json-values.js';
import type { AzureNetwork, AzureRouteTable } from './wire.js';

export interface ServiceTags {
  readonly virtualNetwork: readonly Prefix[];
  readonly internet: readonly Prefix[];
}

/** IANA special-purpose registries (RFC 6890): not reachable over the internet. */
const special = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
].map(parsePrefix);

/** RFC 1918, RFC 6598, RFC 4193. */
const privateSpace = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
].map(parsePrefix);

const everything = ['0.0.0.0/0', '::/0'].map(parsePrefix);
/** Global unicast, RFC 4291 section 2.4. */
const globalV6 = parsePrefix('2000::/3');
const publicSpace = [...without([everything[0]!], special), globalV6];

/** The host itself: DHCP, DNS, load balancers' probes. */
export const hostAddress = parsePrefix('168.63.129.16/32');

export function serviceTags(
  cluster: Cluster,
  network: AzureNetwork,
  table: AzureRouteTable | undefined,
): ServiceTags {
  const routed = (table?.routes ?? []).flatMap(({ prefix }) => prefix ?? []);
  const elsewhere = without(privateSpace, [
    ...cluster.pools,
    ...[...cluster.nodes.values()].flatMap(({ overlay }) => overlay),
  ]);
  const virtualNetwork = [
    ...readPrefixes([...network.spaces, ...network.peeredSpaces]),
    hostAddress,
    ...routed.filter(({ length }) => length > 0),
    ...elsewhere,
  ];
  return { virtualNetwork, internet: without(publicSpace, virtualNetwork) };
}

/** Undefined: a tag whose addresses Azure alone knows. */
export function tagPrefixes(text: string, tags: ServiceTags): readonly Prefix[] | undefined {
  switch (text.toLowerCase()) {
    case '*':
    case 'any':
      return everything;
    case 'virtualnetwork':
      return tags.virtualNetwork;
    case 'internet':
      return tags.internet;
    case 'azureloadbalancer':
      return [hostAddress];
    default: {
      const prefixes = readPrefixes([text]);
      return prefixes.length === 0 ? undefined : prefixes;
    }
  }
}
