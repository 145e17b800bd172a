/**
 * A node joins: its place in the cluster is found, it gets blocks, and its record is written. Every
 * step can be done again, so a join that ended in the middle is healed by the next one of the same
 * name: that one finds the blocks that the node has already.
 *
 * Blocks come before the record. A crash in between leaves blocks that no record claims, which
 * `ipam check` names; the other way round peers would send to prefixes that may be somebody else's.
 */
import type { Address } from '../../encap/address.js';
import { comparePrefixes, prefixesOverlap } from '../../encap/prefix.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import { withFindings } from '../store/fleet/found.js';
import type { Ground } from '../store/fleet/ground.js';
import { groundOf } from '../store/fleet/ground.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyValue } from '../store/kv.js';
import type { NodeFindings } from '../store/store.js';
import { allocateBlocks, inPools } from './allocate.js';
import { FleetError } from './fleet-error.js';
import type { Machine } from './machine.js';
import { placeMachine } from './placement.js';
import { familiesOf } from './ranges.js';
import type { Fleet, Registered } from './reading.js';
import { readFleet, readRegistered, reservedPrefixes } from './reading.js';
import type { RecordContent } from './record.js';
import { checkRecord, recordText } from './record.js';
import type { Block } from './values.js';
import { withAddresses } from './values.js';

export interface JoinRequest {
  readonly keys: FleetKeys;
  readonly name: string;
  readonly machine: Machine;
  readonly zone: string | undefined;
  /** Instead of those of the machine. */
  readonly addresses: readonly (InterfaceAddress | Address)[];
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Blocks of each family. */
  readonly blocks: number;
  /** An agent of this name runs on this very machine. */
  readonly agentIsHere: boolean;
  /** Take the name from an agent that runs elsewhere. */
  readonly replace: boolean;
  readonly now: () => Date;
  readonly random: () => number;
}

export interface Joined {
  /** `listed`: the configuration itself has the node, and nothing was to be registered. */
  readonly kind: 'registered' | 'listed';
  readonly name: string;
  readonly zone: string;
  readonly underlay: readonly string[];
  readonly overlay: readonly string[];
  /** Those of them that the node did not have before. */
  readonly made: readonly string[];
  readonly collisions: number;
  /** Number of the configuration. */
  readonly config: number;
  /** What should be looked at, one line each. */
  readonly notes: readonly string[];
}

/** Attempts after which something other than bad luck is at work. */
const maxAttempts = 20;

export async function joinNode(kv: KeyValue, request: JoinRequest): Promise<Joined> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const joined = await tryJoin(kv, request);
    if (joined !== 'overtaken') return joined;
  }
  throw new FleetError(
    `somebody else keeps writing the record of ${request.name}; see that the name is used once, and join again`,
  );
}

/**
 * `overtaken`: somebody wrote the record of this name meanwhile. What this attempt made is the
 * node's all the same, and the next one finds it; to give it back would take it from whoever has
 * found it already.
 */
