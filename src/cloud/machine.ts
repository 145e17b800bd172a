/**
 * What a machine knows of itself from its provider's metadata service. Everything is optional that
 * some provider does not tell; absent means "not told", never "none".
 */
import type { Provider } from '../../encap/cluster.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import type { Address } from '../../encap/address.js';

/** Providers that have a metadata service. */
export const cloudProviders = [
  'aws',
  'gce',
  'azure',
  'openstack',
  'ibm',
  'oci',
  'hetzner',
  'digitalocean',
  'alibaba',
] as const satisfies readonly Provider[];
export type CloudProviderName = (typeof cloudProviders)[number];

export interface MachineFacts {
  readonly provider: CloudProviderName;
  /** `i-0123456789abcdef0`, a GCE instance's number, an Azure vmId. */
  readonly instanceId: string | undefined;
  /** The name that API calls use where it is not the id: GCE instance name, Azure resource id. */
  readonly instanceName: string | undefined;
  /** `eu-west-1a`, `europe-west1-b`, `westeurope-1`. */
  readonly zone: string | undefined;
  readonly region: string | undefined;
  /** AWS account, GCE project, Azure subscription, OpenStack project. */
  readonly account: string | undefined;
  readonly nics: readonly MachineNic[];
  readonly publicAddresses: readonly Address[];
}

export interface MachineNic {
  /** `eni-…`, `nic0`, a port id; undefined where the metadata has none. */
  readonly id: string | undefined;
  /** Lower case, colons. */
  readonly mac: string | undefined;
  /** The kernel's name of it, by MAC; undefined: no such device here. */
  readonly device: string | undefined;
  /** 0 for the first one, where the provider counts. */
  readonly index: number | undefined;
  /** With the mask that the kernel is given (a /32 on GCE). */
  readonly addresses: readonly InterfaceAddress[];
  readonly publicAddresses: readonly Address[];
  /** The provider's subnets that the addresses are in. */
  readonly subnets: readonly Prefix[];
  readonly subnetId: string | undefined;
  /** VPC id, network name, virtual network. */
  readonly network: string | undefined;
  /** Prefixes that the provider delivers here besides the addresses (GCE alias ranges). */
  readonly aliases: readonly Prefix[];
  readonly securityGroups: readonly string[];
  /** Bytes; undefined where the service does not say. */
  readonly mtu: number | undefined;
}
