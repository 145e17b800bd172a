/** Where a change stands in the whole fleet: which stage, and who is waited for. */
import type { Cluster } from '../../encap/cluster.js';
import type { Entry } from '../store/kv.js';
import type { Migration } from './migration.js';
import type { Demand, DemandedTerms, NodeStand } from './stand.js';
import { standOf } from './stand.js';

/**
 * In their order: every node sends by the version before (`start`); each learns to receive by both
 * (`prepare`); all do (`ready`); each sends by the new one (`switch`); all do, and what is under way
 * arrives (`settle`); each forgets the old one (`clean`).
 */
export const stages = ['start', 'prepare', 'ready', 'switch', 'settle', 'clean', 'done'] as const;
export type Stage = (typeof stages)[number];

export interface ZoneCount {
  readonly zone: string;
  readonly nodes: number;
  readonly done: number;
  readonly waiting: number;
  readonly skipped: number;
}

export interface Progress {
  readonly stage: Stage;
  /** Of the last version that was written. */
  readonly version: number;
  /** Number of the version that is replaced; absent before the first phase is written. */
  readonly from?: number;
  readonly isRollback: boolean;
  readonly zones: readonly ZoneCount[];
  /** Every one of them must do its part before the next phase is written. */
  readonly waiting: readonly NodeStand[];
  /** Passed over by `--skip` although they have not done their part. */
  readonly skipped: readonly NodeStand[];
  /** Their time is over, so they are not waited for. */
  readonly withdrawn: readonly string[];
}

export interface Reading {
  /** With all nodes that count. */
  readonly cluster: Cluster;
  /** Keys in `status/`, by node. */
  readonly statuses: ReadonlyMap<string, Entry>;
}

export interface ProgressQuestion {
  readonly reading: Reading;
  /** The last phase that was written; undefined before the first. */
  readonly migration: Migration | undefined;
  /** The last version, where there is no phase yet. */
  readonly version: number;
  /** Of the configuration that it leads to, or of the one in force before it begins. */
  readonly terms: DemandedTerms;
  readonly skip: ReadonlySet<string>;
}

export function progressOf(question: ProgressQuestion): Progress {
  const { reading, migration, skip, terms } = question;
  const version = migration?.version ?? question.version;
  const demand: Demand =
    migration === undefined
      ? { version, terms, ...phaseOf(reading.cluster) }
      : { version, terms, phase: migration.phase, isRollback: migration.isRollback };
  const stands = [...reading.cluster.nodes.values()].map((node) =>
    standOf(node, {
      demand,
      entry: reading.statuses.get(node.name),
      isSkipped: skip.has(node.name),
    }),
  );
  const waiting = stands.filter(({ kind }) => kind === 'waiting');
  return {
    stage: stageOf(migration, waiting.length === 0),
    version,
    ...(migration === undefined ? {} : { from: migration.from }),
    isRollback: migration?.isRollback ?? false,
    zones: countZones(stands),
    waiting,
    skipped: stands.filter(({ kind }) => kind === 'skipped'),
    withdrawn: stands.flatMap(({ kind, node }) => (kind === 'withdrawn' ? [node] : [])),
  };
}

/** What counts before a change begins may be the end of another one. */
function phaseOf({ changeover }: Cluster): Pick<Demand, 'phase'> {
  return changeover === undefined ? {} : { phase: changeover.phase };
}

function stageOf(migration: Migration | undefined, isComplete: boolean): Stage {
  switch (migration?.phase) {
    case undefined:
      return 'start';
    case 'prepare':
      return isComplete ? 'ready' : 'prepare';
    case 'switch':
      return isComplete ? 'settle' : 'switch';
    case 'settled':
      return isComplete ? 'done' : 'clean';
  }
}

function countZones(stands: readonly NodeStand[]): readonly ZoneCount[] {
  const counts = new Map<string, { -readonly [Key in keyof ZoneCount]: ZoneCount[Key] }>();
  for (const { zone, kind } of stands) {
    if (kind === 'withdrawn') continue;
    let count = counts.get(zone);
    if (count === undefined)
      counts.set(zone, (count = { zone, nodes: 0, done: 0, waiting: 0, skipped: 0 }));
    count.nodes += 1;
    count[kind] += 1;
  }
  return [...counts.values()].sort((a, b) => (a.zone < b.zone ? -1 : 1));
}
