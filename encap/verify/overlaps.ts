/**
 * Ranges that belong to two: an overlay prefix of two nodes, an underlay address inside an overlay
 * prefix or a pool. Sorted once and swept with a stack of the ranges around the present one, since
 * prefixes nest or are disjoint.
 */
import type { Cluster, ClusterNode, SourceRef } from '../cluster.js';
import { describeSource } from '../describe.js';
import type { Prefix } from '../prefix.js';
import { comparePrefixes, hostPrefix, prefixCovers } from '../prefix.js';
import { siteOf } from '../relation.js';
import type { PairFinding } from './finding.js';

const kinds = ['pool', 'subnet', 'overlay', 'host'] as const;

interface Range {
  readonly kind: (typeof kinds)[number];
  readonly prefix: Prefix;
  readonly label: string;
  /** Node or zone. */
  readonly owner: string;
  readonly source: SourceRef | undefined;
}

/** Two ranges that must not hold each other: the outer one with all that it holds. */
interface Clash {
  readonly code: 'overlay-overlap' | 'underlay-in-overlay' | 'pool-overlap';
  readonly outer: Range;
  readonly inner: Range[];
}

const remedies: Readonly<Record<Clash['code'], string>> = {
  'overlay-overlap': 'give each node prefixes of its own',
  'underlay-in-overlay': 'overlay and underlay need separate ranges: renumber one of them',
  'pool-overlap': 'take the pool from a range that no underlay uses',
};

export function overlapFindings(cluster: Cluster): readonly PairFinding[] {
  return clashes(cluster).map(({ code, outer, inner }) => {
    const shown = inner.slice(0, named).map(({ label }) => label);
    const more = inner.length > named ? ` and ${inner.length - named} more` : '';
    const where = outer.source === undefined ? '' : ` (${describeSource(outer.source)})`;
    return {
      code,
      severity: 'error',
      text: `${outer.label}${where} holds ${shown.join(', ')}${more}`,
      remedy: remedies[code],
      source: outer.source ?? inner[0]?.source,
    };
  });
}

const named = 3;

function clashes(cluster: Cluster): readonly Clash[] {
  const found = new Map<string, Clash>();
  const add = (code: Clash['code'], outer: Range, inner: Range): void => {
    const key = `${code} ${outer.label}`;
    const clash = found.get(key);
    if (clash === undefined) found.set(key, { code, outer, inner: [inner] });
    else clash.inner.push(inner);
  };
  const stack: Range[] = [];
  for (const range of inOrder(cluster)) {
    while (stack.length > 0 && !prefixCovers(stack.at(-1)!.prefix, range.prefix)) stack.pop();
    for (const outer of stack) {
      const code = clashOf(outer, range);
      if (code !== undefined) add(code, outer, range);
    }
    stack.push(range);
  }
  return [...found.values()];
}

function clashOf(outer: Range, inner: Range): Clash['code'] | undefined {
  const pair = `${outer.kind} ${inner.kind}`;
  switch (pair) {
    case 'overlay overlay':
      return 'overlay-overlap';
    case 'overlay host':
    case 'overlay subnet':
    case 'subnet overlay':
      return 'underlay-in-overlay';
    case 'pool host':
    case 'pool subnet':
    case 'subnet pool':
      return 'pool-overlap';
    default:
      return undefined;
  }
}

function inOrder(cluster: Cluster): readonly Range[] {
  const ranges: Range[] = cluster.pools.map((prefix) => ({
    kind: 'pool',
    prefix,
    label: `pool ${prefix.text}`,
    owner: '',
    source: undefined,
  }));
  const networks = new Set<string>();
  for (const zone of cluster.zones.values())
    for (const { prefix, source } of zone.subnets) {
      networks.add(prefix.text);
      const label = `subnet ${prefix.text} of zone ${zone.name}`;
      ranges.push({ kind: 'subnet', prefix, label, owner: zone.name, source });
    }
  for (const node of cluster.nodes.values())
    if (!node.withdrawn) ranges.push(...rangesOf(node, cluster, networks));
  return ranges.sort(
    (a, b) => comparePrefixes(a.prefix, b.prefix) || kinds.indexOf(a.kind) - kinds.indexOf(b.kind),
  );
}

function rangesOf(node: ClusterNode, cluster: Cluster, networks: Set<string>): readonly Range[] {
  const { name: owner, source } = node;
  const found: Range[] = node.overlay.map((prefix) => ({
    kind: 'overlay',
    prefix,
    label: `overlay prefix ${prefix.text} of node ${owner}`,
    owner,
    source,
  }));
  for (const attachment of Object.values(siteOf(cluster, node).attachments)) {
    const { address, network } = attachment;
    const host = hostPrefix(address);
    if (network.text !== host.text && !networks.has(network.text)) {
      networks.add(network.text);
      const label = `underlay network ${network.text} of node ${owner}`;
      found.push({ kind: 'subnet', prefix: network, label, owner, source });
    }
    const label = `underlay address ${address.text} of node ${owner}`;
    found.push({ kind: 'host', prefix: host, label, owner, source });
  }
  for (const address of node.publicAddresses) {
    const label = `public address ${address.text} of node ${owner}`;
    found.push({ kind: 'host', prefix: hostPrefix(address), label, owner, source });
  }
  return found;
}
