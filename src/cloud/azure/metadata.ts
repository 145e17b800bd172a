/**
 * What Azure's metadata service tells of a machine, all in one answer.
 *
 *     compute: { location, zone, name, vmId, resourceId, subscriptionId, … }
 *     network.interface[]: { macAddress: "000D3A…",
 *       ipv4: { ipAddress: [{ privateIpAddress, publicIpAddress }], subnet: [{ address, prefix }] },
 *       ipv6: { ipAddress: [{ privateIpAddress }] } }
 *
 * No MTU is told: NICs have 1500, of which Azure's own stack lets 1400 through in one piece (see
 * encap/underlay/azure.ts), so nothing is made up here. `userData` is in the answer and not read.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import { prefixContains } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { malformed } from '../metadata-client.js';
import {
  distinct,
  field,
  listField,
  readAddress,
  readAddresses,
  readMac,
  readPrefixes,
  textField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';
import { azureClient } from './metadata-client.js';

export { managedIdentityToken, type ManagedIdentityToken } from './metadata-token.js';

const path = '/metadata/instance?api-version=2021-10-01&format=json';

export async function azureMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const client = azureClient(question);
  const answer = await client.json(path);
  const compute = field(answer, 'compute');
  const vmId = textField(compute, 'vmId');
  const interfaces = listField(answer, 'network', 'interface');
  if (vmId === undefined && interfaces.length === 0)
    throw malformed(`${client.endpoint.host}/metadata/instance`, "Azure's");
  if (interfaces.length === 0)
    question.note('the metadata service did not tell the network interfaces');
  const region = textField(compute, 'location');
  const zone = textField(compute, 'zone');
  const nics = interfaces.map((entry, index) =>
    readNic(entry, { index, devices: question.devices }),
  );
  return {
    provider: 'azure',
    instanceId: vmId,
    instanceName: textField(compute, 'resourceId') ?? textField(compute, 'name'),
    // Zones are numbers; as node labels have them: `westeurope-1`.
    zone: region !== undefined && zone !== undefined ? `${region}-${zone}` : undefined,
    region,
    account: textField(compute, 'subscriptionId'),
    nics,
    publicAddresses: distinct(nics.flatMap((nic) => nic.publicAddresses)),
  };
}

function readNic(
  entry: unknown,
  { index, devices }: { readonly index: number; readonly devices: ReadonlyMap<string, string> },
): MachineNic {
  const mac = readMac(textField(entry, 'macAddress'));
  const subnets = readPrefixes(
    listField(entry, 'ipv4', 'subnet').map((subnet) => {
      const length = textField(subnet, 'prefix');
      return length && `${textField(subnet, 'address') ?? ''}/${length}`;
    }),
  );
  const written = ['ipv4', 'ipv6'].flatMap((family) => listField(entry, family, 'ipAddress'));
  return {
    id: undefined,
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses: written.flatMap((item): InterfaceAddress[] => {
      const address = readAddress(textField(item, 'privateIpAddress'));
      const subnet = subnets.find((prefix) => address && prefixContains(prefix, address));
      const found = withMask(address, subnet?.length);
      return found === undefined ? [] : [found];
    }),
    publicAddresses: readAddresses(written.map((item) => textField(item, 'publicIpAddress'))),
    subnets,
    subnetId: undefined,
    network: undefined,
    aliases: [],
    securityGroups: [],
    mtu: undefined,
  };
}
