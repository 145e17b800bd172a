/**
 * What the machine itself can say about its own entry in the cluster file: values that the entry
 * leaves out, and values that it has and the provider's metadata contradicts. The file always wins.
 *
 * Only what no other node reads is filled into the node. A mask, an address and a zone are read by
 * every node, and all must read the same: filled in on one alone, A would think B near while B
 * thinks A far. Those are proposed for the file instead.
 */
import type { Cluster, ClusterNode, SourceRef, Zone } from '../../encap/cluster.js';
import { familyBits } from '../../encap/address.js';
import { prefixContains } from '../../encap/prefix.js';
import { underlayFacts } from '../../encap/underlay/index.js';
import type { MachineFacts, MachineNic } from './machine.js';
import { interfaceText } from './machine-json.js';

export interface Filled {
  readonly field: 'mtu' | 'publicAddress';
  readonly value: string;
  /** Who says so: `gce metadata, nic0`. */
  readonly source: string;
}

/** What would be right to write into the file. */
export interface Proposal {
  readonly field: 'zone' | 'address' | 'mtu';
  /** As the file would have it: `address: 10.0.0.5/20`. */
  readonly text: string;
  readonly because: string;
}

export interface Contradiction {
  readonly field: 'provider' | 'region' | 'zone' | 'address' | 'mask' | 'mtu' | 'publicAddress';
  readonly file: string;
  readonly machine: string;
  /** A whole sentence. */
  readonly text: string;
  readonly source: SourceRef | undefined;
}

export interface FilledNode {
  /** The same object where nothing was filled. */
  readonly node: ClusterNode;
  readonly filled: readonly Filled[];
  readonly proposals: readonly Proposal[];
  readonly contradictions: readonly Contradiction[];
}

export interface FillContext {
  readonly zones: Cluster['zones'];
}

export function fillFromMachine(
  node: ClusterNode,
  machine: MachineFacts,
  { zones }: FillContext,
): FilledNode {
  const zone = zones.get(node.zone);
  const filled = [...fillMtu(node, zone, machine), ...fillPublic(node, machine)];
  const contradictions = [
    ...zoneContradictions(node, zone, machine),
    ...addressContradictions(node, machine),
    ...mtuContradictions(node, zone, machine),
    ...publicContradictions(node, machine),
  ];
  const mtu = filled.some(({ field }) => field === 'mtu') ? nicOf(node, machine)?.mtu : undefined;
  const published = filled.some(({ field }) => field === 'publicAddress');
  return {
    node:
      filled.length === 0
        ? node
        : Object.freeze({
            ...node,
            ...(mtu === undefined ? {} : { mtu }),
            ...(published ? { publicAddresses: machine.publicAddresses } : {}),
          }),
    filled,
    proposals: [
      ...proposeZone(zone, machine),
      ...proposeMasks(node, zone, machine),
      ...proposeMtu(node, zone, machine),
    ],
    contradictions,
  };
}

/** The NIC that has the first underlay address of the node. */
function nicOf(node: ClusterNode, machine: MachineFacts): MachineNic | undefined {
  return machine.nics.find((nic) =>
    nic.addresses.some(({ address }) =>
      node.underlay.some((own) => own.address.text === address.text),
    ),
  );
}

function sourceOf(machine: MachineFacts, nic?: MachineNic): string {
  const which = nic === undefined ? undefined : (nic.id ?? nic.device ?? nic.mac);
  return `${machine.provider} metadata${which === undefined ? '' : `, ${which}`}`;
}

/** Only where neither the node nor its zone says anything: a smaller one there is meant so. */
function fillMtu(node: ClusterNode, zone: Zone | undefined, machine: MachineFacts): Filled[] {
  const nic = nicOf(node, machine);
  if (nic?.mtu === undefined || (node.mtu ?? zone?.mtu) !== undefined) return [];
  return [{ field: 'mtu', value: String(nic.mtu), source: sourceOf(machine, nic) }];
}

