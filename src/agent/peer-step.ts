/**
 * From a plan to the next where the records of a few nodes are all that has changed: the cost is
 * that of these nodes, however many there are. The result is the plan that would be made from
 * nothing; where that is not certain, there is no step, and the whole is planned anew.
 *
 * The decisions and desired objects of a plan are large, so a step changes them in place: the plan
 * before must not be asked for them any more.
 */
import type { Cluster, ClusterNode, LocalFacts, Snapshot } from '../../encap/cluster.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import type { Change } from '../../routes/diff.js';
import { nativeDestinations } from '../../routes/egress.js';
import { exchange } from '../../routes/exchange.js';
import type { DesiredState } from '../../routes/desired.js';
import type { Overlap } from '../../routes/overlap.js';
import type { DesiredObject, PeerContext } from '../../routes/peer-objects.js';
import { pathObjects } from '../../routes/peer-objects.js';
import type { PeersQuestion } from '../../routes/peers.js';
import { addressesOf, guardPeer, guardSpec } from '../../routes/peers.js';
import { possibleModes } from '../../routes/receive.js';
import type { Rib } from '../../routes/rib.js';
import { carrySpoken } from '../../routes/spoken-terms.js';
import type { GuardSpec } from '../../tunnel/guard/guard.js';
import type { GuardShare } from '../../tunnel/guard/tally.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { PeerStep } from './guard-keeper.js';
import type { NodePlan } from './node-plan.js';

/** A plan that can be gone on from. */
export interface StepBasis {
  readonly plan: NodePlan;
  readonly overlap: Overlap;
  /** With the cluster of the plan that was made as a whole. */
  readonly context: PeerContext;
  /** Those of the plan. */
  readonly objects: Map<string, DesiredObject>;
  readonly peers: Map<string, string>;
}

export interface PlanStep {
  readonly plan: NodePlan;
  readonly changes: readonly Change[];
  readonly guard: PeerStep;
}

/**
 * Is every prefix and every object of this plan one node's alone, and nothing under way that looks
 * at all of them?
 */
export function canStep(plan: NodePlan): boolean {
  let prefixes = 0;
  for (const node of plan.configured.nodes.values()) {
    if (node.live !== undefined) return false;
    prefixes += node.overlay.length;
  }
  return prefixes === plan.rib.size && plan.kept.length === 0 && plan.planes.length === 0;
}

export function stepTo(
  cluster: Cluster,
  { basis, names }: { readonly basis: StepBasis; readonly names: ReadonlySet<string> },
): PlanStep | undefined {
  const { plan, overlap, objects, peers } = basis;
  const { rib } = plan;
  const before = plan.snapshot;
  const after = { cluster, local: before.local };
  const pairs = [...names].map((name) => ({
    old: before.cluster.nodes.get(name),
    fresh: cluster.nodes.get(name),
  }));
  if (names.has(rib.self) || !sameButNodes(before.cluster, cluster)) return undefined;
  if (!pairs.every(isPlain) || !prefixesAreFree(cluster, { rib, names, pairs })) return undefined;

  const { old, fresh } = {
    old: pairs.flatMap((pair) => pair.old ?? []),
    fresh: pairs.flatMap((pair) => pair.fresh ?? []),
  };
  const context = { ...basis.context, cluster: before.cluster };
  const left = sharesOf(old, { snapshot: before, rib, overlap, context });
  const usable = [...rib.usable].sort().join();
  rib.update(after, names);
  const joined = sharesOf(fresh, {
    snapshot: after,
    rib,
    overlap,
    context: { ...context, cluster },
  });
  const isForeign = (key: string): boolean => objects.has(key) && !left.objects.has(key);
  if (
    [...rib.usable].sort().join() !== usable ||
    [left, joined].some(({ routed, shared }) => routed || shared) ||
    [...joined.objects.keys()].some(isForeign)
  ) {
    rib.update(before, names);
    return undefined;
  }
  for (const key of left.objects.keys()) {
    objects.delete(key);
    peers.delete(key);
  }
  for (const [key, { object, peer }] of joined.objects) {
    objects.set(key, object);
    peers.set(key, peer);
  }
  const from = plan.guard;
  const to = laterSpec(from, { question: { snapshot: after, rib, overlap }, of: plan.desired });
  const next = { ...withoutGuard(plan), configured: cluster, snapshot: after, guard: to };
  const [gone, come] = [bare(left.objects), bare(joined.objects)];
  carrySpoken(
    { from: plan, to: next },
    {
      gone: { objects: gone.values(), peers: left.guard.peers },
      come: { objects: come.values(), peers: joined.guard.peers },
    },
  );
  return {
    plan: next,
    changes: exchange(gone, come),
    guard: { from, to, gone: left.guard, come: joined.guard },
  };
}

interface Pair {
  readonly old: ClusterNode | undefined;
  readonly fresh: ClusterNode | undefined;
}

