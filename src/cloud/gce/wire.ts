/**
 * Resources of `compute v1` as far as they are read here. URLs name everything; the project and the
 * name at their end are what later calls are built from.
 */
import { field, listField, numberField, textField, textsField } from '../json-values.js';

export interface ComputeInstance {
  readonly id: string | undefined;
  readonly name: string;
  /** Of the zone, without its URL: `europe-west1-b`. */
  readonly zone: string;
  readonly selfLink: string;
  /** Undefined: the answer did not say. */
  readonly canIpForward: boolean | undefined;
  readonly tags: readonly string[];
  readonly serviceAccounts: readonly string[];
  readonly nics: readonly ComputeNic[];
}

export interface ComputeNic {
  readonly name: string;
  /** `projects/P/global/networks/N`. */
  readonly network: string;
  readonly addresses: readonly string[];
  readonly aliases: readonly string[];
}

export interface ComputeRoute {
  readonly name: string;
  readonly description: string;
  readonly network: string;
  readonly destRange: string;
  readonly priority: number;
  /** `projects/P/zones/Z/instances/N`; undefined: another kind of next hop. */
  readonly nextHopInstance: string | undefined;
  /** Of any kind, for people. */
  readonly nextHop: string;
  /** Instances that it is for; none: all. */
  readonly tags: readonly string[];
  /** `NEXT_HOP_INSTANCE_NOT_FOUND`. */
  readonly warnings: readonly string[];
}

export interface ComputeFirewall {
  readonly name: string;
  readonly network: string;
  readonly direction: 'ingress' | 'egress';
  readonly priority: number;
  readonly disabled: boolean;
  readonly allowed: readonly ComputeTraffic[];
  readonly denied: readonly ComputeTraffic[];
  readonly sourceRanges: readonly string[];
  readonly destinationRanges: readonly string[];
  readonly sourceTags: readonly string[];
  readonly sourceServiceAccounts: readonly string[];
  readonly targetTags: readonly string[];
  readonly targetServiceAccounts: readonly string[];
}

export interface ComputeTraffic {
  readonly protocol: string;
  readonly ports: readonly string[];
}

/** The part of a resource URL that does not depend on host, API version or universe. */
export function resourcePath(url: string | undefined): string {
  const start = url?.indexOf('projects/') ?? -1;
  return start < 0 ? (url ?? '') : url!.slice(start);
}

/** `projects/P/global/networks/N` → P. */
export function projectOf(path: string): string | undefined {
  return /^projects\/([^/]+)\//.exec(path)?.[1];
}

export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function readInstance(value: unknown): ComputeInstance | undefined {
  const name = textField(value, 'name');
  const selfLink = textField(value, 'selfLink');
  const zone = textField(value, 'zone');
  if (name === undefined || selfLink === undefined || zone === undefined) return undefined;
  const forward = field(value, 'canIpForward');
  return {
    id: textField(value, 'id'),
    name,
    zone: lastPart(zone),
    selfLink: resourcePath(selfLink),
    canIpForward: typeof forward === 'boolean' ? forward : undefined,
    tags: textsField(value, 'tags', 'items'),
    serviceAccounts: listField(value, 'serviceAccounts').flatMap(
      (account) => textField(account, 'email') ?? [],
    ),
    nics: listField(value, 'networkInterfaces').map((nic, index) => ({
      name: textField(nic, 'name') ?? `nic${index}`,
      network: resourcePath(textField(nic, 'network')),
      addresses: [textField(nic, 'networkIP'), textField(nic, 'ipv6Address')].flatMap(
        (address) => address ?? [],
      ),
      aliases: listField(nic, 'aliasIpRanges').flatMap(
        (alias) => textField(alias, 'ipCidrRange') ?? [],
      ),
    })),
  };
}

const nextHops = [
  'nextHopInstance',
  'nextHopIp',
  'nextHopIlb',
  'nextHopGateway',
  'nextHopVpnTunnel',
  'nextHopPeering',
  'nextHopHub',
  'nextHopNetwork',
] as const;

export function readRoute(value: unknown): ComputeRoute | undefined {
  const name = textField(value, 'name');
  const destRange = textField(value, 'destRange');
  if (name === undefined || destRange === undefined) return undefined;
  const instance = textField(value, 'nextHopInstance');
  const hop = nextHops.find((key) => textField(value, key) !== undefined);
  return {
    name,
    description: textField(value, 'description') ?? '',
    network: resourcePath(textField(value, 'network')),
    destRange,
    priority: numberField(value, 'priority') ?? 1000,
    nextHopInstance: instance === undefined ? undefined : resourcePath(instance),
    nextHop: hop === undefined ? 'an unknown next hop' : lastPart(textField(value, hop) ?? ''),
    tags: textsField(value, 'tags'),
    warnings: listField(value, 'warnings').flatMap((warning) => textField(warning, 'code') ?? []),
  };
}

export function readFirewall(value: unknown): ComputeFirewall | undefined {
  const name = textField(value, 'name');
  if (name === undefined) return undefined;
  const traffic = (key: string): readonly ComputeTraffic[] =>
    listField(value, key).flatMap((entry) => {
      const protocol = textField(entry, 'IPProtocol');
      return protocol === undefined ? [] : [{ protocol, ports: textsField(entry, 'ports') }];
    });
  return {
    name,
    network: resourcePath(textField(value, 'network')),
    direction: textField(value, 'direction') === 'EGRESS' ? 'egress' : 'ingress',
    priority: numberField(value, 'priority') ?? 1000,
    disabled: field(value, 'disabled') === true,
    allowed: traffic('allowed'),
    denied: traffic('denied'),
    sourceRanges: textsField(value, 'sourceRanges'),
    destinationRanges: textsField(value, 'destinationRanges'),
    sourceTags: textsField(value, 'sourceTags'),
    sourceServiceAccounts: textsField(value, 'sourceServiceAccounts'),
    targetTags: textsField(value, 'targetTags'),
    targetServiceAccounts: textsField(value, 'targetServiceAccounts'),
  };
}