function fillPublic(node: ClusterNode, machine: MachineFacts): Filled[] {
  if (node.publicAddresses.length > 0) return [];
  return machine.publicAddresses.map(({ text }) => ({
    field: 'publicAddress',
    value: text,
    source: sourceOf(machine),
  }));
}

function isWritten(zone: Zone | undefined): zone is Zone {
  return zone?.source !== undefined;
}

/** A file without zones means one rack: on a cloud that would be believed to be on premises. */
function proposeZone(zone: Zone | undefined, machine: MachineFacts): Proposal[] {
  if (zone === undefined || isWritten(zone)) return [];
  return [
    {
      field: 'zone',
      text: `zones: [${zoneEntry(machine)}]`,
      because: 'the file has no zones, so every node is taken to be on premises',
    },
  ];
}

/** The machine's zone as a line of the file: `{ name: eu-west-1a, provider: aws, … }`. */
export function zoneEntry(machine: MachineFacts): string {
  const name = (machine.zone ?? machine.region ?? machine.provider).toLowerCase();
  const subnets = [...new Set(machine.nics.flatMap((nic) => nic.subnets.map(({ text }) => text)))];
  const parts = [
    `name: ${/^[a-z0-9][a-z0-9._-]*$/.test(name) ? name : machine.provider}`,
    `provider: ${machine.provider}`,
    ...(machine.region === undefined ? [] : [`region: ${machine.region}`]),
    ...(subnets.length === 0 ? [] : [`subnets: [${subnets.map(quoted).join(', ')}]`]),
  ];
  return `{ ${parts.join(', ')} }`;
}

/** YAML would read `2001:db8::/64` in a list as text, but a colon at the end as a mapping. */
export function quoted(text: string): string {
  return text.includes(':') ? `'${text}'` : text;
}

/** An address without a mask, in a zone without subnets, is a host's alone. */
function proposeMasks(
  node: ClusterNode,
  zone: Zone | undefined,
  machine: MachineFacts,
): Proposal[] {
  return node.underlay.flatMap(({ address, length }): Proposal[] => {
    if (length !== familyBits(address.family)) return [];
    if (zone?.subnets.some(({ prefix }) => prefixContains(prefix, address)) === true) return [];
    const told = machine.nics
      .flatMap((nic) => nic.addresses)
      .find((own) => own.address.text === address.text);
    if (told === undefined || told.length === length) return [];
    return [
      {
        field: 'address',
        text: `address: ${quoted(interfaceText(told))}`,
        because: 'without a mask the node has no neighbours of its own subnet',
      },
    ];
  });
}

/** The other nodes size their packets by what the file says, or by what is usual there. */
function proposeMtu(node: ClusterNode, zone: Zone | undefined, machine: MachineFacts): Proposal[] {
  const nic = nicOf(node, machine);
  const usual = underlayFacts[machine.provider].mtu.bytes;
  if (nic?.mtu === undefined || nic.mtu === usual) return [];
  if ((node.mtu ?? zone?.mtu) !== undefined) return [];
  return [
    {
      field: 'mtu',
      text: `mtu: ${nic.mtu}`,
      because: `the other nodes believe ${usual} of ${machine.provider} otherwise`,
    },
  ];
}

