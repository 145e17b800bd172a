/**
 * The plan of addresses: overlay prefixes, pools, underlay subnets and node addresses against each
 * other. Sorted once and swept with a stack of the prefixes that hold the present one, so that
 * 50,000 nodes cost a sort; prefixes nest or are disjoint, nothing in between.
 */
import { familyBits } from '../../encap/address.js';
import {
  type Prefix,
  comparePrefixes,
  hostPrefix,
  prefixCovers,
  prefixOf,
} from '../../encap/prefix.js';
import { type DraftNode, type DraftZone, type PlacedPrefix, enumerate } from './draft.js';
import { namedItems } from './limits.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

const kinds = ['pool', 'subnet', 'overlay', 'host'] as const;
type Kind = (typeof kinds)[number];

interface Item {
  readonly kind: Kind;
  readonly prefix: Prefix;
  readonly path: Path;
  /** In a message: `overlay 10.64.1.0/24 of node a`. */
  readonly label: string;
  /** Node or zone. */
  readonly owner: string;
  /** Position in the file. */
  readonly order: number;
}

/** An item with the innermost item of each kind around it. */
interface Nested {
  readonly item: Item;
  readonly around: Partial<Record<Kind, Nested>>;
}

export interface Plan {
  readonly zones: readonly DraftZone[];
  readonly nodes: readonly DraftNode[];
  /** Pools that were written; empty when they follow from the nodes. */
  readonly pools: readonly PlacedPrefix[];
  readonly poolsComplete: boolean;
}

export function checkPlan(plan: Plan, report: Report): void {
  const nested = nest(collect(plan));
  const overlay = new Groups();
  const underlay = new Groups();
  for (const entry of nested) {
    switch (entry.item.kind) {
      case 'pool':
        if (entry.around.pool !== undefined) reportPools(entry, entry.around.pool, report);
        else if (entry.around.subnet !== undefined) underlay.add(entry.around.subnet, entry);
        break;
      case 'overlay': {
        if (entry.around.overlay !== undefined) overlay.add(entry.around.overlay, entry);
        const subnet = entry.around.subnet;
        // A pool inside the same subnet has been told of already.
        if (subnet !== undefined && entry.around.pool?.around.subnet === undefined)
          underlay.add(subnet, entry);
        break;
      }
      case 'subnet':
        checkZoneSubnets(entry, report);
        if (holder(entry) !== undefined) underlay.add(holder(entry)!, entry);
        break;
      case 'host': {
        const subnet = entry.around.subnet;
        const found = holder(entry);
        if (found !== undefined && (subnet === undefined || holder(subnet) !== found))
          underlay.add(found, entry);
        break;
      }
    }
  }
  for (const group of overlay) reportOverlay(group, report);
  for (const group of underlay) reportUnderlay(group, report);
  if (plan.pools.length > 0 && plan.poolsComplete) reportOutside(nested, { plan, report });
}

/** The overlay prefix, else the pool, around an item of the underlay. */
function holder(entry: Nested): Nested | undefined {
  return entry.around.overlay ?? entry.around.pool;
}

function collect({ zones, nodes, pools }: Plan): Item[] {
  const found: Item[] = [];
  const add = (kind: Kind, item: Omit<Item, 'kind' | 'order'>): void => {
    found.push({ kind, ...item, order: found.length });
  };
  for (const { prefix, path } of pools)
    add('pool', { prefix, path, label: `pool ${prefix.text}`, owner: '' });
  const networks = new Set<string>();
  for (const { zone, subnets } of zones) {
    for (const { prefix, path } of subnets) {
      networks.add(prefix.text);
      const label = `subnet ${prefix.text} of zone ${zone.name}`;
      add('subnet', { prefix, path, label, owner: zone.name });
    }
  }
  for (const { node, overlay, underlayPaths, publicPaths } of nodes) {
    const owner = node.name;
    for (const [i, { address, length }] of node.underlay.entries()) {
      const path = underlayPaths[i]!;
      const network = prefixOf(address, length);
      if (length < familyBits(address.family) && !networks.has(network.text)) {
        networks.add(network.text);
        const label = `${network.text}, the network of node ${owner}`;
        add('subnet', { prefix: network, path, label, owner: '' });
      }
      const label = `address ${address.text} of node ${owner}`;
      add('host', { prefix: hostPrefix(address), path, label, owner });
    }
    for (const [i, address] of node.publicAddresses.entries()) {
      const label = `public address ${address.text} of node ${owner}`;
      add('host', { prefix: hostPrefix(address), path: publicPaths[i]!, label, owner });
    }
    for (const { prefix, path } of overlay)
      add('overlay', { prefix, path, label: `${prefix.text} of node ${owner}`, owner });
  }
  return found;
}

function nest(found: Item[]): Nested[] {
  const rank = (item: Item): number => kinds.indexOf(item.kind);
  found.sort(
    (a, b) => comparePrefixes(a.prefix, b.prefix) || rank(a) - rank(b) || a.order - b.order,
  );
  const stack: Nested[] = [];
  return found.map((item) => {
    while (stack.length > 0 && !prefixCovers(stack[stack.length - 1]!.item.prefix, item.prefix))
      stack.pop();
    const outer = stack[stack.length - 1];
    const around = outer === undefined ? {} : { ...outer.around, [outer.item.kind]: outer };
    const entry: Nested = { item, around };
    stack.push(entry);
    return entry;
  });
}

