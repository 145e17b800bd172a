/** How far one node is with a phase, by what it has said last; and if it is waited for, why. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import type { Term } from '../../encap/live-record.js';
import { carriageOf, vxlanOf } from '../../encap/live-record.js';
import type { Mode } from '../../encap/mode.js';
import { vxlanKey } from '../../routes/changeover.js';
import { possibleModes } from '../../routes/receive.js';
import type { Entry } from '../store/kv.js';
import type { StatusValue } from '../store/fleet/records.js';
import { readStatusValue } from '../store/fleet/values.js';
import type { Phase } from './migration.js';

export type StandKind =
  | 'done'
  | 'waiting'
  /** Waited for by nobody: the operator said so. */
  | 'skipped'
  /** Its time is over: no node sends to it or takes anything from it. */
  | 'withdrawn';

export interface NodeStand {
  readonly node: string;
  readonly zone: string;
  readonly kind: StandKind;
  /** What it lacks, in a few words; of skipped nodes too. */
  readonly lacks?: string;
  /** What it says is wrong there, one line each. */
  readonly problems: readonly string[];
}

/** What every node is asked for. */
export interface Demand {
  /** Number of the configuration's version. */
  readonly version: number;
  /** Absent: the version is none of a change that is led. */
  readonly phase?: Phase;
  /**
   * It takes back what was begun. A node that could not read that does not know the phase: nobody
   * was told to send to it by what it could not read.
   */
  readonly isRollback?: boolean;
  /** The configuration that packets are sent by in the end. */
  readonly terms: DemandedTerms;
}

export interface DemandedTerms {
  readonly modes: ReadonlySet<Mode>;
  readonly vxlan: Cluster['vxlan'];
}

export function demandedTerms(cluster: Pick<Cluster, 'vxlan' | 'rules'>): DemandedTerms {
  return { modes: possibleModes(cluster), vxlan: cluster.vxlan };
}

export interface StandQuestion {
  readonly demand: Demand;
  /** Its key in `status/`. */
  readonly entry: Entry | undefined;
  readonly isSkipped: boolean;
}

export function standOf(node: ClusterNode, question: StandQuestion): NodeStand {
  const { demand, entry, isSkipped } = question;
  const { name, zone } = node;
  if (node.withdrawn) return { node: name, zone, kind: 'withdrawn', problems: [] };
  const { lacks, problems } = assess(node, { demand, entry });
  if (lacks === undefined) return { node: name, zone, kind: 'done', problems };
  return { node: name, zone, kind: isSkipped ? 'skipped' : 'waiting', lacks, problems };
}

interface Assessment {
  readonly lacks: string | undefined;
  readonly problems: readonly string[];
}

function assess(
  node: ClusterNode,
  { demand, entry }: Pick<StandQuestion, 'demand' | 'entry'>,
): Assessment {
  if (node.stale !== undefined) {
    // Nothing depends on it any more: it will go straight to what is settled.
    if (demand.phase === 'settled') return { lacks: undefined, problems: [] };
    return { lacks: `its agent is not heard of: ${node.stale}`, problems: [] };
  }
  if (entry === undefined) return { lacks: 'no agent there has said anything', problems: [] };
  const read = statusOf(entry);
  if (!read.ok)
    return { lacks: `what it says of itself is of no use: ${read.problem}`, problems: [] };
  const { problems } = read.value;
  return { lacks: lackOf(read.value, demand), problems };
}

/** A status is looked at many times before another takes its place. */
const statuses = new WeakMap<Entry, ReturnType<typeof readStatusValue>>();

function statusOf(entry: Entry): ReturnType<typeof readStatusValue> {
  let known = statuses.get(entry);
  if (known === undefined) statuses.set(entry, (known = readStatusValue(entry)));
  return known;
}

function lackOf(status: StatusValue, demand: Demand): string | undefined {
  const { version, phase, isRollback = false } = demand;
  if (status.config < version)
    return status.config === 0
      ? 'it has not carried out any version yet'
      : `it follows version ${status.config} still`;
  // A version after ours: whoever leads that change will ask again.
  const knows = status.phase === phase || (isRollback && status.phase === undefined);
  if (status.config === version && !knows)
    return `it does not know the phase "${phase ?? 'none'}" (release ${status.release || 'unknown'})`;
  if (phase === 'prepare') return missing(status.receives as readonly Term[], demand.terms);
  const foreign = foreignTerms(status.sends as readonly Term[], demand.terms);
  return foreign.length === 0 ? undefined : `it still sends ${foreign.join(', ')}`;
}

/** Terms that the configuration does not have: whoever sends them is in the way of its end. */
export function foreignTerms(
  sends: readonly Term[],
  { modes, vxlan }: DemandedTerms,
): readonly Term[] {
  return sends.filter((term) => {
    const id = vxlanOf(term);
    return !modes.has(modeOf(term)) || (id !== undefined && vxlanKey(id) !== vxlanKey(vxlan));
  });
}

/** Of a node that takes VXLAN: does it take that of the segment to come? */
function missing(receives: readonly Term[], { modes, vxlan }: DemandedTerms): string | undefined {
  const segments = receives.flatMap((term) => vxlanOf(term) ?? []);
  return !modes.has('vxlan') ||
    segments.length === 0 ||
    segments.some((id) => vxlanKey(id) === vxlanKey(vxlan))
    ? undefined
    : `it does not receive VNI ${vxlan.vni}, port ${vxlan.port} yet`;
}

function modeOf(term: Term): Mode {
  const [mode] = carriageOf(term).split(':');
  return mode as Mode;
}
