/**
 * Would a file with a changed rule be taken? A rule that names a mode must not name it for pairs
 * that cannot have it: such a file is refused when it is read.
 *
 * Asked of nodes that stand for their kinds. With very many kinds not all of them are asked, so
 * this can let a change through that the file's reader refuses, never the other way round.
 */
import type { Cluster, ClusterNode, NodeTable, Rule, Zone } from '../cluster.js';
import { decide } from '../decide.js';
import { siteOf } from '../relation.js';
import { ruleMismatch } from '../rules.js';
import type { UnderlayTable } from '../underlay/index.js';

/** Nodes asked for at most: every pair of them takes two decisions of some ten microseconds. */
const maxRepresentatives = 24;

export interface Admission {
  /** The cluster with the changes made. */
  readonly cluster: Cluster;
  /** The one before, whose nodes stand for kinds. */
  readonly base: Cluster;
  readonly facts: UnderlayTable;
}

export function carriesAll(ruleName: string, admission: Admission): boolean {
  const { cluster, base, facts } = admission;
  const rule = cluster.rules.find(({ name }) => name === ruleName);
  if (rule === undefined || rule.mode === 'auto' || rule.mode === 'deny' || rule.force) return true;
  const nodes = representatives(base).flatMap(({ name }) => cluster.nodes.get(name) ?? []);
  for (const from of nodes)
    for (const owner of nodes)
      if (from !== owner && strands(rule, { cluster, facts, from, owner })) return false;
  return true;
}

interface Pair {
  readonly cluster: Cluster;
  readonly facts: UnderlayTable;
  readonly from: ClusterNode;
  readonly owner: ClusterNode;
}

/** Does the rule decide for the pair, and leave it without a mode? */
function strands(rule: Rule, { cluster, facts, from, owner }: Pair): boolean {
  return ([4, 6] as const).some((family) => {
    const prefix = owner.overlay.find((own) => own.family === family);
    if (prefix === undefined) return false;
    const pair = { from: siteOf(cluster, from), to: siteOf(cluster, owner), family };
    if (ruleMismatch(rule, pair) !== undefined) return false;
    const snapshot = { cluster, local: undefined };
    const { verdict, trail } = decide(snapshot, { from, prefix, owner }, { facts });
    const decides = trail.some((step) => step.name === 'rule' && step.rule === rule);
    return decides && verdict.kind === 'unreachable' && verdict.reason === 'no-mode';
  });
}

/** By the nodes, which a change of rules or zones leaves alone; the rest of a cluster is small. */
const known = new WeakMap<NodeTable, { readonly cluster: Cluster; readonly nodes: Nodes }>();
type Nodes = readonly ClusterNode[];

function representatives(cluster: Cluster): Nodes {
  const cached = known.get(cluster.nodes);
  if (cached?.cluster === cluster) return cached.nodes;
  const nodes = chooseRepresentatives(cluster);
  known.set(cluster.nodes, { cluster, nodes });
  return nodes;
}

/** Two nodes of each kind, then two zones of each kind, then every so many of what is left. */
function chooseRepresentatives(cluster: Cluster): Nodes {
  const selectors = cluster.rules.flatMap((rule) =>
    [rule.from, rule.to, ...(rule.between ?? [])].flatMap((side) => side ?? []),
  );
  const named = new Set(selectors.flatMap(({ nodes }) => nodes ?? []));
  const keys = new Set(selectors.flatMap(({ labels }) => Object.keys(labels ?? {})));
  const ownWords = ({ name, labels, switches, accepts, mtu }: ClusterNode): string =>
    [
      named.has(name) ? name : '',
      ...[...keys].map((key) => labels[key] ?? ''),
      wordsOf(switches),
      wordsOf(accepts),
      mtu ?? '',
    ].join(' ');
  const own = new Tally<ClusterNode>(
    2,
    (node) => `${node.zone} ${families(node)} ${ownWords(node)}`,
  );
  for (const node of cluster.nodes.values()) if (!node.withdrawn) own.offer(node);
  if (own.chosen.length <= maxRepresentatives) return own.chosen;
  const zoneWords = new Map([...cluster.zones.values()].map((zone) => [zone.name, kindOf(zone)]));
  const coarse = new Tally<ClusterNode>(
    3,
    (node) => `${zoneWords.get(node.zone)} ${families(node)} ${ownWords(node)}`,
  );
  for (const node of own.chosen) coarse.offer(node);
  const step = Math.max(1, Math.ceil(coarse.chosen.length / maxRepresentatives));
  return coarse.chosen.filter((_, i) => i % step === 0);
}

function kindOf({ provider, region, switches, mtu }: Zone): string {
  return `${provider} ${region ?? ''} ${wordsOf(switches)} ${mtu ?? ''}`;
}

function families({ underlay, publicAddresses, overlay }: ClusterNode): string {
  const of = (list: readonly { readonly family: number }[]): string =>
    [4, 6].filter((family) => list.some((one) => one.family === family)).join('');
  return `${of(underlay.map(({ address }) => address))}/${of(publicAddresses)}/${of(overlay)}`;
}

/** Most nodes say nothing of their own, and there are many. */
function wordsOf(record: object): string {
  for (const _ in record) return JSON.stringify(record);
  return '';
}

/** The first few of each kind. */
class Tally<T> {
  readonly chosen: T[] = [];
  readonly #counts = new Map<string, number>();
  readonly #most: number;
  readonly #kind: (value: T) => string;

  constructor(most: number, kind: (value: T) => string) {
    this.#most = most;
    this.#kind = kind;
  }

  offer(value: T): void {
    const kind = this.#kind(value);
    const count = this.#counts.get(kind) ?? 0;
    if (count >= this.#most) return;
    this.#counts.set(kind, count + 1);
    this.chosen.push(value);
  }
}