function zoneContradictions(
  node: ClusterNode,
  zone: Zone | undefined,
  machine: MachineFacts,
): Contradiction[] {
  if (!isWritten(zone)) return [];
  const found: Contradiction[] = [];
  if (zone.provider !== machine.provider)
    found.push({
      field: 'provider',
      file: zone.provider,
      machine: machine.provider,
      text: `zone ${zone.name} has provider ${zone.provider}, and this machine is ${machine.provider}'s`,
      source: zone.source,
    });
  if (zone.region !== undefined && machine.region !== undefined && zone.region !== machine.region)
    found.push({
      field: 'region',
      file: zone.region,
      machine: machine.region,
      text: `zone ${zone.name} is of region ${zone.region}, and this machine is in ${machine.region}`,
      source: zone.source,
    });
  const told = machine.zone?.toLowerCase();
  const region = machine.region?.toLowerCase();
  // Zones may have names of their own; only one that looks like the provider's can be wrong.
  const looksTold =
    told !== undefined &&
    region !== undefined &&
    zone.name.startsWith(region) &&
    zone.name.length === told.length;
  if (looksTold && zone.name !== told)
    found.push({
      field: 'zone',
      file: zone.name,
      machine: told,
      text: `node ${node.name} is in zone ${zone.name} of the file, and this machine is in ${told}`,
      source: node.source,
    });
  return found;
}

function addressContradictions(node: ClusterNode, machine: MachineFacts): Contradiction[] {
  const all = machine.nics.flatMap((nic) => nic.addresses);
  const told = new Map(all.map((entry) => [entry.address.text, entry]));
  const subnets = machine.nics.flatMap((nic) => nic.subnets);
  return node.underlay.flatMap(({ address, length }): Contradiction[] => {
    const known = told.get(address.text);
    const ofFamily = all.filter((entry) => entry.address.family === address.family);
    if (known === undefined) {
      // A service that tells no address of the family says nothing about this one.
      if (ofFamily.length === 0 || isPublic(machine, address.text)) return [];
      return [
        {
          field: 'address',
          file: address.text,
          machine: ofFamily.map(interfaceText).join(', '),
          text: `node ${node.name} has address ${address.text}, and the machine's are ${ofFamily.map(interfaceText).join(', ')}`,
          source: node.source,
        },
      ];
    }
    const lengths = [
      known.length,
      familyBits(address.family),
      ...subnets.filter((prefix) => prefixContains(prefix, address)).map((prefix) => prefix.length),
    ];
    // A service that tells no mask at all says nothing about this one either.
    if (lengths.includes(length) || Math.min(...lengths) === familyBits(address.family)) return [];
    const right = Math.min(...lengths);
    return [
      {
        field: 'mask',
        file: `${address.text}/${length}`,
        machine: `${address.text}/${right}`,
        text: `node ${node.name} has address ${address.text}/${length}, and the machine's subnet has /${right}`,
        source: node.source,
      },
    ];
  });
}

function isPublic(machine: MachineFacts, text: string): boolean {
  return machine.publicAddresses.some((address) => address.text === text);
}

/** A smaller one is a choice; a larger one is lost on the way. */
function mtuContradictions(
  node: ClusterNode,
  zone: Zone | undefined,
  machine: MachineFacts,
): Contradiction[] {
  const declared = node.mtu ?? zone?.mtu;
  const nic = nicOf(node, machine);
  if (declared === undefined || nic?.mtu === undefined || declared <= nic.mtu) return [];
  const owner = node.mtu === undefined ? `zone ${node.zone}` : `node ${node.name}`;
  return [
    {
      field: 'mtu',
      file: String(declared),
      machine: String(nic.mtu),
      text: `${owner} has MTU ${declared}, and the network carries ${nic.mtu} (${sourceOf(machine, nic)})`,
      source: node.mtu === undefined ? zone?.source : node.source,
    },
  ];
}

/** A service that tells none says nothing: the address may be that of a translation. */
function publicContradictions(node: ClusterNode, machine: MachineFacts): Contradiction[] {
  const known = machine.publicAddresses.map(({ text }) => text);
  return node.publicAddresses
    .filter(({ family }) => machine.publicAddresses.some((entry) => entry.family === family))
    .filter(({ text }) => !known.includes(text))
    .map(({ text }) => ({
      field: 'publicAddress',
      file: text,
      machine: known.join(', '),
      text: `node ${node.name} has public address ${text}, and the machine's are ${known.join(', ')}`,
      source: node.source,
    }));
}