async function tryJoin(kv: KeyValue, request: JoinRequest): Promise<Joined | 'overtaken'> {
  const { keys, name } = request;
  const fleet = await readFleet(kv, keys);
  refuseAlive(fleet, request);
  const listed = fleet.cluster.nodes.get(name);
  if (listed !== undefined)
    return {
      kind: 'listed',
      name,
      zone: listed.zone,
      underlay: listed.underlay.map(({ address, length }) => `${address.text}/${length}`),
      overlay: listed.overlay.map(({ text }) => text),
      made: [],
      collisions: 0,
      config: fleet.version,
      notes: [],
    };
  const { machine, zone: named, addresses } = request;
  const { zone, underlay } = placeMachine({
    cluster: fleet.cluster,
    found: machine.addresses,
    addresses,
    zone: named,
    toldZone: machine.toldZone,
  });
  refuseDoubled(fleet, { name, addresses: underlay.map(({ address }) => address.text) });
  requireRanges(fleet, zone);
  const content = {
    name,
    zone,
    underlay,
    publicAddresses: machine.publicAddresses.length === 0 ? undefined : machine.publicAddresses,
    labels: request.labels,
  };
  const before = fleet.records.get(name);
  const publicAddresses = publicAddressesIn(recordText({ ...content, overlay: [] }, before));
  refuseDoubled(fleet, { name, addresses: publicAddresses });
  // Before anything is written: with the blocks it will be of the same shape.
  checkRecord(
    recordText({ ...content, overlay: [exampleBlock(fleet, zone)] }, before),
    fleet.cluster,
    name,
  );
  const allocation = await allocateBlocks(kv, {
    ...request,
    node: name,
    zone,
    count: request.blocks,
    pools: fleet.cluster.pools,
    ranges: fleet.ranges,
    reserved: reservedPrefixes(fleet).filter(
      // Its own blocks of before are no obstacle to itself.
      (prefix) => before?.overlay.every(({ text }) => text !== prefix.text) ?? true,
    ),
  });
  const overlay = allocation.blocks.map(({ prefix }) => prefix);
  await giveAddresses(kv, {
    blocks: allocation.blocks,
    addresses: [...underlay.map(({ address }) => address.text), ...publicAddresses],
  });
  const written = await register(kv, {
    ...{ ...request, before, content: { ...content, overlay } },
    ground: groundOf(fleet.cluster),
  });
  if (!written) return 'overtaken';
  return {
    kind: 'registered',
    name,
    zone,
    underlay: underlay.map(({ address, length }) => `${address.text}/${length}`),
    overlay: overlay.map(({ text }) => text),
    made: allocation.made.map(({ prefix }) => prefix.text),
    collisions: allocation.collisions,
    config: fleet.version,
    notes: [
      ...notesOf(fleet, { name, before, zone, overlay }),
      ...(await doubledSince(kv, { keys, name, underlay })),
    ],
  };
}

function refuseAlive(fleet: Fleet, { name, agentIsHere, replace }: JoinRequest): void {
  const alive = fleet.alive.get(name);
  if (alive === undefined || agentIsHere || replace) return;
  const at = fleet.records.get(name)?.addresses.join(', ');
  throw new FleetError(
    `an agent called ${name} is alive elsewhere${at === undefined || at === '' ? '' : ` (at ${at})`}${alive.since === undefined ? '' : `, since ${alive.since}`}; take another name with --name, or stop that one and take its place with --replace`,
  );
}

function refuseDoubled(
  fleet: Fleet,
  own: { readonly name: string; readonly addresses: readonly string[] },
): void {
  for (const address of own.addresses) {
    const other = ownerOf(fleet, { name: own.name, address });
    if (other === undefined) continue;
    throw new FleetError(
      `${address} is the address of node ${other} already; name another with --address, or have that node leave ("selvage node leave --name ${other}")`,
    );
  }
}

function ownerOf(
  { cluster, records }: Fleet,
  { name, address }: { readonly name: string; readonly address: string },
): string | undefined {
  for (const node of cluster.nodes.values())
    if (node.underlay.some((one) => one.address.text === address)) return node.name;
  for (const record of records.values())
    if (record.name !== name && record.addresses.includes(address)) return record.name;
  return undefined;
}

/** As the record will say, those included that it had before. */
function publicAddressesIn(record: string): readonly string[] {
  const { node } = JSON.parse(record) as { readonly node: Readonly<Record<string, unknown>> };
  const written = node['publicAddress'];
  return [written].flat().flatMap((text) => (typeof text === 'string' ? [text] : []));
}

function requireRanges({ ranges, cluster, version }: Fleet, zone: string): void {
  if (familiesOf(ranges, zone).length > 0) return;
  const pools = cluster.pools.map(({ text }) => text).join(', ');
  throw new FleetError(
    `configuration ${version} has no blocks for nodes of zone ${zone}${pools === '' ? '' : ` (pools: ${pools})`}; add "overlay: { pools: […] }", or a range for the zone below "overlay: blocks:"`,
  );
}

function exampleBlock({ ranges }: Fleet, zone: string): Prefix {
  const [range] = ranges.filter(({ zones }) => zones?.includes(zone) ?? true);
  return range!.within;
}

