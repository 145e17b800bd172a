/**
 * Which zone a node is in, and which mask its addresses get from there.
 */
import { type Address, familyBits } from '../../encap/address.js';
import { type InterfaceAddress, type Prefix, prefixContains } from '../../encap/prefix.js';
import { networkRole } from './address-text.js';
import { type DraftZone, type Drafts, enumerate } from './draft.js';
import { namedItems } from './limits.js';
import { suggestName } from './names.js';
import type { PlacedAddress } from './node-address.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import type { NodeEntry } from './schema.js';

interface Wanted {
  readonly value: Partial<NodeEntry>;
  readonly path: Path;
  readonly bad: Set<string>;
  readonly addresses: readonly PlacedAddress[];
}

export class ZoneFinder {
  readonly #zones: Drafts<DraftZone>;
  readonly #report: Report;
  /** Zone names that no zone has, with every place that uses them: one mistake, one report. */
  readonly #unknown = new Map<string, Path[]>();

  constructor(zones: Drafts<DraftZone>, report: Report) {
    this.#zones = zones;
    this.#report = report;
  }

  /** Undefined when it cannot be known; `bad` then has `zone`. */
  find(wanted: Wanted): DraftZone | undefined {
    const { value, path, bad } = wanted;
    if (bad.has('zone')) return undefined;
    const zone = value.zone === undefined ? this.#byAddress(wanted) : this.#named(value.zone, path);
    if (zone === undefined) bad.add('zone');
    return zone;
  }

  #named(name: string, path: Path): DraftZone | undefined {
    const zone = this.#zones.byName.get(name);
    if (zone === undefined && this.#zones.complete) {
      const places = this.#unknown.get(name) ?? [];
      places.push([...path, 'zone']);
      this.#unknown.set(name, places);
    }
    return zone;
  }

  #byAddress({ bad, addresses }: Wanted): DraftZone | undefined {
    const { list, complete } = this.#zones;
    const only = list[0];
    if (list.length === 1 && complete && only!.subnets.length === 0 && !only!.bad.has('subnets'))
      return only;
    const first = addresses[0];
    if (first === undefined || bad.has('address')) return undefined;
    for (const { address, path: place, text } of addresses) {
      const holding = this.#holding(address);
      const longest = Math.max(...holding.map((found) => found.length));
      const best = holding.filter((found) => found.length === longest);
      if (best.length === 1) return best[0]!.zone;
      if (best.length < 2) continue;
      const names = best.map((found) => found.zone.zone.name);
      this.#report.add({
        code: 'ambiguous-zone',
        path: place,
        value: text,
        message: `the subnets of several zones hold the address: ${enumerate(names, namedItems)}`,
        remedy: `add "zone: ${names[0]}" or the other one to the node`,
      });
      return undefined;
    }
    if (complete && !list.some((zone) => zone.bad.has('subnets'))) {
      this.#report.add({
        code: 'no-zone',
        path: first.path,
        value: first.text,
        message: 'no subnet of any zone holds the address, so the node has no zone',
        remedy: 'add "zone: NAME" to the node, or the subnet to its zone',
      });
    }
    return undefined;
  }

  #holding(address: Address): { zone: DraftZone; length: number }[] {
    const found: { zone: DraftZone; length: number }[] = [];
    for (const zone of this.#zones.list)
      for (const { prefix } of zone.subnets)
        if (prefixContains(prefix, address)) found.push({ zone, length: prefix.length });
    return found;
  }

  /** The addresses with their masks: as written, else the zone's subnet's, else a host's. */
  withMasks(
    addresses: readonly PlacedAddress[],
    context: { readonly zone: DraftZone | undefined; readonly path: Path; bad: Set<string> },
  ): InterfaceAddress[] {
    return addresses.map((placed) => {
      const { address } = placed;
      const subnet = context.zone?.subnets.find(({ prefix }) => prefixContains(prefix, address));
      const length = placed.length ?? subnet?.prefix.length ?? familyBits(address.family);
      this.#checkPlace(placed, { ...context, subnet: subnet?.prefix, length });
      return Object.freeze({ address, length });
    });
  }

  #checkPlace(
    placed: PlacedAddress,
    context: {
      readonly zone: DraftZone | undefined;
      readonly subnet: Prefix | undefined;
      readonly length: number;
    },
  ): void {
    const { address, path, text } = placed;
    const { zone, subnet, length } = context;
    const role = networkRole(address, length);
    if (role !== undefined) {
      this.#report.add({
        code: 'network-address',
        path,
        value: text,
        message: `this is the ${role === 'network' ? "network's own" : 'broadcast'} address of its /${length}`,
        remedy: "write the address of the node's NIC",
      });
    } else if (zone !== undefined && subnet === undefined) {
      this.#checkOutside(placed, zone);
    } else if (
      subnet !== undefined &&
      length !== subnet.length &&
      length !== familyBits(address.family)
    ) {
      this.#report.add({
        code: 'mask-differs',
        severity: 'warning',
        path,
        value: text,
        message: `the mask differs from the subnet's, ${subnet.text}`,
        remedy: `write /${subnet.length} unless the NIC really has another mask`,
      });
    }
  }

  #checkOutside({ address, path, text }: PlacedAddress, zone: DraftZone): void {
    const sameFamily = zone.subnets.filter(({ prefix }) => prefix.family === address.family);
    if (sameFamily.length === 0 || zone.bad.has('subnets')) return;
    const elsewhere = this.#holding(address)[0]?.zone.zone.name;
    const subnets = enumerate(
      sameFamily.map(({ prefix }) => prefix.text),
      namedItems,
    );
    this.#report.add({
      code: 'address-outside-zone',
      path,
      value: text,
      message: `the address is outside the subnets of zone ${zone.zone.name}: ${subnets}`,
      remedy:
        elsewhere === undefined
          ? 'correct the address, or add its subnet to the zone'
          : `did you mean "zone: ${elsewhere}", which holds it?`,
    });
  }

  reportUnknown(): void {
    for (const [name, places] of this.#unknown) {
      const more = places.length - 1;
      const others = more === 0 ? '' : ` (nor for ${more} more ${more === 1 ? 'node' : 'nodes'})`;
      const declared = this.#zones.list.filter((zone) => zone.path.length > 0);
      this.#report.add({
        code: 'unknown-zone',
        path: places[0]!,
        value: name,
        message: `there is no zone "${name}"${others}`,
        remedy:
          declared.length === 0
            ? `add it below "zones:", or leave "zone" out`
            : suggestName(name, this.#zones.byName.keys(), 'add it below "zones:"'),
      });
    }
  }
}
