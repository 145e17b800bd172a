/**
 * All ordered pairs of nodes of one cluster, or of two side by side, in groups whose pairs share
 * their decision. The decision is `decide`'s own, for a pair that stands for the group.
 */
import type { Family } from '../address.js';
import type { Cluster, ClusterNode } from '../cluster.js';
import { decide } from '../decide.js';
import { AssessmentMemo } from '../feasible.js';
import type { Decision } from '../trail.js';
import type { UnderlayTable } from '../underlay/index.js';
import type { NodeClass } from './classes.js';
import { classify } from './classes.js';
import { relationKinds } from './relation-kinds.js';

export interface PairsOptions {
  readonly facts?: UnderlayTable | undefined;
}

/** Pairs of two classes that stand alike to each other. */
export interface PairGroup {
  readonly from: NodeClass;
  readonly to: NodeClass;
  /** Ordered pairs. */
  readonly pairs: number;
  /** Names of a pair that stands for all. */
  readonly example: { readonly from: string; readonly to: string };
  /** The same pairs the other way round. */
  readonly reverse: PairGroup;
  /**
   * How packets of an inner family go in the cluster of that position; undefined where the receiver
   * owns no prefix of the family, or one of the two is not there.
   */
  decision(cluster: number, family: Family): Decision | undefined;
}

export interface PairsSummary {
  readonly nodes: number;
  readonly classes: number;
  /** Groups of pairs, hence (at most) the decisions made for each family. */
  readonly groups: number;
}

export function visitPairs(
  clusters: readonly Cluster[],
  visit: (group: PairGroup) => void,
  options: PairsOptions = {},
): PairsSummary {
  const { list, nodes } = classify(clusters);
  let groups = 0;
  const visited = (group: PairGroup): void => {
    groups++;
    visit(group);
  };
  for (const [i, a] of list.entries()) {
    const memos = clusters.map(() => new AssessmentMemo());
    const context = { clusters, facts: options.facts };
    for (const b of list.slice(i))
      for (const { pairs, example } of relationKinds(a, b)) {
        const [from, to] = example;
        const there = new Group({ from: a, to: b, pairs, example: { from, to } }, context, memos);
        if (a === b) {
          // Of one class, related alike: what holds one way holds the other.
          there.reverse = there;
          visited(there);
          continue;
        }
        const back = new Group(
          { from: b, to: a, pairs, example: { from: to, to: from } },
          context,
          undefined,
        );
        there.reverse = back;
        back.reverse = there;
        visited(there);
        visited(back);
      }
  }
  return { nodes, classes: list.length, groups };
}

type Pairs = Pick<PairGroup, 'from' | 'to' | 'pairs' | 'example'>;

class Group implements PairGroup {
  readonly from: NodeClass;
  readonly to: NodeClass;
  readonly pairs: number;
  readonly example: PairGroup['example'];
  reverse: PairGroup = this;
  readonly #context: {
    readonly clusters: readonly Cluster[];
    readonly facts: UnderlayTable | undefined;
  };
  readonly #memos: readonly AssessmentMemo[] | undefined;
  readonly #decisions = new Map<string, Decision | undefined>();

  constructor(
    pairs: Pairs,
    context: { readonly clusters: readonly Cluster[]; readonly facts: UnderlayTable | undefined },
    /** Of the sender's class. */
    memos: readonly AssessmentMemo[] | undefined,
  ) {
    this.from = pairs.from;
    this.to = pairs.to;
    this.pairs = pairs.pairs;
    this.example = pairs.example;
    this.#context = context;
    this.#memos = memos;
  }

  decision(position: number, family: Family): Decision | undefined {
    const key = `${position} ${family}`;
    if (this.#decisions.has(key)) return this.#decisions.get(key);
    const { clusters, facts } = this.#context;
    const decision = decideNodes(clusters[position]!, this.example, {
      family,
      facts,
      memo: this.#memos?.[position],
    });
    this.#decisions.set(key, decision);
    return decision;
  }
}

/** The decision for one pair of nodes by their names. */
export function decideNodes(
  cluster: Cluster,
  names: { readonly from: string; readonly to: string },
  options: {
    readonly family: Family;
    readonly facts?: UnderlayTable | undefined;
    readonly memo?: AssessmentMemo | undefined;
  },
): Decision | undefined {
  const [from, owner] = [present(cluster, names.from), present(cluster, names.to)];
  const prefix = owner?.overlay.find(({ family }) => family === options.family);
  if (from === undefined || owner === undefined || prefix === undefined) return undefined;
  const { facts, memo } = options;
  return decide(
    { cluster, local: undefined },
    { from, prefix, owner },
    { ...(facts === undefined ? {} : { facts }), ...(memo === undefined ? {} : { memo }) },
  );
}

function present(cluster: Cluster, name: string): ClusterNode | undefined {
  const node = cluster.nodes.get(name);
  return node?.withdrawn === true ? undefined : node;
}