/** Other underlay addresses are a change that peers have to agree on; live records concern everybody. */
function isPlain({ old, fresh }: Pair): boolean {
  if (old?.live !== undefined || fresh?.live !== undefined) return false;
  if (old === undefined || old.withdrawn || fresh === undefined || fresh.withdrawn) return true;
  return underlayText(old) === underlayText(fresh);
}

function underlayText({ underlay }: ClusterNode): string {
  return underlay.map(({ address, length }) => `${address.text}/${length}`).join();
}

/** Does nobody else have the prefixes, and is none of them a whole pool, which has a route of its own? */
function prefixesAreFree(
  cluster: Cluster,
  of: {
    readonly rib: Rib;
    readonly names: ReadonlySet<string>;
    readonly pairs: readonly Pair[];
  },
): boolean {
  const { rib, names, pairs } = of;
  const pools = new Set(cluster.pools.map(({ text }) => text));
  const claimed = new Set<string>();
  for (const { old, fresh } of pairs) {
    if (old?.overlay.some(({ text }) => pools.has(text)) === true) return false;
    for (const { text } of fresh?.overlay ?? []) {
      const owner = rib.decisions.get(text)?.owner;
      if (pools.has(text) || claimed.has(text)) return false;
      if (owner !== undefined && !names.has(owner)) return false;
      claimed.add(text);
    }
  }
  return true;
}

/** The promise of whoever says that only nodes have changed, at the cost of a look. */
function sameButNodes(a: Cluster, b: Cluster): boolean {
  const { nodes: nodesA, revision: revisionA, ...restA } = a;
  const { nodes: nodesB, revision: revisionB, ...restB } = b;
  const keys = new Set([...Object.keys(restA), ...Object.keys(restB)]) as Set<keyof typeof restA>;
  return [...keys].every((key) => restA[key] === restB[key]);
}

interface Shares {
  readonly objects: ReadonlyMap<string, { readonly object: DesiredObject; readonly peer: string }>;
  readonly guard: GuardShare;
  /** Some object is of two of them. */
  readonly shared: boolean;
  /** The fabric's routers lead to one of them, so that way is a fact to be looked up. */
  readonly routed: boolean;
}

function sharesOf(
  nodes: readonly ClusterNode[],
  by: {
    readonly snapshot: Snapshot & { readonly local: LocalFacts };
    readonly rib: Rib;
    readonly overlap: Overlap;
    readonly context: PeerContext;
  },
): Shares {
  const { rib, overlap, context } = by;
  const objects = new Map<string, { readonly object: DesiredObject; readonly peer: string }>();
  let [shared, routed] = [false, false];
  for (const node of nodes)
    for (const decision of decisionsOf(node, rib)) {
      routed ||= isRouted(decision);
      for (const object of pathObjects(context, decision)) {
        const key = objectKey(object);
        const other = objects.get(key)?.peer;
        shared ||= other !== undefined && other !== node.name;
        objects.set(key, { object, peer: node.name });
      }
    }
  const present = nodes.filter(({ withdrawn }) => !withdrawn);
  const ruled = possibleModes(by.snapshot.cluster).has('native');
  return {
    objects,
    shared,
    routed,
    guard: {
      peers: present.map((node) => guardPeer(by, { node, ruled })),
      nodeAddresses: present.flatMap((node) => addressesOf(node, overlap)),
      nativeDestinations: nativeDestinations([...objects.values()].map(({ object }) => object)),
    },
  };
}

function decisionsOf({ name, overlay }: ClusterNode, rib: Rib): readonly Decision[] {
  return overlay.flatMap(({ text }) => {
    const decision = rib.decisions.get(text);
    return decision?.owner === name ? [decision] : [];
  });
}

function isRouted(decision: Decision): boolean {
  const chosen = stepOf(decision, 'feasible')?.chosen;
  return chosen?.carriage.mode === 'native' && !chosen.adjacent;
}

function bare(objects: Shares['objects']): ReadonlyMap<string, DesiredObject> {
  return new Map([...objects].map(([key, { object }]) => [key, object]));
}

/** Spread, it would be put together for nothing. */
function withoutGuard(plan: NodePlan): Omit<NodePlan, 'guard'> {
  const { guard: _, ...rest } = plan;
  return rest;
}

/**
 * A spec whose large parts are put together only when somebody asks for them. What it holds on to
 * must not be the plan before, which holds on to the one before that.
 */
function laterSpec(
  from: GuardSpec,
  whole: { readonly question: PeersQuestion; readonly of: DesiredState },
): GuardSpec {
  let made: GuardSpec | undefined;
  const get = (): GuardSpec => (made ??= guardSpec(whole.question, whole.of));
  return {
    vxlan: from.vxlan,
    localAddresses: from.localAddresses,
    get peers() {
      return get().peers;
    },
    nics: from.nics,
    tunnelDevices: from.tunnelDevices,
    pools: from.pools,
    ownPrefixes: from.ownPrefixes,
    get nodeAddresses() {
      return get().nodeAddresses;
    },
    blockMetadata: from.blockMetadata,
    get nativeDestinations() {
      return get().nativeDestinations;
    },
    ...(from.masquerade === undefined ? {} : { masquerade: from.masquerade }),
  };
}
