/** All nodes of a fleet: who they are, what they have, and how they are. */
import type { AbsentNode } from '../agent/absent-route.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import { groundOf } from '../store/fleet/ground.js';
import { RecordClaims } from '../store/fleet/record-claims.js';
import { readStatusValue } from '../store/fleet/values.js';
import type { KeyValue } from '../store/kv.js';
import type { NodeState } from './node-state.js';
import { readFleet } from './reading.js';

export interface ListedNode {
  readonly name: string;
  readonly zone: string | null;
  readonly addresses: readonly string[];
  readonly overlay: readonly string[];
  readonly state: NodeState;
  /** Is it in the configuration itself? */
  readonly listed: boolean;
  /** When its agent started; null: none is heard of. */
  readonly aliveSince: string | null;
  /** When its oldest block was given; null: it has none. */
  readonly joinedAt: string | null;
  /** Since then. */
  readonly ageSeconds: number | null;
  /** Stale or withdrawn: since when; null: nobody who was asked knows. */
  readonly absentSince: string | null;
  readonly release: string | null;
  /** Number of the configuration that its kernel follows. */
  readonly config: number | null;
  readonly ready: boolean | null;
  /** Why its claims are refused, and what its agent says. */
  readonly problems: readonly string[];
}

export interface NodeList {
  readonly schema: 'selvage.nodes/1';
  readonly cluster: string;
  readonly config: number;
  /** Seconds from stale to withdrawn. */
  readonly staleGraceSeconds: number;
  readonly nodes: readonly ListedNode[];
  readonly counts: Readonly<Record<NodeState, number>>;
  readonly problems: readonly string[];
}

export interface ListPlace {
  readonly keys: FleetKeys;
  readonly cluster: string;
  readonly now: Date;
  /** What an agent of this cluster says of whom it does not hear; undefined: none was asked. */
  readonly absent?: readonly AbsentNode[] | undefined;
}

export async function listNodes(kv: KeyValue, place: ListPlace): Promise<NodeList> {
  const { keys, cluster, now } = place;
  const absent = new Map(place.absent?.map((node) => [node.name, node]));
  const [fleet, statuses] = await Promise.all([readFleet(kv, keys), kv.list(keys.statuses)]);
  const claims = new RecordClaims({ fileOf: (name) => `record/${name}` });
  claims.setGround(groundOf(fleet.cluster));
  for (const entry of fleet.entries.blocks)
    claims.putBlock(entry.key.slice(keys.blocks.length), entry);
  for (const entry of fleet.entries.records)
    claims.putRecord(entry.key.slice(keys.records.length), entry);
  claims.settle();
  const status = new Map(
    statuses.entries.map((entry) => {
      const read = readStatusValue(entry);
      return [entry.key.slice(keys.statuses.length), read.ok ? read.value : undefined] as const;
    }),
  );
  const joinedAt = new Map<string, string>();
  for (const { node, at } of fleet.blocks) {
    const first = joinedAt.get(node);
    if (first === undefined || at < first) joinedAt.set(node, at);
  }
  const names = new Set([
    ...[...fleet.cluster.nodes.values()].map(({ name }) => name),
    ...claims.names(),
  ]);
  const nodes = [...names].sort().map((name): ListedNode => {
    const listed = fleet.cluster.nodes.get(name);
    const record = fleet.records.get(name);
    const node = listed ?? claims.get(name);
    const alive = fleet.alive.get(name);
    const said = status.get(name);
    const missed = alive === undefined ? absent.get(name) : undefined;
    const joined = joinedAt.get(name) ?? null;
    return {
      name,
      zone: node?.zone ?? record?.zone ?? null,
      addresses: node?.underlay.map(({ address }) => address.text) ?? record?.addresses ?? [],
      overlay: (node?.overlay ?? record?.overlay ?? []).map(({ text }) => text),
      state:
        node === undefined
          ? 'refused'
          : alive !== undefined
            ? 'alive'
            : listed === undefined
              ? (missed?.state ?? 'stale')
              : 'listed',
      listed: listed !== undefined,
      aliveSince: alive?.since ?? null,
      joinedAt: joined,
      ageSeconds: secondsSince(joined, now),
      absentSince: missed?.since ?? null,
      release: said?.release ?? null,
      config: said?.config ?? null,
      ready: said?.ready ?? null,
      problems: [...claims.problemsOf(name), ...(said?.problems ?? [])],
    };
  });
  const counts = { alive: 0, stale: 0, withdrawn: 0, refused: 0, listed: 0 };
  for (const { state } of nodes) counts[state] += 1;
  return {
    schema: 'selvage.nodes/1',
    cluster,
    config: fleet.version,
    staleGraceSeconds: fleet.fleet.staleGraceSeconds,
    nodes,
    counts,
    problems: fleet.problems,
  };
}

function secondsSince(at: string | null, now: Date): number | null {
  const from = at === null ? NaN : Date.parse(at);
  return Number.isNaN(from) ? null : Math.max(0, Math.floor((now.getTime() - from) / 1000));
}
