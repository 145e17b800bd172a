/**
 * What EC2's metadata service tells of an instance. Every value is a path of its own, so all of a
 * level are asked at once: first the instance's, then each interface's.
 *
 *     meta-data/network/interfaces/macs/          → a MAC with a slash behind it, a line each
 *     meta-data/network/interfaces/macs/MAC/KEY   → a value, or several, a line each
 *
 * There is no key for the MTU. Keys: EC2 user guide, "instance metadata categories".
 */
import type { InterfaceAddress } from '../../../encap/prefix.js';
import { prefixContains } from '../../../encap/prefix.js';
import type { MachineFacts, MachineNic } from '../machine.js';
import { Gaps } from '../metadata-gaps.js';
import {
  asText,
  distinct,
  numberOf,
  parseJson,
  readAddress,
  readAddresses,
  readMac,
  readPrefixes,
  textField,
  withMask,
} from '../metadata-values.js';
import type { MetadataQuestion } from '../provider.js';
import { Imds } from './metadata-imds.js';

export { instanceCredentials, type InstanceCredentials } from './metadata-credentials.js';

/** Nitro puts the instance's id into the firmware. */
export function instanceIdOf(boardAssetTag: string): string | undefined {
  return /^i-[0-9a-f]{8,17}$/.test(boardAssetTag) ? boardAssetTag : undefined;
}

export async function awsMachine(question: MetadataQuestion): Promise<MachineFacts> {
  const { env, transport, signal } = question;
  const instanceId = instanceIdOf(question.dmi.boardAssetTag);
  const imds = await Imds.open({ env, transport, signal, instanceId });
  const gaps = new Gaps();
  const get: Get = (path, name = path) => gaps.ask(name, imds.get(`meta-data/${path}`));
  const [id, zone, region, publicIpv4, nics, document] = await Promise.all([
    get('instance-id'),
    get('placement/availability-zone'),
    get('placement/region'),
    get('public-ipv4'),
    readNics({ get, devices: question.devices }),
    gaps.ask('the identity document', imds.get('dynamic/instance-identity/document')),
  ]);
  gaps.finish(question.note);
  const identity = parseJson(document ?? '');
  const own = readAddresses([publicIpv4]);
  return {
    provider: 'aws',
    instanceId: asText(id) ?? instanceId ?? textField(identity, 'instanceId'),
    instanceName: undefined,
    zone: asText(zone) ?? textField(identity, 'availabilityZone'),
    region: asText(region) ?? textField(identity, 'region'),
    account: textField(identity, 'accountId'),
    nics,
    publicAddresses: distinct([...own, ...nics.flatMap((nic) => nic.publicAddresses)]),
  };
}

type Get = (path: string, name?: string) => Promise<string | undefined>;

interface NicContext {
  readonly get: Get;
  readonly devices: ReadonlyMap<string, string>;
}

async function readNics(context: NicContext): Promise<readonly MachineNic[]> {
  const macs = lines(await context.get('network/interfaces/macs/'))
    .map((line) => line.replace(/\/$/, ''))
    // It becomes part of a path.
    .filter((mac) => readMac(mac) !== undefined);
  const nics = await Promise.all(macs.map((mac) => readNic(mac, context)));
  return nics.sort((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity));
}

async function readNic(written: string, { get, devices }: NicContext): Promise<MachineNic> {
  const key = (name: string): Promise<string | undefined> =>
    get(`network/interfaces/macs/${written}/${name}`, `${name} of ${written}`);
  const [
    id,
    index,
    subnetId,
    subnets4,
    subnets6,
    vpc,
    groups,
    v4,
    v6,
    publics,
    delegated4,
    delegated6,
  ] = await Promise.all([
    key('interface-id'),
    key('device-number'),
    key('subnet-id'),
    key('subnet-ipv4-cidr-block'),
    key('subnet-ipv6-cidr-blocks'),
    key('vpc-id'),
    key('security-group-ids'),
    key('local-ipv4s'),
    key('ipv6s'),
    key('public-ipv4s'),
    key('ipv4-prefix'),
    key('ipv6-prefix'),
  ]);
  const mac = readMac(written)!;
  const subnets = readPrefixes([...lines(subnets4), ...lines(subnets6)]);
  // DHCP gives the subnet's mask; DHCPv6 gives none, so an IPv6 address stands alone.
  const addresses = [...lines(v4), ...lines(v6)].flatMap((text): InterfaceAddress[] => {
    const address = readAddress(text);
    const subnet = subnets.find((prefix) => address && prefixContains(prefix, address));
    const found = withMask(address, address?.family === 4 ? subnet?.length : undefined);
    return found === undefined ? [] : [found];
  });
  return {
    id: asText(id),
    mac,
    device: devices.get(mac),
    index: numberOf(index),
    addresses,
    publicAddresses: readAddresses(lines(publics)),
    subnets,
    subnetId: asText(subnetId),
    network: asText(vpc),
    aliases: readPrefixes([...lines(delegated4), ...lines(delegated6)]),
    securityGroups: lines(groups).flatMap((line) => asText(line) ?? []),
    mtu: undefined,
  };
}

function lines(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
