/**
 * What Hetzner Cloud's metadata service tells of a server.
 *
 *     hetzner/v1/metadata/{instance-id,hostname,region,availability-zone,public-ipv4}
 *     hetzner/v1/metadata/private-networks   YAML: - ip, alias_ips, interface_num, mac_address,
 *                                              network_id, network_name, network, subnet, gateway
 *     hetzner/v1/metadata/network-config     YAML: config: - type, mac_address, subnets: [{ type:
 *                                              dhcp, ipv4 }, { type: static, address, gateway }]
 *
 * The first tells the private NICs, the second the public one. The kernel is given a /32 on private networks as well: they are routed, whatever `subnet` says.
 */
import type { Address } from '../../../encap/address.js';
import type { InterfaceAddress, Prefix } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, malformed, orAbsent } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  distinct,
  field,
  listField,
  networksOf,
  numberField,
  readAddress,
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
  const yaml = (name: string): Promise<unknown> => gaps.ask(name, yamlAt(client, name));
  const [id, name, region, zone, publicIpv4, networks, config] = await Promise.all([
    get('instance-id'),
    get('hostname'),
    get('region'),
    get('availability-zone'),
    get('public-ipv4'),
    yaml('private-networks'),
    yaml('network-config'),
  ]);
  gaps.finish(question.note);
  const { devices } = question;
  const main = readAddress(asText(publicIpv4));
  const nics = [
    ...listField(config, 'config')
      .filter((entry) => field(entry, 'type') === 'physical')
      .slice(0, 1)
      .map((entry) => readPublicNic(entry, { main, devices })),
    ...(Array.isArray(networks) ? networks : []).map((entry: unknown) => readNic(entry, devices)),
  ];
  return {
    provider: 'hetzner',
    instanceId: asText(id),
    instanceName: asText(name),
    zone: asText(zone),
    region: asText(region),
    account: undefined,
    nics,
    publicAddresses: distinct([
      ...(main === undefined ? [] : [main]),
      ...nics.flatMap((nic) => nic.publicAddresses),
    ]),
  };
}

/** A list or a mapping; undefined where the service has nothing. */
async function yamlAt(client: MetadataClient, name: string): Promise<unknown> {
  const text = await orAbsent(client.text(`${folder}/${name}`));
  if (text === undefined || text.trim() === '') return undefined;
  const { parse } = await import('yaml');
  try {
    const value: unknown = parse(text);
    if (value === null || typeof value === 'object') return value;
  } catch {
    // Told below: the parser's own message quotes what it has read.
  }
  throw malformed(`${client.endpoint.host}${folder}/${name}`, 'YAML of that kind');
}

interface PublicContext {
  readonly main: Address | undefined;
  readonly devices: ReadonlyMap<string, string>;
}

/** IPv4 comes by DHCP as a /32, the first address of an IPv6 /64 is written out. */
function readPublicNic(entry: unknown, { main, devices }: PublicContext): MachineNic {
  const mac = readMac(textField(entry, 'mac_address'));
  const addresses = [
    withMask(main, undefined),
    ...listField(entry, 'subnets').map((subnet) => {
      const [text, length] = (textField(subnet, 'address') ?? '').split('/');
      return withMask(readAddress(text), length);
    }),
  ].filter((found): found is InterfaceAddress => found !== undefined);
  return {
    id: undefined,
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index: 0,
    addresses,
    publicAddresses: distinct(addresses.map(({ address }) => address)),
    subnets: networksOf(addresses),
    subnetId: undefined,
    network: undefined,
    aliases: [],
    securityGroups: [],
    mtu: undefined,
  };
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