/** Everything that one prefix collides with: one mistake, one report. */
class Groups implements Iterable<readonly [Item, readonly Item[]]> {
  readonly #groups = new Map<Item, Item[]>();

  add(outer: Nested, inner: Nested): void {
    const group = this.#groups.get(outer.item);
    if (group === undefined) this.#groups.set(outer.item, [inner.item]);
    else group.push(inner.item);
  }

  [Symbol.iterator](): Iterator<readonly [Item, readonly Item[]]> {
    return this.#groups.entries();
  }
}

type Group = readonly [Item, readonly Item[]];

function reportOverlay([outer, inner]: Group, report: Report): void {
  const equal = inner.filter((item) => item.prefix.text === outer.prefix.text);
  for (const item of equal) {
    report.add({
      code: 'overlay-overlap',
      path: item.path,
      value: item.prefix.text,
      message: `the prefix is also that of ${whose(outer, item)} (${report.lineOf(outer.path)})`,
      remedy: 'give each node prefixes of its own',
    });
  }
  const smaller = inner.filter((item) => item.prefix.text !== outer.prefix.text);
  if (smaller.length === 0) return;
  // The wide one is the likelier mistake, except against a single one that came before it.
  const single = smaller.length === 1 && smaller[0]!.order > outer.order ? smaller[0]! : undefined;
  const names = smaller.map((item) => item.label);
  report.add({
    code: 'overlay-overlap',
    path: (single ?? outer).path,
    value: (single ?? outer).prefix.text,
    message:
      single === undefined
        ? `the prefix overlaps ${enumerate(names, namedItems)}`
        : `the prefix lies inside ${outer.label} (${report.lineOf(outer.path)})`,
    remedy: 'give each node prefixes of its own',
  });
}

function whose(outer: Item, item: Item): string {
  return outer.owner === item.owner ? 'the same node' : `node ${outer.owner}`;
}

function reportUnderlay([outer, inner]: Group, report: Report): void {
  const first = inner[0]!;
  const outerIsOverlay = outer.kind === 'overlay' || outer.kind === 'pool';
  const place = outerIsOverlay || inner.length > 1 ? outer : first;
  const others = place === outer ? inner : [outer];
  const names = others.map((item) => item.label);
  const what = place.kind === 'pool' ? 'pool' : place.kind === 'subnet' ? 'underlay' : 'overlay';
  report.add({
    code: 'underlay-overlap',
    path: place.path,
    value: place.prefix.text,
    message:
      what === 'underlay'
        ? `this underlay network holds overlay prefixes: ${enumerate(names, namedItems)}`
        : `the ${what} prefix ${place === outer ? 'holds' : 'lies inside'} ${enumerate(names, namedItems)}`,
    remedy: 'overlay and underlay need separate ranges: renumber one of them',
  });
}

function reportPools(entry: Nested, outer: Nested, report: Report): void {
  const later = entry.item.order > outer.item.order ? entry.item : outer.item;
  const earlier = later === entry.item ? outer.item : entry.item;
  report.add({
    code: 'pool-overlap',
    path: later.path,
    value: later.prefix.text,
    message: `the pool overlaps ${earlier.label}`,
    remedy: 'keep the wider one',
  });
}

/** Zones may share subnets (a cloud's may span zones); one zone's own must not overlap. */
function checkZoneSubnets(entry: Nested, report: Report): void {
  const { owner } = entry.item;
  if (owner === '') return;
  let outer = entry.around.subnet;
  while (outer !== undefined && outer.item.owner !== owner) outer = outer.around.subnet;
  if (outer === undefined) return;
  const later = entry.item.order > outer.item.order ? entry.item : outer.item;
  const earlier = later === entry.item ? outer.item : entry.item;
  report.add({
    code: 'subnet-overlap',
    path: later.path,
    value: later.prefix.text,
    message: `the subnet overlaps ${earlier.prefix.text} of the same zone`,
    remedy: 'keep one of them, or correct the length',
  });
}

/** When no prefix of a family is inside any pool, the pools are wrong and not every node. */
function reportOutside(
  nested: readonly Nested[],
  { plan, report }: { readonly plan: Plan; readonly report: Report },
): void {
  for (const family of [4, 6] as const) {
    const overlay = nested.filter(
      ({ item }) => item.kind === 'overlay' && item.prefix.family === family,
    );
    const outside = overlay.filter(({ around }) => around.pool === undefined);
    const names = outside.map(({ item }) => item.label);
    if (outside.length > 1 && outside.length === overlay.length) {
      report.add({
        code: 'outside-pools',
        path: ['overlay', 'pools'],
        value: enumerate(
          plan.pools.map((pool) => pool.prefix.text),
          namedItems,
        ),
        message: `no pool holds any IPv${family} prefix of a node: ${enumerate(names, namedItems)}`,
        remedy: 'add the pool that they are taken from, or remove "pools"',
      });
      continue;
    }
    const pools = plan.pools.filter(({ prefix }) => prefix.family === family);
    for (const { item } of outside) {
      report.add({
        code: 'outside-pools',
        path: item.path,
        value: item.prefix.text,
        message: `the prefix is in no pool${
          pools.length === 0
            ? ''
            : `: ${enumerate(
                pools.map(({ prefix }) => prefix.text),
                namedItems,
              )}`
        }`,
        remedy: 'take it from a pool, or add a pool that holds it',
      });
    }
  }
}
