/**
 * The zones of the file.
 */
import type { Switches, Zone, ZoneSubnet } from '../../encap/cluster.js';
import { isFault, readPrefix } from './address-text.js';
import {
  type DraftZone,
  type Drafts,
  type PlacedPrefix,
  type ReadContext,
  items,
} from './draft.js';
import { implicitZone } from './limits.js';
import { checkName } from './names.js';
import type { Report } from './report.js';
import { type ZoneEntry, zoneSchema } from './schema.js';
import { type Entry, readEntry } from './shape.js';

export function readZones(
  raw: readonly unknown[] | undefined,
  context: { readonly report: Report; readonly complete: boolean },
): Drafts<DraftZone> {
  const { report } = context;
  const list: DraftZone[] = [];
  const byName = new Map<string, DraftZone>();
  let complete = context.complete;
  for (const [i, item] of (raw ?? []).entries()) {
    const path = ['zones', i];
    const entry = readEntry(item, { schema: zoneSchema, path, report });
    if (entry?.value.name === undefined) complete = false;
    if (entry === undefined) continue;
    const draft = readZone(entry, { report, path });
    const { name } = draft.zone;
    const first = byName.get(name);
    if (first !== undefined && name !== '') {
      report.add({
        code: 'duplicate-name',
        path: [...path, 'name'],
        value: name,
        message: `zone "${name}" is defined already, in ${report.lineOf(first.path)}`,
        remedy: 'rename one of them, or put all subnets below one',
      });
      continue;
    }
    list.push(draft);
    if (name !== '') byName.set(name, draft);
  }
  if ((raw ?? []).length === 0 && context.complete) {
    const draft = onlyZone();
    list.push(draft);
    byName.set(implicitZone, draft);
  }
  return { list, byName, complete };
}

/** Without zones every node is in one on-premises zone. */
function onlyZone(): DraftZone {
  const zone: Zone = Object.freeze({
    name: implicitZone,
    provider: 'onprem',
    region: undefined,
    subnets: [],
    switches: {},
    mtu: undefined,
  });
  return { zone, path: [], bad: new Set(), subnets: [] };
}

function readZone(entry: Entry<ZoneEntry>, context: ReadContext): DraftZone {
  const { report, path } = context;
  const { value } = entry;
  const bad = new Set(entry.bad);
  checkName(value.name, { report, path: [...path, 'name'] });
  checkName(value.region, { report, path: [...path, 'region'] });
  checkName(value.segment, { report, path: [...path, 'segment'] });
  const { subnets, placed, failed } = readSubnets(value, context);
  if (failed) bad.add('subnets');
  if (value.segment !== undefined && value.subnets === undefined && !bad.has('subnets')) {
    report.add({
      code: 'unused-key',
      severity: 'warning',
      path: [...path, 'segment'],
      value: value.segment,
      message: 'the segment has no effect, as the zone has no subnets',
      remedy: 'add "subnets:" with the prefixes of the segment',
    });
  }
  const zone: Zone = Object.freeze({
    name: value.name ?? '',
    provider: value.provider ?? 'onprem',
    region: value.region,
    subnets,
    switches: readSwitches(value),
    mtu: value.mtu,
    source: report.sourceRef(path),
  });
  return { zone, path, bad, subnets: placed };
}

function readSubnets(
  value: Partial<ZoneEntry>,
  { report, path }: ReadContext,
): { subnets: readonly ZoneSubnet[]; placed: readonly PlacedPrefix[]; failed: boolean } {
  const subnets: ZoneSubnet[] = [];
  const placed: PlacedPrefix[] = [];
  let failed = false;
  for (const [item, itemPath] of items(value.subnets, [...path, 'subnets'])) {
    const plain = typeof item === 'string';
    const text = plain ? item : item.prefix;
    const place = plain ? itemPath : [...itemPath, 'prefix'];
    if (!plain) checkName(item.segment, { report, path: [...itemPath, 'segment'] });
    const prefix = readPrefix(text);
    if (isFault(prefix)) {
      report.add({ ...prefix, path: place, value: text });
      failed = true;
      continue;
    }
    const segment = (plain ? undefined : item.segment) ?? value.segment;
    subnets.push(Object.freeze({ prefix, segment, source: report.sourceRef(place) }));
    placed.push({ prefix, path: place });
  }
  return { subnets: Object.freeze(subnets), placed, failed };
}

const noSwitches: Switches = Object.freeze({});

/** The switches among the keys of a zone or a node; absent ones stay absent. */
export function readSwitches(value: {
  readonly [K in keyof Switches]?: SwitchInput<K> | undefined;
}): Switches {
  const firewall = Object.entries(value.firewall ?? {}).filter(([, state]) => state !== undefined);
  const isSaid =
    value.sourceDestinationCheck ?? value.ipForwarding ?? value.fabricRoutes ?? firewall[0];
  if (isSaid === undefined) return noSwitches;
  return Object.freeze({
    ...(value.sourceDestinationCheck && { sourceDestinationCheck: value.sourceDestinationCheck }),
    ...(value.ipForwarding && { ipForwarding: value.ipForwarding }),
    ...(value.fabricRoutes && { fabricRoutes: value.fabricRoutes }),
    ...(firewall.length > 0 && { firewall: Object.freeze(Object.fromEntries(firewall)) }),
  });
}

type SwitchInput<K extends keyof Switches> = K extends 'firewall'
  ? { readonly [F in keyof NonNullable<Switches['firewall']>]?: 'allowed' | 'blocked' | undefined }
  : Switches[K];
