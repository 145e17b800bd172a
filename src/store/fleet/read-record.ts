/**
 * From the record of a node to the node, read by the very reader of the entries below `nodes:`.
 * Here is what a record says by itself, held against the configuration; what it claims that others
 * claim too is decided in members.ts.
 */
import type { Address } from '../../../encap/address.js';
import type { ClusterNode, Zone } from '../../../encap/cluster.js';
import { prefixContains, prefixOf, prefixesOverlap } from '../../../encap/prefix.js';
import { checkMtus } from '../../config/check-mtu.js';
import { acceptsKeys } from '../../config/limits.js';
import { readNodes } from '../../config/read-nodes.js';
import { Report } from '../../config/report.js';
import { nodeSchema } from '../../config/schema.js';
import type { Entry } from '../kv.js';
import { type Ground, isInZone, subnetAround } from './ground.js';
import { readRecordValue } from './values.js';

export interface RecordContext {
  readonly name: string;
  /** For explanations: where the record is. */
  readonly file: string;
  readonly ground: Ground;
}

export type RecordReading =
  | {
      readonly ok: true;
      readonly value: ClusterNode;
      /** What of it was not believed, one line each. */
      readonly notes: readonly string[];
    }
  | { readonly ok: false; readonly problem: string };

export function readRecord(entry: Pick<Entry, 'value'>, context: RecordContext): RecordReading {
  const { name, file, ground } = context;
  const read = readRecordValue(entry);
  if (!read.ok) return read;
  const fields = knownFields(read.value.node);
  if (fields['name'] !== undefined && fields['name'] !== name)
    return failed(`it is of a node called ${JSON.stringify(fields['name']).slice(0, 80)}`);
  const report = new Report(file, firstLine);
  const drafts = readNodes([{ ...fields, name }], { report, zones: ground.zones, complete: true });
  checkMtus({ zones: [], links: [], nodes: drafts.list }, report);
  const wrong = report.problems().find(({ severity }) => severity === 'error');
  if (wrong !== undefined) {
    const where = wrong.path.replace(/^nodes\[0\]\.?/, '');
    const value = wrong.value === '' || wrong.value === where ? '' : ` ${wrong.value}`;
    return failed(`${where}${value}: ${wrong.message}`.replace(/^: /, ''));
  }
  const notes: string[] = [];
  const node = withZoneMasks(drafts.list[0]!.node, { ground, notes });
  const problem = misplaced(node, ground) ?? doubled(node);
  if (problem !== undefined) return failed(problem);
  return { ok: true, value: node, notes: notes.length === 0 ? nothing : notes };
}

const nothing: readonly string[] = Object.freeze([]);
const firstLine = { locate: () => ({ line: 1, column: 1 }), sourceText: () => undefined };

/** A later release may say more of a node: what this one does not know is left out. */
function knownFields(node: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (!Object.hasOwn(nodeSchema.shape, key)) continue;
    const inner = innerKeys[key];
    known[key] =
      inner !== undefined && typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).filter(([entry]) => inner.has(entry)))
        : value;
  }
  return known;
}

const innerKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  accepts: new Set(acceptsKeys),
  firewall: new Set(Object.keys(nodeSchema.shape.firewall.unwrap().shape)),
};

/**
 * Equal masks make two nodes neighbours, and a short one makes many: no mask of a record is shorter
 * than the subnet that the configuration says the address is in.
 */
function withZoneMasks(
  node: ClusterNode,
  { ground, notes }: { readonly ground: Ground; readonly notes: string[] },
): ClusterNode {
  const { zone } = ground.zones.byName.get(node.zone)!;
  const underlay = node.underlay.map((own) => {
    const { address, length } = own;
    const subnet = subnetAround(zone, address);
    if (subnet === undefined || length >= subnet.length) return own;
    notes.push(
      `node ${node.name} claims ${address.text}/${length}, wider than the subnet ${subnet.text} of zone ${zone.name}: read as /${subnet.length}`,
    );
    return Object.freeze({ ...own, length: subnet.length });
  });
  return notes.length === 0 ? node : Object.freeze({ ...node, underlay: Object.freeze(underlay) });
}

/**
 * A node is where its address is: a zone that says nothing of its subnets has no node that chose
 * it, unless no zone says anything.
 */
function misplaced(node: ClusterNode, ground: Ground): string | undefined {
  const zone = ground.zones.byName.get(node.zone)!.zone;
  const own = new Set(node.underlay.map(({ address }) => address.text));
  for (const { address, length } of node.underlay) {
    const network = prefixOf(address, length);
    const pool = ground.pools.find((prefix) => prefixesOverlap(prefix, network));
    if (pool !== undefined) return `its network ${network.text} overlaps the pool ${pool.text}`;
    if (ground.hasSubnets && !isInZone(zone, address)) return outside(address, zone);
  }
  for (const address of node.publicAddresses) {
    const pool = ground.pools.find((prefix) => prefixContains(prefix, address));
    if (pool !== undefined) return `its public address ${address.text} is in the pool ${pool.text}`;
    if (own.has(address.text)) continue;
    // Of subnets inside one another the inner one says whose the address is.
    const inside = subnetAround(zone, address)?.length ?? -1;
    for (const { zone: other } of ground.zones.list)
      if ((subnetAround(other, address)?.length ?? -1) > inside) return outside(address, zone);
  }
  return undefined;
}

function outside(address: Address, zone: Zone): string {
  return isInZone(zone, address)
    ? `it is of zone ${zone.name}, and its address ${address.text} is in a subnet of another one`
    : `it is of zone ${zone.name}, and its address ${address.text} is in no subnet of it`;
}

function doubled({ overlay }: ClusterNode): string | undefined {
  for (const [i, prefix] of overlay.entries()) {
    const other = overlay.slice(0, i).find((before) => prefixesOverlap(before, prefix));
    if (other !== undefined) return `its prefixes ${other.text} and ${prefix.text} overlap`;
  }
  return undefined;
}

function failed(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
