/**
 * What Hetzner Cloud's metadata service tells of a server.
 *
 *     hetzner/v1/metadata/{instance-id,hostname,region,availability-zone,public-ipv4}
 *     hetzner/v1/metadata/private-networks   YAML: - ip, alias_ips, interface_num, mac_address,
 *                                              network_id, network_name, network, subnet, gateway
 *
 * The kernel is given a /32 on private networks as well: they are routed, whatever `subnet` says.
 */
import type { InterfaceAddress, Prefix } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, malformed, orAbsent } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  numberField,
  readAddress,
  readAddresses,
  readMac,
  readPrefixes,
  textField,
  textsField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

export const hetznerEndpointVariable = 'SELVAGE_HETZNER_METADATA_ENDPOINT';

const folder = '/hetzner/v1/metadata';

export async function hetznerMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const endpoint = endpointFrom(env, { variable: hetznerEndpointVariable });
  const client = new MetadataClient({ endpoint, transport, signal });
  const gaps = new Gaps();
  const get = (name: string): Promise<string | undefined> =>
    gaps.ask(name, orAbsent(client.text(`${folder}/${name}`)));
  const [id, name, region, zone, publicIpv4, networks] = await Promise.all([
    get('instance-id'),
    get('hostname'),
    get('region'),
    get('availability-zone'),
    get('public-ipv4'),
    gaps.ask('private-networks', privateNetworks(client)),
  ]);
  gaps.finish(question.note);
  return {
    provider: 'hetzner',
    instanceId: asText(id),
    instanceName: asText(name),
    zone: asText(zone),
    region: asText(region),
    account: undefined,
    nics: (networks ?? []).map((entry) => readNic(entry, question.devices)),
    publicAddresses: readAddresses([asText(publicIpv4)]),
  };
}

async function privateNetworks(client: MetadataClient): Promise<readonly unknown[]> {
  const text = await orAbsent(client.text(`${folder}/private-networks`));
  if (text === undefined || text.trim() === '') return [];
  const { parse } = await import('yaml');
  try {
    const entries: unknown = parse(text);
    if (entries === null) return [];
    if (Array.isArray(entries)) return entries as readonly unknown[];
  } catch {
    // Told below: the parser's own message quotes what it has read.
  }
  throw malformed(`${client.endpoint.host}${folder}/private-networks`, 'a list in YAML');
}

function readNic(entry: unknown, devices: ReadonlyMap<string, string>): MachineNic {
  const mac = readMac(textField(entry, 'mac_address'));
  const own = withMask(readAddress(textField(entry, 'ip')), undefined);
  const subnet: readonly Prefix[] = readPrefixes([textField(entry, 'subnet')]);
  return {
    id: undefined,
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index: numberField(entry, 'interface_num'),
    addresses: own === undefined ? [] : ([own] satisfies InterfaceAddress[]),
    publicAddresses: [],
    subnets: subnet,
    subnetId: undefined,
    network: textField(entry, 'network_name') ?? textField(entry, 'network_id'),
    aliases: readPrefixes(textsField(entry, 'alias_ips')),
    securityGroups: [],
    mtu: undefined,
  };
}
