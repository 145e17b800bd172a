/**
 * What GCE's metadata service tells of an instance.
 *
 *     instance/zone                                  → projects/NUMBER/zones/ZONE
 *     instance/network-interfaces/?recursive=true    → [{ ip, mac, mtu, network, subnetmask,
 *                                                       ipAliases, accessConfigs, ipv6, … }]
 *
 * The kernel is given a /32 whatever `subnetmask` says: a NIC has no neighbours. The instance as a
 * whole is never asked for, as its attributes hold keys and start-up scripts.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import { prefixOf } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  distinct,
  listField,
  mtuField,
  readAddress,
  readAddresses,
  readMac,
  readPrefixes,
  textField,
  textsField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';
import { gceClient } from './metadata-client.js';

export { serviceAccountToken, type ServiceAccountToken } from './metadata-token.js';

export async function gceMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const client = gceClient(question);
  const gaps = new Gaps();
  const get = (path: string): Promise<string | undefined> =>
    gaps.ask(path, client.text(`/computeMetadata/v1/${path}`));
  const [id, name, zonePath, project, interfaces] = await Promise.all([
    // A number that JSON would round.
    get('instance/id'),
    get('instance/name'),
    get('instance/zone'),
    get('project/project-id'),
    gaps.ask(
      'instance/network-interfaces/',
      client.json('/computeMetadata/v1/instance/network-interfaces/?recursive=true'),
    ),
  ]);
  gaps.finish(question.note);
  const zone = lastPart(asText(zonePath));
  const nics = (Array.isArray(interfaces) ? interfaces : []).map((entry: unknown, index) =>
    readNic(entry, { index, devices: question.devices }),
  );
  return {
    provider: 'gce',
    instanceId: asText(id),
    instanceName: asText(name),
    zone,
    // `europe-west1-b` is a zone of `europe-west1`.
    region: zone?.replace(/-[a-z0-9]+$/, ''),
    account: asText(project),
    nics,
    publicAddresses: distinct(nics.flatMap((nic) => nic.publicAddresses)),
  };
}

function readNic(
  entry: unknown,
  { index, devices }: { readonly index: number; readonly devices: ReadonlyMap<string, string> },
): MachineNic {
  const mac = readMac(textField(entry, 'mac'));
  const v4 = readAddress(textField(entry, 'ip'));
  const v6 = readAddresses([...textsField(entry, 'ipv6'), ...textsField(entry, 'ipv6s')]);
  const inSubnet = withMask(v4, textField(entry, 'subnetmask'));
  const configs = listField(entry, 'accessConfigs');
  return {
    id: `nic${index}`,
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses: [v4, ...v6].flatMap((address): InterfaceAddress[] => {
      const found = withMask(address, undefined);
      return found === undefined ? [] : [found];
    }),
    publicAddresses: distinct(
      readAddresses([...configs.map((config) => textField(config, 'externalIp'))]),
    ),
    subnets: subnetsOf(inSubnet),
    subnetId: undefined,
    network: lastPart(textField(entry, 'network')),
    aliases: readPrefixes(textsField(entry, 'ipAliases')),
    securityGroups: [],
    mtu: mtuField(entry, 'mtu'),
  };
}

function subnetsOf(inSubnet: InterfaceAddress | undefined): MachineNic['subnets'] {
  if (inSubnet === undefined || inSubnet.length === 32) return [];
  return [prefixOf(inSubnet.address, inSubnet.length)];
}

/** `projects/123/zones/europe-west1-b` → `europe-west1-b` */
function lastPart(path: string | undefined): string | undefined {
  return asText(path?.split('/').at(-1));
}
