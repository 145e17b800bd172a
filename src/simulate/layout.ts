/**
 * Where the nodes of a synthetic fleet are: zones over providers, with subnets of the sizes that
 * these hand out, and ranges of the overlay from which a zone's nodes get their blocks. Every number
 * follows from the counts alone; a node is a zone and a place in it.
 */
import { addressFromU32 } from '../../encap/address.js';
import type { Provider } from '../../encap/cluster.js';

export interface FleetZone {
  readonly name: string;
  readonly provider: Provider;
  readonly region: string;
  /** `172.16.0.0/20`, one or several. */
  readonly subnets: readonly string[];
  /** Range of the overlay that its nodes' blocks are taken from. */
  readonly blocks: string;
  /** Nodes that it has addresses and blocks for. */
  readonly places: number;
  /** As the provider's interfaces have it: a GCE node's address is a /32. */
  address(place: number): string;
  /** First address behind the interface: the underlay's router. */
  gateway(place: number): string;
  block(place: number): string;
}

export interface FleetLayout {
  readonly zones: readonly FleetZone[];
  readonly pool: string;
  readonly blockLength: number;
}

/** Providers in the order in which zones are dealt out: every ten zones have this mixture. */
const mixture: readonly Provider[] = [
  'aws',
  'onprem',
  'gce',
  'azure',
  'onprem-bgp',
  'aws',
  'onprem',
  'gce',
  'azure',
  'aws',
];

/** Prefix length of one subnet: an AWS and a GCE default subnet, an Azure one, a rack. */
const subnetLengths: Partial<Record<Provider, number>> = { aws: 20, gce: 20, azure: 22 };
const rackLength = 24;

const zonesInRegion = 3;
/** RFC 1918: the underlay in one part of it, the overlay in another. */
const underlayStart = 0xac100000;
const underlayEnd = 0xac200000;
const overlayStart = 0x0a000000;
const overlayEnd = 0x0b000000;
/** 64 addresses a node; a fleet of 100,000 has no room for more in one pool. */
const blockLength = 26;
const blockSize = 2 ** (32 - blockLength);
/** Of a subnet: network, router, and two that clouds keep for themselves; and the broadcast. */
const reservedLow = 4;
const reservedHigh = 1;
/** Nodes that join while others have not left yet. */
const headroom = 1.2;

export class FleetTooLarge extends Error {}

export function fleetLayout(counts: {
  readonly nodes: number;
  readonly zones: number;
}): FleetLayout {
  const places = Math.ceil((counts.nodes / counts.zones) * headroom) + 2;
  const range = 2 ** Math.ceil(Math.log2(places));
  let underlay = underlayStart;
  let overlay = overlayStart;
  const zones = Array.from({ length: counts.zones }, (_, index): FleetZone => {
    const provider = mixture[index % mixture.length]!;
    const length = subnetLengths[provider] ?? rackLength;
    const size = 2 ** (32 - length);
    const usable = size - reservedLow - reservedHigh;
    const first = Math.ceil(underlay / size) * size;
    const count = Math.ceil(places / usable);
    const firstBlock = overlay;
    underlay = first + count * size;
    overlay += range * blockSize;
    if (underlay > underlayEnd || overlay > overlayEnd)
      throw new FleetTooLarge(
        `${counts.nodes} nodes in ${counts.zones} zones do not fit: the overlay 10.0.0.0/8 has ${2 ** (blockLength - 8)} blocks of /${blockLength}, and the underlay 172.16.0.0/12`,
      );
    const subnetOf = (place: number): number => first + Math.floor(place / usable) * size;
    return Object.freeze({
      ...nameOf(provider, index),
      provider,
      subnets: Array.from(
        { length: count },
        (__, subnet) => `${addressFromU32(first + subnet * size).text}/${length}`,
      ),
      blocks: `${addressFromU32(firstBlock).text}/${blockLength - Math.log2(range)}`,
      places,
      address: (place: number) => {
        const host = subnetOf(place) + reservedLow + (place % usable);
        return `${addressFromU32(host).text}/${provider === 'gce' ? 32 : length}`;
      },
      gateway: (place: number) => addressFromU32(subnetOf(place) + 1).text,
      block: (place: number) =>
        `${addressFromU32(firstBlock + place * blockSize).text}/${blockLength}`,
    });
  });
  return { zones, pool: '10.0.0.0/8', blockLength };
}

function nameOf(provider: Provider, index: number): { name: string; region: string } {
  const nth = Math.floor(index / mixture.length);
  const inTen = mixture.slice(0, index % mixture.length).filter((one) => one === provider).length;
  const perTen = mixture.filter((one) => one === provider).length;
  const number = nth * perTen + inTen;
  const region = `${provider}-${Math.floor(number / zonesInRegion) + 1}`;
  return { name: `${region}${'abc'[number % zonesInRegion]}`, region };
}
