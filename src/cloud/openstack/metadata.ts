/**
 * What OpenStack's metadata service (nova) tells of a server.
 *
 *     openstack/latest/meta_data.json     { uuid, name, availability_zone, project_id, … }
 *     openstack/latest/network_data.json  { links: [{ id, vif_id, mtu, ethernet_mac_address }],
 *                                           networks: [{ link, type, ip_address, netmask,
 *                                                        network_id, … }] }
 *     latest/meta-data/public-ipv4        a floating address, where there is one
 *
 * `links` are ports, `networks` their addresses. `meta_data.json` may hold an administrator's
 * password and keys; only the named fields are looked at. No region is told, nor security groups.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, orAbsent } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  listField,
  mtuField,
  networksOf,
  readAddress,
  readAddresses,
  readMac,
  textField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

/** There is no conventional one. */
export const openstackEndpointVariable = 'SELVAGE_OPENSTACK_METADATA_ENDPOINT';

export async function openstackMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const endpoint = endpointFrom(env, { variable: openstackEndpointVariable });
  const client = new MetadataClient({ endpoint, transport, signal });
  const gaps = new Gaps();
  const [meta, network, floating] = await Promise.all([
    gaps.ask('meta_data.json', client.json('/openstack/latest/meta_data.json')),
    gaps.ask('network_data.json', client.json('/openstack/latest/network_data.json')),
    // Nothing is missing where the compatible half of the service is switched off.
    orAbsent(client.text('/latest/meta-data/public-ipv4')).catch(() => undefined),
  ]);
  gaps.finish(question.note);
  const publicAddresses = readAddresses([asText(floating)]);
  const networks = listField(network, 'networks');
  const nics = listField(network, 'links').map((link, index) => {
    const nic = readNic(link, { index, networks, devices: question.devices });
    // The service does not say which port has it: nova associates it with the first.
    return index === 0 ? { ...nic, publicAddresses } : nic;
  });
  return {
    provider: 'openstack',
    instanceId: textField(meta, 'uuid'),
    instanceName: textField(meta, 'name'),
    zone: textField(meta, 'availability_zone'),
    region: undefined,
    account: textField(meta, 'project_id'),
    nics,
    publicAddresses,
  };
}

interface LinkContext {
  readonly index: number;
  readonly networks: readonly unknown[];
  readonly devices: ReadonlyMap<string, string>;
}

function readNic(link: unknown, { index, networks, devices }: LinkContext): MachineNic {
  const id = textField(link, 'id');
  const mac = readMac(textField(link, 'ethernet_mac_address'));
  const own = networks.filter((network) => id !== undefined && textField(network, 'link') === id);
  const addresses = own.flatMap((network): InterfaceAddress[] => {
    // Some releases write `fd00::5/64` into the field of an IPv6 address.
    const [text = '', length] = (textField(network, 'ip_address') ?? '').split('/');
    const found = withMask(readAddress(text), length ?? textField(network, 'netmask'));
    return found === undefined ? [] : [found];
  });
  return {
    id: textField(link, 'vif_id'),
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses,
    publicAddresses: [],
    subnets: networksOf(addresses),
    subnetId: undefined,
    network: own.map((network) => textField(network, 'network_id')).find(Boolean),
    aliases: [],
    securityGroups: [],
    mtu: mtuField(link, 'mtu'),
  };
}
