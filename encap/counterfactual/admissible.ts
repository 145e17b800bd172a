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

/** Of their kinds, in a few; found once for a cluster. */
export function representatives(cluster: Cluster): Nodes {
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
  // Most nodes say nothing of their own, and there are many: no words are made of them.
  const isPlain = (node: ClusterNode): boolean => {
    if (node.mtu !== undefined || named.has(node.name)) return false;
    for (const key of keys) if ((node.labels[key] ?? '') !== '') return false;
    return wordsOf(node.switches) === '' && wordsOf(node.accepts) === '';
  };
  const own = new Tally<ClusterNode>(2);
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    const families = familiesOf(node);
    own.offer(node, {
      group: node.zone,
      kind: isPlain(node) ? families : `${families} ${ownWords(node)}`,
    });
  }
  if (own.chosen.length <= maxRepresentatives) return own.chosen;
  const zoneWords = new Map([...cluster.zones.values()].map((zone) => [zone.name, kindOf(zone)]));
  const coarse = new Tally<ClusterNode>(3);
  for (const node of own.chosen)
    coarse.offer(node, {
      group: zoneWords.get(node.zone) ?? '',
      kind: `${familiesOf(node)} ${ownWords(node)}`,
    });
  const step = Math.max(1, Math.ceil(coarse.chosen.length / maxRepresentatives));
  return coarse.chosen.filter((_, i) => i % step === 0);
}

function kindOf({ provider, region, switches, mtu }: Zone): string {
  return `${provider} ${region ?? ''} ${wordsOf(switches)} ${mtu ?? ''}`;
}

/** A bit for each family and kind of address that the node has. */
function familiesOf({ underlay, publicAddresses, overlay }: ClusterNode): number {
  let bits = 0;
  for (const { address } of underlay) bits |= address.family === 4 ? 1 : 2;
  for (const { family } of publicAddresses) bits |= family === 4 ? 4 : 8;
  for (const { family } of overlay) bits |= family === 4 ? 16 : 32;
  return bits;
}

function wordsOf(record: object): string {
  for (const _ in record) return JSON.stringify(record);
  return '';
}

/** The first few of each kind, kinds told apart within a group. */
class Tally<T> {
  readonly chosen: T[] = [];
  readonly #counts = new Map<string, Map<string | number, number>>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  offer(
    value: T,
    { group, kind }: { readonly group: string; readonly kind: string | number },
  ): void {
    let counts = this.#counts.get(group);
    if (counts === undefined)
      this.#counts.set(group, (counts = new Map<string | number, number>()));
    const count = counts.get(kind) ?? 0;
    if (count >= this.#most) return;
    counts.set(kind, count + 1);
    this.chosen.push(value);
  }
}
