/**
 * What DigitalOcean's metadata service tells of a droplet, all in one answer.
 *
 *     GET /metadata/v1.json
 *         { droplet_id, hostname, region,
 *           interfaces: { public: [{ mac, type, ipv4: { ip_address, netmask, gateway },
 *                                    ipv6: { ip_address, cidr, gateway } }], private: [ … ] },
 *           reserved_ip: { ipv4: { active, ip_address } }, … }
 *
 * `user_data` and `auth_key` are in the answer and not looked at. There are no zones; no MTU and no
 * VPC are told.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, malformed } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import {
  distinct,
  field,
  listField,
  networksOf,
  numberField,
  readAddress,
  readAddresses,
  readMac,
  textField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

export const digitaloceanEndpointVariable = 'SELVAGE_DIGITALOCEAN_METADATA_ENDPOINT';

const path = '/metadata/v1.json';

export async function digitaloceanMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const endpoint = endpointFrom(env, { variable: digitaloceanEndpointVariable });
  const answer = await new MetadataClient({ endpoint, transport, signal }).json(path);
  const instanceId = textField(answer, 'droplet_id');
  const publics = listField(answer, 'interfaces', 'public');
  const privates = listField(answer, 'interfaces', 'private');
  if (instanceId === undefined && publics.length + privates.length === 0)
    throw malformed(`${endpoint.host}${path}`, "DigitalOcean's");
  const nics = [
    ...publics.map((entry) => ({ entry, isPublic: true })),
    ...privates.map((entry) => ({ entry, isPublic: false })),
  ].map((found, index) => readNic(found, { index, devices: question.devices }));
  return {
    provider: 'digitalocean',
    instanceId,
    instanceName: textField(answer, 'hostname'),
    zone: undefined,
    region: textField(answer, 'region'),
    account: undefined,
    nics,
    publicAddresses: distinct([...nics.flatMap((nic) => nic.publicAddresses), ...reserved(answer)]),
  };
}

function readNic(
  { entry, isPublic }: { readonly entry: unknown; readonly isPublic: boolean },
  { index, devices }: { readonly index: number; readonly devices: ReadonlyMap<string, string> },
): MachineNic {
  const mac = readMac(textField(entry, 'mac'));
  const v4 = withMask(
    readAddress(textField(entry, 'ipv4', 'ip_address')),
    textField(entry, 'ipv4', 'netmask'),
  );
  const v6 = withMask(
    readAddress(textField(entry, 'ipv6', 'ip_address')),
    numberField(entry, 'ipv6', 'cidr'),
  );
  const addresses = [v4, v6].filter((found): found is InterfaceAddress => found !== undefined);
  return {
    id: undefined,
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses,
    publicAddresses: isPublic ? addresses.map(({ address }) => address) : [],
    subnets: networksOf(addresses),
    subnetId: undefined,
    network: undefined,
    aliases: [],
    securityGroups: [],
    mtu: undefined,
  };
}

/** An address that can be moved between droplets; `floating_ip` is its older name. */
function reserved(answer: unknown): MachineFacts['publicAddresses'] {
  return ['reserved_ip', 'floating_ip'].flatMap((name) => {
    const entry = field(answer, name, 'ipv4');
    return field(entry, 'active') === true ? readAddresses([textField(entry, 'ip_address')]) : [];
  });
}
