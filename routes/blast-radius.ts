/**
 * What a change would touch on this node, in an operator's words: which peers go another way, which
 * devices are made anew, which prefixes come and go.
 *
 * Both sides are read off routes, the kernel's and the desired ones, by the same code. So "before"
 * is what packets do now, whatever file or hand it came from.
 */
import type { Family } from '../encap/address.js';
import type { Cluster } from '../encap/cluster.js';
import type { KernelState, RouteObject } from '../tunnel/kernel.js';
import type { DesiredObject } from './desired.js';
import type { Change } from './diff.js';
import { deviceNames, isOwnRoute, metrics } from './ownership.js';

export interface BlastRadius {
  readonly peers: { readonly changed: number; readonly total: number };
  readonly groups: readonly BlastGroup[];
  readonly devices: readonly BlastDevice[];
  /** Overlay prefixes of this node, and pools, that come or go. */
  readonly own: Comings;
  readonly pools: Comings;
}

/** Peers of one zone whose way changes alike. */
export interface BlastGroup {
  /** Undefined: the node is in no file that is known here. */
  readonly zone: string | undefined;
  /** Inner families. */
  readonly families: readonly Family[];
  /** E.g. `ipip 8981`, `denied`, `none`. */
  readonly from: string;
  readonly to: string;
  readonly nodes: readonly string[];
  readonly prefixes: readonly string[];
}

export interface BlastDevice {
  readonly device: string;
  readonly effect: 'made' | 'changed' | 'made anew' | 'removed';
  readonly attributes: readonly string[];
}

export interface Comings {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface BlastQuestion {
  /** Where the change leads. */
  readonly cluster: Cluster;
  /** Names the nodes that the change removes, where it is known. */
  readonly previous?: Cluster | undefined;
  readonly actual: KernelState;
  readonly desired: ReadonlyMap<string, DesiredObject>;
  /** Node names by object key. */
  readonly peers: ReadonlyMap<string, string>;
  readonly changes: readonly Change[];
}

export function blastRadius(question: BlastQuestion): BlastRadius {
  const before = layersOf(question.actual.routes.filter(isOwnRoute));
  const after = layersOf(
    [...question.desired.values()].filter(
      (object): object is RouteObject => object.type === 'route',
    ),
  );
  const owners = new Owners(question);
  const moved = movedPeers(question);
  const nodes = new Set<string>();
  const groups = new Map<string, GroupDraft>();
  for (const prefix of new Set([...before.paths.keys(), ...after.paths.keys()])) {
    const [old, next] = [before.paths.get(prefix), after.paths.get(prefix)];
    const owner = owners.of(prefix);
    const way = segmentChange(question, { old, next }) ?? change(old, next, moved.has(owner.node));
    if (way === undefined) continue;
    nodes.add(owner.node);
    const key = JSON.stringify([owner.zone, (next ?? old)!.prefix.family, way.from, way.to]);
    const group = groups.get(key) ?? {
      zone: owner.zone,
      families: [(next ?? old)!.prefix.family],
      ...way,
      nodes: new Set<string>(),
      prefixes: [],
    };
    group.nodes.add(owner.node);
    group.prefixes.push(prefix);
    groups.set(key, group);
  }
  return {
    peers: {
      changed: nodes.size,
      total: owners.peers([...before.paths.keys(), ...after.paths.keys()]),
    },
    groups: inOrder(acrossFamilies([...groups.values()])),
    devices: question.changes.flatMap(deviceEffect),
    own: comings(before.own, after.own),
    pools: comings(before.pools, after.pools),
  };
}

interface Layers {
  readonly paths: ReadonlyMap<string, RouteObject>;
  readonly own: ReadonlySet<string>;
  readonly pools: ReadonlySet<string>;
}

/** Our three layers of routes, told apart by their metrics. */
function layersOf(routes: readonly RouteObject[]): Layers {
  const paths = new Map<string, RouteObject>();
  const own = new Set<string>();
  const pools = new Set<string>();
  for (const route of routes) {
    if (route.metric >= metrics.pool) pools.add(route.prefix.text);
    else if (route.metric >= metrics.ownBlock) own.add(route.prefix.text);
    else paths.set(route.prefix.text, route);
  }
  return { paths, own, pools };
}

/** Undefined: packets go on as they do. */
function change(
  old: RouteObject | undefined,
  next: RouteObject | undefined,
  moved: boolean,
): { readonly from: string; readonly to: string } | undefined {
  const [from, to] = [wayOf(old), wayOf(next)];
  if (from !== to) return { from, to };
  if (old?.target.kind !== 'unicast' || next?.target.kind !== 'unicast') return undefined;
  if (old.target.device !== next.target.device)
    return { from: `${from} by ${old.target.device}`, to: `${to} by ${next.target.device}` };
  if (moved || old.target.gateway?.text !== next.target.gateway?.text)
    return { from, to: `${to}, another next hop` };
  return undefined;
}

/** The way stays a vxlan one, by another segment: its peers are tunnelled anew. */
function segmentChange(
  { actual, desired }: BlastQuestion,
  routes: { readonly old: RouteObject | undefined; readonly next: RouteObject | undefined },
): { readonly from: string; readonly to: string } | undefined {
  const { old, next } = routes;
  const before = segmentOf(actual.links.find((link) => link.name === deviceOf(old)));
  const after = segmentOf(desired.get(`link ${deviceOf(next)}`));
  if (before === undefined || after === undefined || before === after) return undefined;
  return { from: `${wayOf(old)} (${before})`, to: `${wayOf(next)} (${after})` };
}

function deviceOf(route: RouteObject | undefined): string | undefined {
  return route?.target.kind === 'unicast' ? route.target.device : undefined;
}

function segmentOf(link: KernelState['links'][number] | DesiredObject | undefined) {
  return link?.type === 'link' && link.kind === 'vxlan'
    ? `VNI ${link.vni}, port ${link.port}`
    : undefined;
}

const modeOfDevice: Readonly<Record<string, string>> = {
  [deviceNames.vxlan4]: 'vxlan',
  slv4b: 'vxlan',
  [deviceNames.vxlan6]: 'vxlan over IPv6',
  slv6b: 'vxlan over IPv6',
  [deviceNames.ipip4]: 'ipip',
  [deviceNames.sit4]: 'ipip',
  [deviceNames.ip6tnl]: 'ipip over IPv6',
};

/** Mode and MTU as the route has them. */
export function wayOf(route: RouteObject | undefined): string {
  if (route === undefined) return 'none';
  const { target } = route;
  switch (target.kind) {
    case 'unicast': {
      const mode = modeOfDevice[target.device] ?? 'native';
      return target.mtu === undefined ? mode : `${mode} ${target.mtu}`;
    }
    case 'prohibit':
      return 'denied';
    case 'unreachable':
    case 'blackhole':
      return 'unreachable';
    case 'other':
      return target.description;
  }
}

/** Peers of which an entry gets another value; entries that a re-created device needs do not count. */
function movedPeers(question: BlastQuestion): ReadonlySet<string> {
  const moved = new Set<string>();
  for (const entry of question.changes) {
    if (entry.kind !== 'update') continue;
    if (entry.desired.type !== 'fdb' && entry.desired.type !== 'neighbour') continue;
    const node = question.peers.get(entry.key);
    if (node !== undefined) moved.add(node);
  }
  return moved;
}

class Owners {
  readonly #byPrefix = new Map<string, { readonly node: string; readonly zone: string }>();

