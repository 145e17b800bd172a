/**
 * A node's underlay addresses: `address`, or `addresses` with one for each family.
 */
import type { Address } from '../../encap/address.js';
import { isFault, readAddress } from './address-text.js';
import { items } from './draft.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import type { NodeEntry } from './schema.js';
import type { Entry } from './shape.js';

export interface PlacedAddress {
  readonly address: Address;
  /** Undefined when no mask was written. */
  readonly length: number | undefined;
  readonly text: string;
  readonly path: Path;
}

export function readUnderlay(
  entry: Entry<NodeEntry>,
  context: { readonly report: Report; readonly bad: Set<string> },
): readonly PlacedAddress[] {
  const { value, path } = entry;
  const { report, bad } = context;
  const wrong = bad.has('address') || bad.has('addresses');
  if (value.address !== undefined && value.addresses !== undefined) {
    report.add({
      code: 'conflicting-keys',
      path: [...path, 'addresses'],
      part: 'key',
      value: 'address, addresses',
      message: 'the node has both "address" and "addresses"',
      remedy: 'keep "address" for one, "addresses" for one of each family',
    });
  } else if (value.address === undefined && value.addresses === undefined && !wrong) {
    bad.add('address');
    report.add({
      code: 'missing-key',
      path,
      value: 'address',
      message: 'the key "address" is missing',
      remedy: 'add the underlay address of the node, e.g. address: 192.168.10.11/24',
    });
  }
  const written =
    value.addresses === undefined
      ? items(value.address, [...path, 'address'])
      : items(value.addresses, [...path, 'addresses']);
  const addresses: PlacedAddress[] = [];
  for (const [text, place] of written) {
    const read = readAddress(text);
    if (isFault(read)) {
      report.add({ ...read, path: place, value: text });
      bad.add('address');
      continue;
    }
    if (addresses.some((other) => other.address.family === read.address.family)) {
      report.add({
        code: 'too-many-addresses',
        path: place,
        value: text,
        message: `the node has an IPv${read.address.family} address already`,
        remedy: 'keep the one of each family that the other nodes reach it by',
      });
      continue;
    }
    addresses.push({ ...read, text, path: place });
  }
  return addresses;
}
