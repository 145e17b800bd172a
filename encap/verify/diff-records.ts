/** What two clusters declare differently, whatever it does to the pairs: nodes, prefixes, settings. */
import type { Cluster, ClusterNode } from '../cluster.js';

export interface Comings {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface NodeChange {
  readonly node: string;
  /** What of it is declared differently: `zone`, `underlay`, `switches` … */
  readonly fields: readonly string[];
}

export interface PrefixMove {
  readonly prefix: string;
  readonly from: string;
  readonly to: string;
}

export interface RecordDiff {
  readonly nodes: Comings & { readonly changed: readonly NodeChange[] };
  readonly prefixes: Comings & { readonly moved: readonly PrefixMove[] };
  readonly zones: Comings;
  readonly rules: Comings;
  readonly pools: Comings;
  /** E.g. `vxlan.vni 4096 → 4097`. */
  readonly settings: readonly string[];
}

export function diffRecords(old: Cluster, next: Cluster): RecordDiff {
  const [before, after] = [presentNodes(old), presentNodes(next)];
  const changed: NodeChange[] = [];
  for (const [name, node] of after) {
    const was = before.get(name);
    const fields = was === undefined ? [] : changedFields(was, node);
    if (fields.length > 0) changed.push({ node: name, fields });
  }
  return {
    nodes: { ...comings(before.keys(), after.keys()), changed },
    prefixes: prefixDiff(before, after),
    zones: comings(old.zones.keys(), next.zones.keys()),
    rules: comings(
      old.rules.map(({ name }) => name),
      next.rules.map(({ name }) => name),
    ),
    pools: comings(
      old.pools.map(({ text }) => text),
      next.pools.map(({ text }) => text),
    ),
    settings: settingsDiff(old, next),
  };
}

export function isEmpty(diff: RecordDiff): boolean {
  const { nodes, prefixes, zones, rules, pools, settings } = diff;
  const lists = [nodes, prefixes, zones, rules, pools].flatMap(({ added, removed }) => [
    added,
    removed,
  ]);
  return [...lists, nodes.changed, prefixes.moved, settings].every((list) => list.length === 0);
}

function presentNodes(cluster: Cluster): ReadonlyMap<string, ClusterNode> {
  const nodes = [...cluster.nodes.values()].filter((node) => !node.withdrawn);
  return new Map(nodes.map((node) => [node.name, node]));
}

function comings(before: Iterable<string>, after: Iterable<string>): Comings {
  const [old, next] = [new Set(before), new Set(after)];
  return {
    added: [...next].filter((name) => !old.has(name)).sort(),
    removed: [...old].filter((name) => !next.has(name)).sort(),
  };
}

type Nodes = ReadonlyMap<string, ClusterNode>;

function prefixDiff(before: Nodes, after: Nodes): RecordDiff['prefixes'] {
  const owners = (nodes: Nodes): ReadonlyMap<string, string> =>
    new Map(
      [...nodes.values()].flatMap(({ name, overlay }) =>
        overlay.map(({ text }) => [text, name] as const),
      ),
    );
  const [old, next] = [owners(before), owners(after)];
  const moved: PrefixMove[] = [];
  for (const [prefix, to] of next) {
    const from = old.get(prefix);
    if (from !== undefined && from !== to) moved.push({ prefix, from, to });
  }
  return { ...comings(old.keys(), next.keys()), moved };
}

/** Each field as plain text; what the decision never sees (where it was written) is left out. */
const fields: Readonly<Record<string, (node: ClusterNode) => unknown>> = {
  zone: ({ zone }) => zone,
  underlay: ({ underlay }) => underlay.map(({ address, length }) => `${address.text}/${length}`),
  publicAddresses: ({ publicAddresses }) => publicAddresses.map(({ text }) => text),
  overlay: ({ overlay }) => overlay.map(({ text }) => text),
  labels: ({ labels }) => Object.entries(labels).sort(),
  switches: ({ switches }) => canonical(switches),
  mtu: ({ mtu }) => mtu ?? null,
  accepts: ({ accepts }) => canonical(accepts),
  masquerade: ({ masquerade }) => masquerade ?? null,
};

function changedFields(old: ClusterNode, next: ClusterNode): readonly string[] {
  return Object.keys(fields).filter(
    (field) => JSON.stringify(fields[field]!(old)) !== JSON.stringify(fields[field]!(next)),
  );
}

/** With keys in order, so that equal content is equal text. */
function canonical(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, entry]) => [key, canonical(entry)]);
}

function settingsDiff(old: Cluster, next: Cluster): readonly string[] {
  const settings: readonly (readonly [string, (cluster: Cluster) => string])[] = [
    ['cluster', ({ name }) => name],
    ['overlay.vxlan.vni', ({ vxlan }) => String(vxlan.vni)],
    ['overlay.vxlan.port', ({ vxlan }) => String(vxlan.port)],
    [
      'overlay.masquerade sources',
      ({ masquerade }) => masquerade?.sources.map(({ text }) => text).join(', ') ?? 'private',
    ],
    [
      'overlay.masquerade exclude',
      ({ masquerade }) => masquerade?.exclude.map(({ text }) => text).join(', ') ?? '',
    ],
    [
      'overlay.settleSeconds',
      ({ settleMs }) => (settleMs === undefined ? 'default' : String(settleMs / 1000)),
    ],
  ];
  return settings.flatMap(([name, of]) => {
    const [was, is] = [of(old), of(next)];
    return was === is ? [] : [`${name} ${was === '' ? 'none' : was} → ${is === '' ? 'none' : is}`];
  });
}
