/**
 * What a node itself says of its data plane, where the store has such records: what it receives,
 * by mode, family, VNI and port, and what it may still be sending. A sender uses only what the
 * receiver's record accepts, an older term while the new one is not there yet.
 *
 * A node that wants to stop receiving a term first says so (`retired`, under a new `version`), and
 * goes on receiving it until every node has acknowledged that version, which it does when its routes
 * follow it. So no order in which records reach the nodes has a sender use what is not received.
 * And nothing is retired that somebody says he sends, so nobody is left without a term.
 */
import type { Carriage, CarriageKey, VxlanId } from './mode.js';
import { carriageKey } from './mode.js';

/** All that both ends must agree on: `ipip:4:4`, `vxlan:4:6/4096/4789` (VNI, port). */
export type Term = CarriageKey | `${CarriageKey}/${number}/${number}`;

export interface LiveRecord {
  readonly accepts: readonly Term[];
  /** What its routes use, for any peer. */
  readonly sends: readonly Term[];
  /** Counts the times that something was retired. */
  readonly version: number;
  readonly retired: readonly { readonly term: Term; readonly version: number }[];
  /** Versions of other nodes that its routes follow, by node; those without any need none. */
  readonly acknowledged: Readonly<Record<string, number>>;
}

export function termOf(carriage: Carriage, vxlan: VxlanId): Term {
  const key = carriageKey(carriage);
  return carriage.mode === 'vxlan' ? `${key}/${vxlan.vni}/${vxlan.port}` : key;
}

export function carriageOf(term: Term): CarriageKey {
  return term.split('/')[0] as CarriageKey;
}

/** Undefined: not one of VXLAN. */
export function vxlanOf(term: Term): VxlanId | undefined {
  const [, vni, port] = term.split('/');
  return vni === undefined ? undefined : { vni: Number(vni), port: Number(port) };
}

/** May anything of this carriage be sent there? Without a record the cluster's word is enough. */
export function accepts(record: LiveRecord | undefined, carriage: Carriage): boolean {
  const key = carriageKey(carriage);
  return record === undefined || record.accepts.some((term) => carriageOf(term) === key);
}

/** The segment to send there with: the wanted one, if it is accepted, else one that is. */
export function segmentTo(
  record: LiveRecord | undefined,
  question: { readonly carriage: Carriage; readonly wanted: VxlanId },
): VxlanId | undefined {
  const { carriage, wanted } = question;
  if (record === undefined || record.accepts.includes(termOf(carriage, wanted))) return wanted;
  const key = carriageKey(carriage);
  const term = record.accepts.find((entry) => carriageOf(entry) === key);
  return term === undefined ? undefined : vxlanOf(term);
}

/** One node's view: its own record, and the others' as they have reached it. */
export interface RecordView {
  readonly self: string;
  readonly own: LiveRecord | undefined;
  readonly others: ReadonlyMap<string, LiveRecord>;
}

/** What must be received besides what the configuration asks for. */
export function stillReceived({ self, own, others }: RecordView): readonly Term[] {
  const peers = [...others.values()];
  const open = (version: number): boolean =>
    peers.some(({ acknowledged }) => (acknowledged[self] ?? 0) < version);
  return [
    ...new Set([
      ...(own?.accepts ?? []),
      ...(own?.retired ?? []).flatMap(({ term, version }) => (open(version) ? [term] : [])),
      ...peers.flatMap(({ sends }) => sends),
    ]),
  ];
}

/** The record to publish once the kernel receives `wanted` and its routes are as `sends` says. */
export function nextRecord(
  view: RecordView,
  now: { readonly wanted: readonly Term[]; readonly sends: readonly Term[] },
): LiveRecord {
  const { own, others } = view;
  const sent = new Set([...others.values()].flatMap(({ sends }) => sends));
  const before = own?.accepts ?? [];
  const kept = before.filter((term) => sent.has(term) && !now.wanted.includes(term));
  const accepted = [...now.wanted, ...kept];
  const dropped = before.filter((term) => !accepted.includes(term));
  const version = (own?.version ?? 0) + (dropped.length > 0 ? 1 : 0);
  const received = new Set(stillReceived(view));
  return {
    accepts: accepted,
    sends: now.sends,
    version,
    retired: [
      ...(own?.retired ?? []).filter(({ term }) => received.has(term) && !accepted.includes(term)),
      ...dropped.map((term) => ({ term, version })),
    ],
    acknowledged: Object.fromEntries(
      [...others].flatMap(([name, record]) => (record.version > 0 ? [[name, record.version]] : [])),
    ),
  };
}
