/**
 * Resources of `Microsoft.Network`, API version 2023-09-01, as far as they are read here. Resource
 * ids name everything, and Azure compares them without regard to case.
 */
import type { Address } from '../../../encap/address.js';
import type { Prefix } from '../../../encap/prefix.js';
import {
  field,
  listField,
  numberField,
  readAddress,
  readPrefix,
  textField,
  textsField,
} from '../json-values.js';

export const networkApiVersion = '2023-09-01';

export interface AzureNic {
  readonly id: string;
  readonly name: string;
  readonly mac: string | undefined;
  /** Undefined: the answer did not say. */
  readonly ipForwarding: boolean | undefined;
  readonly virtualMachine: string | undefined;
  readonly securityGroup: string | undefined;
  readonly configurations: readonly AzureIpConfiguration[];
}

export interface AzureIpConfiguration {
  readonly address: string | undefined;
  readonly subnet: string | undefined;
  readonly applicationGroups: readonly string[];
}

export interface AzureNetwork {
  readonly id: string;
  readonly location: string;
  readonly spaces: readonly string[];
  /** Address spaces of the networks that it is peered with. */
  readonly peeredSpaces: readonly string[];
  readonly subnets: readonly AzureSubnet[];
}

export interface AzureSubnet {
  readonly id: string;
  readonly routeTable: string | undefined;
  readonly securityGroup: string | undefined;
}

export interface AzureRouteTable {
  readonly id: string;
  readonly routes: readonly AzureRoute[];
}

export interface AzureRoute {
  readonly name: string;
  readonly addressPrefix: string;
  /** Undefined: a service tag. */
  readonly prefix: Prefix | undefined;
  readonly nextHopType: string;
  readonly nextHopAddress: string | undefined;
  readonly hop: Address | undefined;
}

export interface AzureSecurityGroup {
  readonly id: string;
  /** The operator's and Azure's default ones. */
  readonly rules: readonly AzureSecurityRule[];
}

export interface AzureSecurityRule {
  readonly name: string;
  readonly direction: 'ingress' | 'egress';
  readonly access: 'allow' | 'deny';
  readonly priority: number;
  readonly protocol: string;
  readonly source: AzureRuleEnd;
  readonly destination: AzureRuleEnd;
}

export interface AzureRuleEnd {
  /** Prefixes, addresses, service tags or `*`. */
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  /** Ids of application security groups. */
  readonly groups: readonly string[];
}

/** How ids are compared. */
export function key(id: string | undefined): string {
  return (id ?? '').toLowerCase();
}

/** `/subscriptions/S/resourceGroups/G/…/virtualNetworks/V/subnets/N` → its network's id. */
export function networkOf(subnet: string | undefined): string | undefined {
  return /^(\/subscriptions\/.+\/virtualNetworks\/[^/]+)\/subnets\//i.exec(subnet ?? '')?.[1];
}

export function resourceGroupOf(id: string | undefined): string | undefined {
  return /\/resourceGroups\/([^/]+)\//i.exec(`${id ?? ''}/`)?.[1];
}

export function lastPart(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

export function readNic(value: unknown): AzureNic | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  const forwarding = field(value, 'properties', 'enableIPForwarding');
  return {
    id,
    name: textField(value, 'name') ?? lastPart(id),
    mac: textField(value, 'properties', 'macAddress'),
    ipForwarding: typeof forwarding === 'boolean' ? forwarding : undefined,
    virtualMachine: textField(value, 'properties', 'virtualMachine', 'id'),
    securityGroup: textField(value, 'properties', 'networkSecurityGroup', 'id'),
    configurations: listField(value, 'properties', 'ipConfigurations').map((entry) => ({
      address: textField(entry, 'properties', 'privateIPAddress'),
      subnet: textField(entry, 'properties', 'subnet', 'id'),
      applicationGroups: idsOf(entry, 'properties', 'applicationSecurityGroups'),
    })),
  };
}

export function readNetwork(value: unknown): AzureNetwork | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  return {
    id,
    location: textField(value, 'location') ?? '',
    spaces: textsField(value, 'properties', 'addressSpace', 'addressPrefixes'),
    peeredSpaces: listField(value, 'properties', 'virtualNetworkPeerings').flatMap((peering) => [
      ...textsField(peering, 'properties', 'remoteAddressSpace', 'addressPrefixes'),
      ...textsField(peering, 'properties', 'remoteVirtualNetworkAddressSpace', 'addressPrefixes'),
    ]),
    subnets: listField(value, 'properties', 'subnets').flatMap((subnet) => {
      const subnetId = textField(subnet, 'id');
      if (subnetId === undefined) return [];
      return [
        {
          id: subnetId,
          routeTable: textField(subnet, 'properties', 'routeTable', 'id'),
          securityGroup: textField(subnet, 'properties', 'networkSecurityGroup', 'id'),
        },
      ];
    }),
  };
}

export function readRouteTable(value: unknown): AzureRouteTable | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  return {
    id,
    routes: listField(value, 'properties', 'routes').flatMap((route) => {
      const addressPrefix = textField(route, 'properties', 'addressPrefix');
      if (addressPrefix === undefined) return [];
      const nextHopAddress = textField(route, 'properties', 'nextHopIpAddress');
      return [
        {
          name: textField(route, 'name') ?? '',
          addressPrefix,
          prefix: readPrefix(addressPrefix),
          nextHopType: textField(route, 'properties', 'nextHopType') ?? '',
          nextHopAddress,
          hop: readAddress(nextHopAddress),
        },
      ];
    }),
  };
}

export function readSecurityGroup(value: unknown): AzureSecurityGroup | undefined {
  const id = textField(value, 'id');
  if (id === undefined) return undefined;
  return {
    id,
    rules: [
      ...listField(value, 'properties', 'securityRules'),
      ...listField(value, 'properties', 'defaultSecurityRules'),
    ].flatMap((rule) => readSecurityRule(rule) ?? []),
  };
}

function readSecurityRule(value: unknown): AzureSecurityRule | undefined {
  const priority = numberField(value, 'properties', 'priority');
  if (priority === undefined) return undefined;
  return {
    name: textField(value, 'name') ?? '',
    direction: textField(value, 'properties', 'direction') === 'Outbound' ? 'egress' : 'ingress',
    access: textField(value, 'properties', 'access') === 'Allow' ? 'allow' : 'deny',
    priority,
    protocol: textField(value, 'properties', 'protocol') ?? '*',
    source: readEnd(value, 'source'),
    destination: readEnd(value, 'destination'),
  };
}

/** One value in the singular field, or several in the plural one. */
function readEnd(value: unknown, side: 'source' | 'destination'): AzureRuleEnd {
  const both = (one: string, many: string): readonly string[] => [
    ...[textField(value, 'properties', one)].flatMap((text) => text ?? []),
    ...textsField(value, 'properties', many),
  ];
  return {
    addresses: both(`${side}AddressPrefix`, `${side}AddressPrefixes`),
    ports: both(`${side}PortRange`, `${side}PortRanges`),
    groups: idsOf(value, 'properties', `${side}ApplicationSecurityGroups`),
  };
}

function idsOf(value: unknown, ...path: readonly string[]): readonly string[] {
  return listField(value, ...path).flatMap((entry) => textField(entry, 'id') ?? []);
}
