/**
 * Which carriages this node must be ready to receive: every one that some rule could ask for and
 * no fact excludes. They are up at all times, so that a mode change is one route replace at the
 * sender; a device goes only when no peer can still send to it.
 */
import type { Cluster } from '../encap/cluster.js';
import type { LiveRecord, RecordView } from '../encap/live-record.js';
import { carriageOf, stillReceived } from '../encap/live-record.js';
import type { CarriageKey, Mode } from '../encap/mode.js';
import type { Rib } from './rib.js';

/** Modes that a rule names, and all of them where `auto` (a rule's or the default) may choose. */
export function possibleModes(cluster: Pick<Cluster, 'rules'>): ReadonlySet<Mode> {
  const found = new Set<Mode>();
  let auto = true;
  for (const rule of cluster.rules) {
    if (rule.mode === 'auto')
      for (const mode of ['native', 'ipip', 'vxlan'] as const) found.add(mode);
    else if (rule.mode !== 'deny') found.add(rule.mode);
    const catchAll =
      rule.from === undefined &&
      rule.to === undefined &&
      rule.between === undefined &&
      rule.family === undefined &&
      Object.keys(rule.relations).length === 0;
    if (catchAll) {
      auto = false;
      break;
    }
  }
  if (auto) for (const mode of ['native', 'ipip', 'vxlan'] as const) found.add(mode);
  return found;
}

/** Every carriage that some rule could ask a peer to send here. */
export function askable(cluster: Cluster, rib: Rib): ReadonlySet<CarriageKey> {
  const wanted = possibleModes(cluster);
  return new Set(
    [...rib.usable].filter((key) => wanted.has(key.slice(0, key.indexOf(':')) as Mode)),
  );
}

/** The live records of a cluster, as one node sees them. */
export function recordsOf(cluster: Cluster, self: string): RecordView {
  const others = new Map<string, LiveRecord>();
  for (const node of cluster.nodes.values())
    if (!node.withdrawn && node.name !== self && node.live !== undefined)
      others.set(node.name, node.live);
  return { self, own: cluster.nodes.get(self)?.live, others };
}

/** What the rules may ask for, and what live records say must still be received. */
export function receivable(cluster: Cluster, rib: Rib): ReadonlySet<CarriageKey> {
  const received = stillReceived(recordsOf(cluster, rib.self));
  return new Set([...askable(cluster, rib), ...received.map(carriageOf)]);
}
