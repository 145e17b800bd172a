/**
 * Where a machine stands in the cluster: its zone, and the address of each family that the others
 * reach it by. An address of the machine in a subnet of a zone says both; where that leaves a
 * choice, a person makes it.
 */
import type { Address, Family } from '../../encap/address.js';
import { compareAddresses } from '../../encap/address.js';
import type { Cluster, Zone } from '../../encap/cluster.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import { prefixContains } from '../../encap/prefix.js';
import { subnetAround } from '../store/fleet/ground.js';
import { FleetError } from './fleet-error.js';

/** An address of this machine and the device that has it. */
export interface MachineAddress extends InterfaceAddress {
  readonly device: string;
}

export interface PlacementRequest {
  readonly cluster: Pick<Cluster, 'zones' | 'pools'>;
  /** Of this machine, in the kernel's order. */
  readonly found: readonly MachineAddress[];
  /** As a person wrote them: these and no others. */
  readonly addresses: readonly (InterfaceAddress | Address)[];
  readonly zone: string | undefined;
  /** What the provider calls the zone of this machine; it decides where subnets do not. */
  readonly toldZone: string | undefined;
}

export interface Placement {
  readonly zone: string;
  /** One of a family, IPv4 first. */
  readonly underlay: readonly InterfaceAddress[];
}

export function placeMachine(request: PlacementRequest): Placement {
  const candidates = candidatesOf(request);
  const zone = zoneOf(request, candidates);
  const underlay = ([4, 6] as const).flatMap((family) => {
    const inside = candidates.filter(
      ({ address }) => address.family === family && fits(zone, address),
    );
    return inside.length === 0 ? [] : [theOne(inside, { family, zone })];
  });
  if (underlay.length > 0) {
    const [outside] = request.addresses
      .map(bare)
      .filter((address) => !underlay.some((one) => one.address.text === address.text));
    if (outside === undefined) return { zone: zone.name, underlay };
    throw new FleetError(
      `${outside.text} is outside of the subnets of zone ${zone.name}: ${subnetsOf(zone)}; name an address of the zone, or add the subnet to the zone`,
    );
  }
  throw new FleetError(
    `this machine has no address in zone ${zone.name} (${subnetsOf(zone)}): it has ${listed(candidates)}; name the zone with --zone or the address with --address, or add the subnet to the zone`,
  );
}

interface Candidate extends InterfaceAddress {
  /** Undefined: a person named it. */
  readonly device: string | undefined;
  readonly written: boolean;
}

function candidatesOf({ found, addresses, cluster }: PlacementRequest): readonly Candidate[] {
  if (addresses.length === 0)
    return found
      .filter(({ address }) => !cluster.pools.some((pool) => prefixContains(pool, address)))
      .map((one) => ({ ...one, written: false }));
  return addresses.map((one) => {
    const address = bare(one);
    const here = found.find((other) => other.address.text === address.text);
    const length = 'address' in one ? one.length : (here?.length ?? maskOf(address, cluster.zones));
    return { address, length, device: here?.device, written: true };
  });
}

function bare(one: InterfaceAddress | Address): Address {
  return 'address' in one ? one.address : one;
}

/** Of the subnet that holds it; a host's own otherwise. */
function maskOf(address: Address, zones: Cluster['zones']): number {
  const subnets = [...zones.values()].flatMap((zone) => zone.subnets);
  const lengths = subnets
    .filter(({ prefix }) => prefixContains(prefix, address))
    .map(({ prefix }) => prefix.length);
  return lengths.length === 0 ? 8 * address.bytes.length : Math.max(...lengths);
}

function zoneOf(request: PlacementRequest, candidates: readonly Candidate[]): Zone {
  const { cluster, zone: named, toldZone } = request;
  const zones = [...cluster.zones.values()];
  if (named !== undefined) {
    const zone = cluster.zones.get(named);
    if (zone !== undefined) return zone;
    throw new FleetError(
      `the configuration has no zone "${named}"; it has ${zones.map(({ name }) => name).join(', ')}`,
    );
  }
  const [only] = zones;
  if (zones.length === 1 && only!.subnets.length === 0) return only!;
  const best = longest(zones, candidates);
  if (best.length === 1) return best[0]!;
  const told = zones.find(({ name }) => name === toldZone?.toLowerCase());
  if (told !== undefined && (best.length === 0 || best.includes(told))) return told;
  if (best.length === 0)
    throw new FleetError(
      `no zone has a subnet with an address of this machine (${listed(candidates)}), so its zone is not known; name it with --zone, or add the subnet to its zone`,
    );
  throw new FleetError(
    `the addresses of this machine (${listed(candidates)}) are in subnets of several zones: ${best.map(({ name }) => name).join(', ')}; name its zone with --zone`,
  );
}

/** The zones with the longest subnet around an address of the machine. */
function longest(zones: readonly Zone[], candidates: readonly Candidate[]): readonly Zone[] {
  const found = zones.flatMap((zone) =>
    zone.subnets
      .filter(({ prefix }) => candidates.some(({ address }) => prefixContains(prefix, address)))
      // Lengths of the families do not compare; what is left over does.
      .map(({ prefix }) => ({ zone, length: prefix.length / prefix.bytes.length })),
  );
  const most = Math.max(...found.map(({ length }) => length));
  return [...new Set(found.filter(({ length }) => length === most).map(({ zone }) => zone))];
}

/** A zone of which no subnet of the family is known takes any address. */
function fits(zone: Zone, address: Address): boolean {
  const subnets = zone.subnets.filter(({ prefix }) => prefix.family === address.family);
  if (subnets.length > 0) return subnets.some(({ prefix }) => prefixContains(prefix, address));
  return zone.subnets.length === 0;
}

/** The first of its device is the one that the kernel itself prefers. */
function theOne(
  inside: readonly Candidate[],
  place: { readonly family: Family; readonly zone: Zone },
): InterfaceAddress {
  const [first] = inside;
  const devices = new Set(inside.map(({ device, address }) => device ?? address.text));
  if (devices.size > 1)
    throw new FleetError(
      `this machine has several IPv${place.family} addresses in zone ${place.zone.name}: ${listed(inside)}; name one with --address`,
    );
  // Readers believe no mask that is shorter than the subnet's.
  const { address, length } = first!;
  return { address, length: Math.max(length, subnetAround(place.zone, address)?.length ?? 0) };
}

function listed(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'none';
  return [...candidates]
    .sort((a, b) => compareAddresses(a.address, b.address))
    .map(({ address, length }) => `${address.text}/${length}`)
    .join(', ');
}

function subnetsOf(zone: Zone): string {
  return zone.subnets.map(({ prefix }: { prefix: Prefix }) => prefix.text).join(', ');
}
