/** Zone by zone, how packets go: what an operator thinks in, counted from every pair of nodes. */
import type { Family } from '../address.js';
import type { Cluster, Provider } from '../cluster.js';
import type { Outcome } from './outcome.js';
import { outcomeOf, outcomeText } from './outcome.js';
import type { PairsSummary } from './pairs.js';
import { visitPairs } from './pairs.js';

export interface MatrixZone {
  readonly name: string;
  readonly provider: Provider;
  readonly region: string | undefined;
  readonly nodes: number;
}

/** One of the ways from a zone to a zone, and how many ordered pairs of nodes go it. */
export interface MatrixWay {
  readonly outcome: Outcome;
  readonly text: string;
  readonly pairs: number;
}

export interface MatrixCell {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  /** From the most pairs to the fewest; empty where there are no pairs. */
  readonly ways: readonly MatrixWay[];
}

export interface ZoneMatrix {
  readonly summary: PairsSummary;
  /** Those with nodes, in the order of the cluster. */
  readonly zones: readonly MatrixZone[];
  /** Of the pairs of zones that have pairs of nodes with prefixes of the family. */
  readonly cells: readonly MatrixCell[];
}

type WayDraft = { -readonly [K in keyof MatrixWay]: MatrixWay[K] };

export function zoneMatrix(
  cluster: Cluster,
  options: { readonly families?: readonly Family[] } = {},
): ZoneMatrix {
  const { families = [4, 6] } = options;
  const drafts = new Map<string, Map<string, WayDraft>>();
  const summary = visitPairs([cluster], (group) => {
    for (const family of families) {
      const outcome = outcomeOf(group.decision(0, family));
      if (outcome.kind === 'none') continue;
      const key = JSON.stringify([group.from.zones[0], group.to.zones[0], family]);
      let ways = drafts.get(key);
      if (ways === undefined) drafts.set(key, (ways = new Map<string, WayDraft>()));
      const text = outcomeText(outcome, family);
      const way = ways.get(text);
      if (way === undefined) ways.set(text, { outcome, text, pairs: group.pairs });
      else way.pairs += group.pairs;
    }
  });
  const zones = zonesOf(cluster);
  const place = new Map(zones.map(({ name }, i) => [name, i]));
  const cells = [...drafts].map(([key, ways]): MatrixCell => {
    const [from, to, family] = JSON.parse(key) as [string, string, Family];
    const sorted = [...ways.values()].sort(
      (a, b) => b.pairs - a.pairs || (a.text < b.text ? -1 : 1),
    );
    return { from, to, family, ways: sorted };
  });
  const rank = ({ from, to, family }: MatrixCell): number =>
    (place.get(from)! * zones.length + place.get(to)!) * 10 + family;
  return { summary, zones, cells: cells.sort((a, b) => rank(a) - rank(b)) };
}

function zonesOf(cluster: Cluster): readonly MatrixZone[] {
  const nodes = new Map<string, number>();
  for (const { zone, withdrawn } of cluster.nodes.values())
    if (!withdrawn) nodes.set(zone, (nodes.get(zone) ?? 0) + 1);
  return [...cluster.zones.values()]
    .filter(({ name }) => nodes.has(name))
    .map(({ name, provider, region }) => ({ name, provider, region, nodes: nodes.get(name)! }));
}