/** Of this machine, if it is the one that joins. What it does not lack any more its agent tells. */
function findingsOf(
  machine: Machine,
  underlay: readonly InterfaceAddress[],
): NodeFindings | undefined {
  const { planes } = machine;
  const mtus = underlay.flatMap(({ address }) => machine.mtuOf(address) ?? []);
  if (mtus.length === 0) return undefined;
  return { planes: planes ?? {}, mtu: Math.min(...mtus), isUp: false };
}

interface Registering extends JoinRequest {
  readonly ground: Ground;
  readonly before: Registered | undefined;
  readonly content: RecordContent;
}

/**
 * The addresses are the node's from now on, whatever records say. They stand in its oldest block;
 * a block that is not as it was read is looked at again.
 */
async function giveAddresses(
  kv: KeyValue,
  gift: { readonly blocks: readonly Block[]; readonly addresses: readonly string[] },
): Promise<void> {
  const [first, ...others] = gift.blocks;
  const texts = [...new Set(gift.addresses)];
  for (const [block, addresses] of [
    ...(first === undefined ? [] : [[first, texts] as const]),
    ...others.map((block) => [block, []] as const),
  ])
    for (;;) {
      const entry = await kv.get(block.key);
      if (entry === undefined) break;
      const value = withAddresses(entry.value, addresses);
      if (addresses.length === 0 && !entry.value.includes('"addresses"')) break;
      const written = await kv.put(block.key, value, { ifRevision: entry.modRevision });
      if (written.kind === 'written') break;
    }
}

/** False: the record is not what it was. */
async function register(kv: KeyValue, request: Registering): Promise<boolean> {
  const { keys, name, before, content, ground } = request;
  const bare = recordText(content, before);
  const key = keys.record(name);
  const entry = { key, value: bare, createRevision: 0, modRevision: 0 };
  const found = findingsOf(request.machine, content.underlay);
  const value = (found && withFindings(entry, found, { name, ground })) ?? bare;
  const ifRevision = before?.modRevision ?? 0;
  // Also where nothing changes: that it still is as it was has to be known.
  const written = await kv.put(key, value, { ifRevision });
  return written.kind === 'written';
}

/** Two machines with one address that join at the same moment do not see each other before. */
async function doubledSince(
  kv: KeyValue,
  own: {
    readonly keys: FleetKeys;
    readonly name: string;
    readonly underlay: readonly InterfaceAddress[];
  },
): Promise<readonly string[]> {
  const { entries } = await kv.list(own.keys.records);
  const records = entries.flatMap((entry) => {
    const record = readRegistered(entry, own.keys.records);
    return typeof record === 'string' ? [] : [record];
  });
  const mine = records.find(({ name }) => name === own.name);
  return own.underlay.flatMap(({ address }) => {
    const first = records.find(
      (record) =>
        record.name !== own.name &&
        record.addresses.includes(address.text) &&
        record.createRevision < (mine?.createRevision ?? Infinity),
    );
    return first === undefined
      ? []
      : [
          `${address.text} is the address of node ${first.name} as well, which was first: agents refuse this node until one of them has another`,
        ];
  });
}

function notesOf(
  fleet: Fleet,
  own: {
    readonly name: string;
    readonly before: Registered | undefined;
    readonly zone: string;
    readonly overlay: readonly Prefix[];
  },
): readonly string[] {
  const { name, before, zone, overlay } = own;
  const foreign = overlay.filter(
    (prefix) =>
      !fleet.ranges.some(
        ({ within, zones }) =>
          prefixesOverlap(within, prefix) && (zones === undefined || zones.includes(zone)),
      ),
  );
  const lost = fleet.blocks.filter(
    (block) => block.node === name && !inPools(fleet.cluster.pools, block.prefix),
  );
  return [
    ...((before?.zone ?? zone) !== zone
      ? [`it was in zone ${before?.zone} before, and is in ${zone} now`]
      : []),
    ...[...foreign]
      .sort(comparePrefixes)
      .map(
        ({ text }) =>
          `its block ${text} is outside of the ranges of zone ${zone}, so the zone no longer aggregates; "selvage node leave" and a new join get it another one`,
      ),
    ...lost.map(
      ({ prefix }) =>
        `its block ${prefix.text} is in no pool any more and was left out; give it back with "selvage ipam release ${prefix.text}"`,
    ),
  ];
}
