/**
 * What Alibaba Cloud's metadata service tells of an ECS instance: paths like EC2's at another
 * address, with a token of its own.
 *
 *     PUT /latest/api/token    X-aliyun-ecs-metadata-token-ttl-seconds   → token
 *     GET /latest/meta-data/…  X-aliyun-ecs-metadata-token               → text
 *     network/interfaces/macs/MAC/{network-interface-id,private-ipv4s,netmask,vswitch-cidr-block,
 *                                  vswitch-id,vpc-id}                    `private-ipv4s` is JSON
 *
 * No MTU and no security groups are told. Keys: ECS user guide, "instance metadata items".
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { MetadataClient, malformed, orAbsent } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  parseJson,
  readAddress,
  readAddresses,
  readMac,
  readPrefixes,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';

export const alibabaEndpointVariable = 'SELVAGE_ALIBABA_METADATA_ENDPOINT';

/** Of 100.64.0.0/10 and not link-local: it needs a route like any other address. */
export const alibabaEndpoint = 'http://100.100.100.200';

const tokenSeconds = 300;
/** Of one value: one that hangs must not cost the others their turn. */
const valueTimeoutMs = 1_000;

export async function alibabaMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const client = await authorized(question);
  const gaps = new Gaps();
  const get: Get = (path, called = path) =>
    gaps.ask(
      called,
      orAbsent(client.text(`/latest/meta-data/${path}`, { timeoutMs: valueTimeoutMs })),
    );
  const [id, name, zone, region, account, eip, nics] = await Promise.all([
    get('instance-id'),
    get('instance/instance-name'),
    get('zone-id'),
    get('region-id'),
    get('owner-account-id'),
    get('eipv4'),
    readNics({ get, devices: question.devices }),
  ]);
  const publicAddresses = readAddresses([asText(eip)]);
  gaps.finish(question.note);
  return {
    provider: 'alibaba',
    instanceId: asText(id),
    instanceName: asText(name),
    zone: asText(zone),
    region: asText(region),
    account: asText(account),
    // The service does not say which interface has the address; the primary one can.
    nics: nics.map((nic, i) => (i === 0 ? { ...nic, publicAddresses } : nic)),
    publicAddresses,
  };
}

async function authorized(question: MetadataQuestion): Promise<MetadataClient> {
  const { env, transport, signal } = question;
  const usual = alibabaEndpoint;
  const endpoint = endpointFrom(env, { variable: alibabaEndpointVariable, usual });
  const client = new MetadataClient({ endpoint, transport, signal });
  const token = await client.text('/latest/api/token', {
    method: 'PUT',
    headers: { 'x-aliyun-ecs-metadata-token-ttl-seconds': String(tokenSeconds) },
  });
  if (!/^[\x21-\x7e]{1,1024}$/.test(token))
    throw malformed(`${endpoint.host}/latest/api/token`, 'a token of ECS');
  return client.with({ 'x-aliyun-ecs-metadata-token': token });
}

type Get = (path: string, called?: string) => Promise<string | undefined>;

interface NicContext {
  readonly get: Get;
  readonly devices: ReadonlyMap<string, string>;
}

async function readNics(context: NicContext): Promise<readonly MachineNic[]> {
  const macs = ((await context.get('network/interfaces/macs/')) ?? '')
    .split('\n')
    .map((line) => line.trim().replace(/\/$/, ''))
    // It becomes part of a path.
    .filter((mac) => readMac(mac) !== undefined);
  return Promise.all(macs.map((mac, index) => readNic(mac, { ...context, index })));
}

async function readNic(
  written: string,
  context: NicContext & { readonly index: number },
): Promise<MachineNic> {
  const key = (name: string): Promise<string | undefined> =>
    context.get(`network/interfaces/macs/${written}/${name}`, `${name} of ${written}`);
  const [id, list, mask, block, switchId, vpc] = await Promise.all([
    key('network-interface-id'),
    key('private-ipv4s'),
    key('netmask'),
    key('vswitch-cidr-block'),
    key('vswitch-id'),
    key('vpc-id'),
  ]);
  const mac = readMac(written)!;
  const parsed = parseJson(list ?? '');
  const texts: readonly unknown[] = Array.isArray(parsed) ? parsed : (list ?? '').split('\n');
  return {
    id: asText(id),
    mac,
    device: context.devices.get(mac),
    index: context.index,
    addresses: texts.flatMap((text): InterfaceAddress[] => {
      const found = withMask(readAddress(asText(text)), asText(mask));
      return found === undefined ? [] : [found];
    }),
    publicAddresses: [],
    subnets: readPrefixes([asText(block)]),
    subnetId: asText(switchId),
    network: asText(vpc),
    aliases: [],
    securityGroups: [],
    mtu: undefined,
  };
}
