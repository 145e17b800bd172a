/**
 * What Oracle Cloud's metadata service, version 2, tells of an instance.
 *
 *     GET /opc/v2/instance/   Authorization: Bearer Oracle
 *         { id, displayName, availabilityDomain, ociAdName, canonicalRegionName, tenantId, … }
 *     GET /opc/v2/vnics/
 *         [{ vnicId, privateIp, macAddr, nicIndex, subnetCidrBlock, virtualRouterIp,
 *            ipv6Addresses, ipv6SubnetCidrBlock }]
 *
 * `metadata` of the instance holds keys and user data; it is not looked at. No MTU, public
 * addresses or VCN are told.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import { prefixContains } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { Gaps } from '../metadata-gaps.js';
import {
  readAddress,
  readMac,
  readPrefixes,
  textField,
  textsField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

export const ociEndpointVariable = 'SELVAGE_OCI_METADATA_ENDPOINT';

export async function ociMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const client = new MetadataClient({
    endpoint: endpointFrom(env, { variable: ociEndpointVariable }),
    transport,
    signal,
    headers: { authorization: 'Bearer Oracle' },
  });
  const gaps = new Gaps();
  const [instance, vnics] = await Promise.all([
    gaps.ask('the instance', client.json('/opc/v2/instance/')),
    gaps.ask('the VNICs', client.json('/opc/v2/vnics/')),
  ]);
  gaps.finish(question.note);
  const entries: readonly unknown[] = Array.isArray(vnics) ? vnics : [];
  return {
    provider: 'oci',
    instanceId: textField(instance, 'id'),
    instanceName: textField(instance, 'displayName'),
    // `EMIr:PHX-AD-1`: the part before the colon is the tenant's own name of it.
    zone: textField(instance, 'availabilityDomain'),
    region: textField(instance, 'canonicalRegionName') ?? textField(instance, 'region'),
    account: textField(instance, 'tenantId'),
    nics: entries.map((entry, index) => readNic(entry, { index, devices: question.devices })),
    publicAddresses: [],
  };
}

function readNic(
  entry: unknown,
  { index, devices }: { readonly index: number; readonly devices: ReadonlyMap<string, string> },
): MachineNic {
  const mac = readMac(textField(entry, 'macAddr'));
  const subnets = readPrefixes([
    textField(entry, 'subnetCidrBlock'),
    textField(entry, 'ipv6SubnetCidrBlock'),
  ]);
  const texts = [textField(entry, 'privateIp'), ...textsField(entry, 'ipv6Addresses')];
  return {
    id: textField(entry, 'vnicId'),
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses: texts.flatMap((text): InterfaceAddress[] => {
      const address = readAddress(text);
      const subnet = subnets.find((prefix) => address && prefixContains(prefix, address));
      // DHCPv6 gives a single address.
      const found = withMask(address, address?.family === 4 ? subnet?.length : undefined);
      return found === undefined ? [] : [found];
    }),
    publicAddresses: [],
    subnets,
    subnetId: undefined,
    network: undefined,
    aliases: [],
    securityGroups: [],
    mtu: undefined,
  };
}
