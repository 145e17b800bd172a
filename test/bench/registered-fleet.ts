/** The fleet of fleet.ts as `node join` would have written it: block, record and sign of life of each. */
import type { Cluster } from '../../encap/cluster.js';
import { blockText } from '../../src/fleet/values.js';
import { recordText } from '../../src/fleet/record.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { AliveValue, ConfigValue } from '../../src/store/fleet/records.js';
import { formatVersion } from '../../src/store/fleet/records.js';
import type { KeyValue, Lease } from '../../src/store/kv.js';
import { parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';

export const keys = fleetKeys('bench');

export interface Registration {
  readonly name: string;
  readonly zone: string;
  /** With its length. */
  readonly address: string;
  readonly overlay: string;
}

export function registrations(cluster: Cluster): readonly Registration[] {
  return [...cluster.nodes.values()].map(({ name, zone, underlay, overlay }) => ({
    name,
    zone,
    address: `${underlay[0]!.address.text}/${underlay[0]!.length}`,
    overlay: overlay[0]!.text,
  }));
}

/** All by one rule; the zones' subnets are one segment, so that any mode is possible everywhere. */
export function configText(cluster: Cluster, mode: 'native' | 'vxlan'): string {
  const zones = [...cluster.zones.keys()].map(
    (name, index) =>
      `  - { name: ${name}, region: r${index % 5}, subnets: [{ prefix: 172.${16 + index}.0.0/16, segment: floor }] }`,
  );
  return [
    'cluster: bench',
    'overlay: { pools: [10.0.0.0/8], settleSeconds: 0 }',
    'zones:',
    ...zones,
    `rules: [{ name: all, mode: ${mode} }]`,
    '',
  ].join('\n');
}

export async function writeConfig(kv: KeyValue, version: number, text: string): Promise<void> {
  const value: ConfigValue = { version: formatVersion, text, at: now(), by: 'bench' };
  await kv.put(keys.config(version), JSON.stringify(value), { ifRevision: 0 });
}

/** Without a lease nobody says that it is alive: its own agent will. */
export async function register(
  kv: KeyValue,
  { name, zone, address, overlay }: Registration,
  lease: Lease | undefined,
): Promise<void> {
  const record = recordText(
    {
      ...{ name, zone, underlay: [interfaceAddress(address)], overlay: [parsePrefix(overlay)] },
      ...{ publicAddresses: undefined, labels: undefined },
    },
    undefined,
  );
  const alive: AliveValue = { version: formatVersion, instance: name, since: now() };
  await Promise.all([
    kv.put(keys.block(parsePrefix(overlay)), blockText(name, new Date())),
    kv.put(keys.record(name), record),
    ...(lease === undefined ? [] : [kv.put(keys.alive(name), JSON.stringify(alive), { lease })]),
  ]);
}

export async function unregister(kv: KeyValue, { name, overlay }: Registration): Promise<void> {
  await Promise.all([
    kv.delete(keys.record(name)),
    kv.delete(keys.alive(name)),
    kv.delete(keys.block(parsePrefix(overlay))),
  ]);
}

/** So many at a time that etcd writes them down together. */
const atATime = 100;

export async function registerAll(
  kv: KeyValue,
  all: readonly Registration[],
  { self, lease }: { readonly self: string; readonly lease: Lease },
): Promise<void> {
  for (let i = 0; i < all.length; i += atATime)
    await Promise.all(
      all
        .slice(i, i + atATime)
        .map((one) => register(kv, one, one.name === self ? undefined : lease)),
    );
}

function interfaceAddress(text: string) {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string') throw new SyntaxError(`${parsed}: ${text}`);
  return parsed;
}

function now(): string {
  return new Date().toISOString();
}
