/**
 * The record that a joining node writes: the entry that it would have under `nodes:`. What a record
 * of before says and nobody asked to change stays, fields of other releases too.
 */
import type { Address } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import { groundOf } from '../store/fleet/ground.js';
import { readRecord } from '../store/fleet/read-record.js';
import { formatVersion } from '../store/fleet/records.js';
import { FleetError } from './fleet-error.js';
import type { Registered } from './reading.js';

export interface RecordContent {
  readonly name: string;
  readonly zone: string;
  readonly underlay: readonly InterfaceAddress[];
  readonly overlay: readonly Prefix[];
  /** Undefined: as before. */
  readonly publicAddresses: readonly Address[] | undefined;
  /** Undefined: as before. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** Text of the value. */
export function recordText(content: RecordContent, before: Registered | undefined): string {
  const { name, zone, underlay, overlay, publicAddresses, labels } = content;
  const { address, addresses, ...kept } = before?.node ?? {};
  const written = underlay.map((one) => `${one.address.text}/${one.length}`);
  const root = before === undefined ? {} : (JSON.parse(before.entry.value) as object);
  const node = {
    ...kept,
    name,
    zone,
    ...(written.length === 1 ? { address: written[0] } : { addresses: written }),
    overlay: overlay.map(({ text }) => text),
    ...(publicAddresses === undefined
      ? {}
      : { publicAddress: publicAddresses.map(({ text }) => text) }),
    ...(labels === undefined ? {} : { labels }),
  };
  return JSON.stringify({ ...root, version: formatVersion, node });
}

/** Would every agent take the record? Throws with what is wrong otherwise. */
export function checkRecord(value: string, cluster: Cluster, name: string): void {
  const read = readRecord(
    { value },
    { name, file: `the record of ${name}`, ground: groundOf(cluster) },
  );
  if (!read.ok)
    throw new FleetError(
      `node ${name} cannot join like this: ${read.problem}; correct the options, or the configuration`,
    );
}