  constructor(question: BlastQuestion) {
    // The newer cluster last: a prefix that moves is the new owner's.
    for (const cluster of [question.previous, question.cluster])
      for (const node of cluster?.nodes.values() ?? [])
        for (const prefix of node.overlay)
          this.#byPrefix.set(prefix.text, { node: node.name, zone: node.zone });
  }

  of(prefix: string): { readonly node: string; readonly zone: string | undefined } {
    return this.#byPrefix.get(prefix) ?? { node: `the owner of ${prefix}`, zone: undefined };
  }

  /** Those that are reached before the change, or after it. */
  peers(prefixes: Iterable<string>): number {
    return new Set([...prefixes].map((prefix) => this.of(prefix).node)).size;
  }
}

interface GroupDraft extends Omit<BlastGroup, 'nodes' | 'prefixes'> {
  readonly nodes: Set<string>;
  readonly prefixes: string[];
}

/** One line for both families where the same nodes change alike. */
function acrossFamilies(drafts: readonly GroupDraft[]): readonly BlastGroup[] {
  const merged = new Map<string, BlastGroup>();
  for (const { nodes: names, ...draft } of drafts) {
    const nodes = [...names].sort();
    const key = JSON.stringify([draft.zone, draft.from, draft.to, nodes]);
    const other = merged.get(key);
    merged.set(key, {
      ...draft,
      nodes,
      families: [...(other?.families ?? []), ...draft.families].sort(),
      prefixes: [...(other?.prefixes ?? []), ...draft.prefixes].sort(),
    });
  }
  return [...merged.values()];
}

function inOrder(groups: readonly BlastGroup[]): readonly BlastGroup[] {
  const key = (group: BlastGroup): string =>
    [group.zone ?? '~', group.families.join(), group.from, group.to].join(' ');
  return groups.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function deviceEffect(entry: Change): readonly BlastDevice[] {
  const object = entry.kind === 'delete' ? entry.actual : entry.desired;
  if (object.type !== 'link') return [];
  switch (entry.kind) {
    case 'create':
      return [{ device: object.name, effect: 'made', attributes: [] }];
    case 'delete':
      return [{ device: object.name, effect: 'removed', attributes: [] }];
    case 'update':
      return [
        {
          device: object.name,
          effect: entry.recreate ? 'made anew' : 'changed',
          attributes: entry.attributes,
        },
      ];
  }
}

function comings(before: ReadonlySet<string>, after: ReadonlySet<string>): Comings {
  return {
    added: [...after].filter((prefix) => !before.has(prefix)).sort(),
    removed: [...before].filter((prefix) => !after.has(prefix)).sort(),
  };
}
