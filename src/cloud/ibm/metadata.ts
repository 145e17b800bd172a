/**
 * What IBM Cloud's VPC metadata service tells of an instance, for a token of its own.
 *
 *     PUT /instance_identity/v1/token?version=DATE   Metadata-Flavor: ibm, { "expires_in": s }
 *                                                    → { "access_token": … }
 *     GET /metadata/v1/instance                      { id, name, crn, zone, vpc, … }
 *     GET /metadata/v1/instance/network_interfaces   { network_interfaces: [{ id, primary_ip,
 *                                                      subnet, security_groups, floating_ips }] }
 *
 * The service is switched off by default, and there is no answer at all then. It tells no MTU, no
 * masks and, before virtual network interfaces, no MAC addresses.
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, malformed } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { MetadataError } from '../metadata-error.js';
import { Gaps } from '../metadata-gaps.js';
import {
  distinct,
  listField,
  readAddress,
  readAddresses,
  readMac,
  secretField,
  textField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

export const ibmEndpointVariable = 'SELVAGE_IBM_METADATA_ENDPOINT';

const version = 'version=2022-03-29';
const tokenPath = `/instance_identity/v1/token?${version}`;
const tokenSeconds = 300;

export async function ibmMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const endpoint = endpointFrom(env, { variable: ibmEndpointVariable });
  const client = await authorized(new MetadataClient({ endpoint, transport, signal }));
  const gaps = new Gaps();
  const [instance, interfaces] = await Promise.all([
    gaps.ask('the instance', client.json(`/metadata/v1/instance?${version}`)),
    gaps.ask(
      'the network interfaces',
      client.json(`/metadata/v1/instance/network_interfaces?${version}`),
    ),
  ]);
  gaps.finish(question.note);
  const zone = textField(instance, 'zone', 'name');
  const network = textField(instance, 'vpc', 'id');
  const nics = listField(interfaces, 'network_interfaces').map((entry, index) => ({
    ...readNic(entry, { index, devices: question.devices }),
    network,
  }));
  return {
    provider: 'ibm',
    instanceId: textField(instance, 'id'),
    instanceName: textField(instance, 'name'),
    zone,
    // `us-south-1` is a zone of `us-south`.
    region: zone?.replace(/-\d+$/, ''),
    // crn:v1:bluemix:public:is:us-south-1:a/ACCOUNT::instance:…
    account: /:a\/([0-9a-f]+):/.exec(textField(instance, 'crn') ?? '')?.[1],
    nics,
    publicAddresses: distinct(nics.flatMap((nic) => nic.publicAddresses)),
  };
}

async function authorized(client: MetadataClient): Promise<MetadataClient> {
  let answer: unknown;
  try {
    answer = await client.json(tokenPath, {
      method: 'PUT',
      headers: { 'metadata-flavor': 'ibm', 'content-type': 'application/json' },
      body: JSON.stringify({ expires_in: tokenSeconds }),
    });
  } catch (error) {
    if (!(error instanceof MetadataError) || error.failure === 'redirect') throw error;
    throw new MetadataError(error.message, {
      failure: error.failure,
      status: error.status,
      remedy:
        'the service is off by default: run "ibmcloud is instance-update INSTANCE --metadata-service true"',
    });
  }
  const token = secretField(answer, 'access_token');
  if (token === undefined)
    throw malformed(`${client.endpoint.host}/instance_identity/v1/token`, 'a token');
  return client.with({ authorization: `Bearer ${token}` });
}

function readNic(
  entry: unknown,
  { index, devices }: { readonly index: number; readonly devices: ReadonlyMap<string, string> },
): Omit<MachineNic, 'network'> {
  const mac = readMac(textField(entry, 'mac_address'));
  // Older dates of the version have the address as a field of its own.
  const text =
    textField(entry, 'primary_ip', 'address') ?? textField(entry, 'primary_ipv4_address');
  const address = withMask(readAddress(text), undefined);
  return {
    id: textField(entry, 'id'),
    mac,
    device: mac === undefined ? undefined : devices.get(mac),
    index,
    addresses: address === undefined ? [] : ([address] satisfies InterfaceAddress[]),
    publicAddresses: readAddresses(
      listField(entry, 'floating_ips').map((item) => textField(item, 'address')),
    ),
    subnets: [],
    subnetId: textField(entry, 'subnet', 'id'),
    aliases: [],
    securityGroups: listField(entry, 'security_groups').flatMap(
      (group) => textField(group, 'id') ?? [],
    ),
    mtu: undefined,
  };
}
