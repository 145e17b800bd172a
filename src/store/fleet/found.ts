/**
 * What a node has found out about its own machine, in its record: the planes that its kernel lacks,
 * and an MTU that is smaller than others would believe. `probed` keeps what was found apart from
 * what an operator wrote: a later look changes what an earlier one has written, and nothing else.
 */
import type { Accepts } from '../../../encap/cluster.js';
import type { CarriageKey, Plane } from '../../../encap/mode.js';
import { underlayFacts } from '../../../encap/underlay/index.js';
import type { Entry } from '../kv.js';
import type { NodeFindings } from '../store.js';
import type { Ground } from './ground.js';
import type { RecordDraft } from './publisher.js';
import { readRecord } from './read-record.js';
import type { ProbedValue } from './records.js';
import { readRecordValue } from './values.js';

export interface FoundContext {
  readonly name: string;
  readonly ground: Ground;
}

/** For the watcher of a record; a node that the configuration lists is as that says. */
export function recordDraft(
  entry: Entry | undefined,
  found: NodeFindings,
  { name, ground }: { readonly name: string; readonly ground: Ground | undefined },
): RecordDraft | undefined {
  if (entry === undefined || ground === undefined || ground.listed.has(name)) return undefined;
  const value = withFindings(entry, found, { name, ground });
  return value === undefined ? undefined : { value, ifRevision: entry.modRevision };
}

/** The record with what was found; undefined: it says so already, or nobody could use it then. */
export function withFindings(
  entry: Entry,
  found: NodeFindings,
  context: FoundContext,
): string | undefined {
  const { name, ground } = context;
  const reader = { name, file: `record/${name}`, ground };
  const read = readRecordValue(entry);
  const usable = readRecord(entry, reader);
  if (!read.ok || !usable.ok) return undefined;
  const { node, probed = {}, ...root } = read.value;
  const { accepts = {}, mtu, ...rest } = node as StoredNode;
  const before = probed.accepts ?? {};
  const written = Object.fromEntries(
    Object.entries(accepts).filter(([key, plane]) => before[key] !== plane),
  );
  const told = toldPlanes(found, { before, accepts, written });
  const zone = ground.zones.byName.get(usable.value.zone)!.zone;
  const usual = zone.mtu ?? underlayFacts[zone.provider].mtu.bytes;
  const ownMtu = mtu === probed.mtu ? undefined : mtu;
  const toldMtu = ownMtu === undefined ? smaller(found.mtu, { usual, before: mtu }) : undefined;
  if (
    sameFields(before, told) &&
    probed.mtu === toldMtu &&
    sameFields(accepts, { ...written, ...told })
  )
    return undefined;
  const planes = { ...written, ...told };
  const marks: ProbedValue = withoutUndefined({
    ...probed,
    accepts: isEmpty(told) ? undefined : told,
    mtu: toldMtu,
  });
  const value = JSON.stringify({
    ...root,
    node: withoutUndefined({
      ...rest,
      accepts: isEmpty(planes) ? undefined : planes,
      mtu: ownMtu ?? toldMtu,
    }),
    ...(isEmpty(marks) ? {} : { probed: marks }),
  });
  return readRecord({ ...entry, value }, reader).ok ? value : undefined;
}

/** The planes that the record says the kernel lacks, as an earlier look had found it. */
export function probedPlanes(entry: Entry | undefined): Accepts {
  const read = entry && readRecordValue(entry);
  if (read?.ok !== true) return {};
  const { accepts } = read.value.node as StoredNode;
  const planes: Partial<Record<CarriageKey, Plane>> = {};
  for (const [key, plane] of Object.entries(read.value.probed?.accepts ?? {}))
    if (accepts?.[key] === plane) planes[key.replaceAll('/', ':') as CarriageKey] = plane as Plane;
  return planes;
}

/** What these fields are once the record can be read. */
interface StoredNode extends Readonly<Record<string, unknown>> {
  readonly accepts?: Planes;
  readonly mtu?: number;
}

type Planes = Readonly<Record<string, string>>;

/** From the best to the worst. */
const ranking: readonly string[] = ['kernel', 'ebpf', 'userspace', 'none'];

function toldPlanes(
  { planes, isUp }: NodeFindings,
  record: { readonly before: Planes; readonly accepts: Planes; readonly written: Planes },
): Planes {
  const { before, accepts, written } = record;
  const told = new Map<string, string>();
  for (const [carriage, plane] of Object.entries(planes))
    told.set(carriage.replaceAll(':', '/'), plane);
  // Nobody may send what is not received yet: until that is up, the worse word stays.
  if (!isUp)
    for (const [key, plane] of Object.entries(before))
      if (accepts[key] === plane && rankOf(plane) > rankOf(told.get(key))) told.set(key, plane);
  const isWritten = (key: string): boolean =>
    key in written || (key.split('/')[0] ?? key) in written;
  return Object.fromEntries([...told].filter(([key]) => !isWritten(key)));
}

function rankOf(plane = 'kernel'): number {
  return ranking.indexOf(plane);
}

/** Not known: as it was. */
function smaller(
  found: number | undefined,
  { usual, before }: { readonly usual: number; readonly before: number | undefined },
): number | undefined {
  if (found === undefined) return before;
  return found < usual ? found : undefined;
}

function sameFields(a: Planes, b: Planes): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

function withoutUndefined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
