/**
 * The nodes of the file: names, labels and overlay prefixes here, addresses and the zone they lead
 * to in `node-address.ts`.
 */
import type { Address } from '../../encap/address.js';
import type { Accepts, ClusterNode } from '../../encap/cluster.js';
import { type CarriageKey, type Plane, carriageKey, modes } from '../../encap/mode.js';
import { isFault, readBareAddress, readPrefix } from './address-text.js';
import {
  type DraftNode,
  type DraftZone,
  type Drafts,
  type PlacedPrefix,
  type ReadContext,
  items,
} from './draft.js';
import { checkName } from './names.js';
import { ZoneFinder } from './node-zone.js';
import { readUnderlay } from './node-address.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import { readSwitches } from './read-zones.js';
import { type NodeEntry, nodeSchema } from './schema.js';
import { type Entry, readEntry } from './shape.js';

export function readNodes(
  raw: readonly unknown[] | undefined,
  context: {
    readonly report: Report;
    readonly zones: Drafts<DraftZone>;
    /** Are there no nodes but these? */
    readonly complete: boolean;
  },
): Drafts<DraftNode> {
  const { report, zones } = context;
  const finder = new ZoneFinder(zones, report);
  const list: DraftNode[] = [];
  const byName = new Map<string, DraftNode>();
  let complete = context.complete && raw !== undefined;
  for (const [i, item] of (raw ?? []).entries()) {
    const path = ['nodes', i];
    const entry = readEntry(item, { schema: nodeSchema, path, report });
    const name = entry?.value.name;
    if (name === undefined) complete = false;
    if (entry === undefined) continue;
    const first = name === undefined ? undefined : byName.get(name);
    if (first !== undefined) {
      report.add({
        code: 'duplicate-name',
        path: [...path, 'name'],
        value: name!,
        message: `node "${name}" is defined already, in ${report.lineOf(first.path)}`,
        remedy: 'rename one of them, or remove the copy',
      });
      continue;
    }
    const draft = readNode(entry, { report, path, finder });
    list.push(draft);
    if (name !== undefined) byName.set(name, draft);
  }
  finder.reportUnknown();
  return { list, byName, complete };
}

function readNode(
  entry: Entry<NodeEntry>,
  context: ReadContext & { readonly finder: ZoneFinder },
): DraftNode {
  const { report, path, finder } = context;
  const { value } = entry;
  const bad = new Set(entry.bad);
  checkName(value.name, { report, path: [...path, 'name'] });
  const written = readUnderlay(entry, { report, bad });
  const zone = finder.find({ value, path, bad, addresses: written });
  const underlay = finder.withMasks(written, { zone, path, bad });
  const overlay = readOverlay(value, { report, path, bad });
  const publics = readPublic(value, { report, path, bad });
  const node: ClusterNode = Object.freeze({
    name: value.name ?? '',
    zone: zone?.zone.name ?? '',
    underlay: Object.freeze(underlay),
    publicAddresses:
      publics.length === 0 ? noAddresses : Object.freeze(publics.map(([address]) => address)),
    overlay: Object.freeze(overlay.map((placed) => placed.prefix)),
    labels: value.labels === undefined ? noLabels : Object.freeze({ ...value.labels }),
    switches: readSwitches(value),
    mtu: value.mtu,
    accepts: readAccepts(value.accepts),
    withdrawn: false,
    ...(value.masquerade === undefined ? {} : { masquerade: value.masquerade }),
    source: report.sourceRef(path),
  });
  return {
    node,
    path,
    bad,
    overlay,
    underlayPaths: written.map((address) => address.path),
    publicPaths: publics.map(([, place]) => place),
  };
}

/** One for the thousands of nodes that have none. */
const noLabels: ClusterNode['labels'] = Object.freeze({});
const noAddresses: readonly Address[] = Object.freeze([]);

type Reading = ReadContext & { readonly bad: Set<string> };

function readOverlay(value: Partial<NodeEntry>, context: Reading): readonly PlacedPrefix[] {
  const { report, path, bad } = context;
  const overlay: PlacedPrefix[] = [];
  for (const [text, place] of items(value.overlay, [...path, 'overlay'])) {
    const prefix = readPrefix(text);
    if (isFault(prefix)) {
      report.add({ ...prefix, path: place, value: text });
      bad.add('overlay');
      continue;
    }
    overlay.push({ prefix, path: place });
    if (prefix.length !== 8 * prefix.bytes.length) continue;
    report.add({
      code: 'small-prefix',
      severity: 'warning',
      path: place,
      value: text,
      message: "the prefix holds one address, which becomes the node's own tunnel address",
      remedy: 'give the node a larger prefix if workloads shall run on it',
    });
  }
  return overlay;
}

function readPublic(value: Partial<NodeEntry>, context: Reading): readonly [Address, Path][] {
  const { report, path, bad } = context;
  const addresses: [Address, Path][] = [];
  for (const [text, place] of items(value.publicAddress, [...path, 'publicAddress'])) {
    const address = readBareAddress(text);
    if (isFault(address)) {
      report.add({ ...address, path: place, value: text });
      bad.add('publicAddress');
      continue;
    }
    addresses.push([address, place]);
    if (!isPrivate(address)) continue;
    report.add({
      code: 'private-public-address',
      severity: 'warning',
      path: place,
      value: text,
      message: 'the public address is of a private range',
      remedy: 'write the address that the internet sees, or use "address" for this one',
    });
  }
  return addresses;
}

/** RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193. */
function isPrivate(address: Address): boolean {
  const [a, b] = address.bytes as unknown as readonly [number, number];
  if (address.family === 6) return (a & 0xfe) === 0xfc;
  return (
    a === 10 ||
    (a === 172 && (b & 0xf0) === 16) ||
    (a === 192 && b === 168) ||
    (a === 100 && (b & 0xc0) === 64)
  );
}

const noAccepts: Accepts = Object.freeze({});

/** A mode means all its carriages; `mode/outer/inner` is one of them and wins over its mode. */
function readAccepts(table: NodeEntry['accepts']): Accepts {
  if (table === undefined) return noAccepts;
  const planes = table as Readonly<Record<string, Plane | undefined>>;
  const accepts: Partial<Record<CarriageKey, Plane>> = {};
  for (const mode of modes) {
    for (const outer of [4, 6] as const) {
      for (const inner of [4, 6] as const) {
        const plane = planes[`${mode}/${outer}/${inner}`] ?? planes[mode];
        if (plane === undefined || (mode === 'native' && outer !== inner)) continue;
        accepts[carriageKey({ mode, outer, inner })] = plane;
      }
    }
  }
  return Object.freeze(accepts);
}
