/**
 * The network's routes to overlay prefixes: which lead where they should, which are missing, which
 * of ours are left over. Pure.
 *
 * A packet takes the longest range that holds its destination, and of equal ones the smallest
 * priority; several of one priority share the packets. So a prefix is routed when what wins for all
 * of it is its node's instance, whoever made that route, or when the range is an alias of the NIC.
 * Ours carry their owner in the description; no other is ever changed.
 */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import { type Prefix, prefixCovers } from '../../../encap/prefix.js';
import { readPrefix } from '../json-values.js';
import { type RouteOwner, routeName } from '../route-name.js';
import { type Claim, admitted, routedPrefixes } from '../routed-prefixes.js';
import type { GceNode } from './nodes.js';
import { type ComputeRoute, lastPart } from './wire.js';

export interface NetworkRoute extends ComputeRoute {
  readonly prefix: Prefix;
  /** Whose it is, if one of a Selvage cluster made it. */
  readonly owner: RouteOwner | undefined;
}

export interface RoutePlan {
  /** Nodes whose prefixes all lead to them. */
  readonly present: ReadonlySet<string>;
  /** What is in the way at the others. */
  readonly waits: ReadonlyMap<string, string>;
  readonly inserts: readonly RouteInsert[];
  readonly deletes: readonly NetworkRoute[];
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export interface RouteInsert {
  readonly name: string;
  readonly description: string;
  readonly destRange: string;
  readonly priority: number;
}

/** GCE's own default for static routes. */
const ourPriority = 1000;

export function routeDescription(owner: RouteOwner): string {
  return `Selvage ${JSON.stringify({ cluster: owner.cluster, node: owner.node })}`;
}

/** The owner that a description names; a name of ours alone proves nothing. */
function routeOwner({ name, description }: ComputeRoute): RouteOwner | undefined {
  const written = /^Selvage (\{.*\})$/.exec(description)?.[1];
  if (written === undefined || !name.startsWith('selvage-')) return undefined;
  try {
    const { cluster, node } = JSON.parse(written) as Partial<Record<string, unknown>>;
    return typeof cluster === 'string' && typeof node === 'string' ? { cluster, node } : undefined;
  } catch {
    return undefined;
  }
}

export function networkRoutes(
  routes: readonly ComputeRoute[],
  network: string,
): readonly NetworkRoute[] {
  return routes.flatMap((route) => {
    const prefix = route.network === network ? readPrefix(route.destRange) : undefined;
    return prefix === undefined ? [] : [{ ...route, prefix, owner: routeOwner(route) }];
  });
}

export interface RouteQuestion {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  readonly nodes: ReadonlyMap<string, GceNode>;
  readonly routes: readonly NetworkRoute[];
  /** Does a rule want this node's prefixes in the network? */
  readonly routed: boolean;
  /** The node goes: nothing of its own is to stay. */
  readonly leaving?: boolean;
  readonly limit: number;
  /** Selflinks of all instances; undefined: they could not all be read. */
  readonly instances: ReadonlySet<string> | undefined;
}

export function planRoutes(question: RouteQuestion): RoutePlan {
  const { cluster, self, nodes, routes, limit } = question;
  const present = new Set<string>();
  const waits = new Map<string, string>();
  const problems: string[] = [];
  const claims: Claim[] = [];
  const missing: Prefix[] = [];
  for (const [name, entry] of nodes) {
    const prefixes = routedPrefixes(entry.node);
    const states = prefixes.map((prefix) => ({ prefix, state: stateOf(prefix, entry, routes) }));
    const bad = states.find(({ state }) => state !== 'routed');
    if (prefixes.length > 0 && bad === undefined) present.add(name);
    else waits.set(name, waitText(bad, entry));
    const open = states.filter(({ state }) => state === 'missing').map(({ prefix }) => prefix);
    const held = routes.filter(
      ({ owner, nextHopInstance }) =>
        owner?.cluster === cluster.name &&
        owner.node === name &&
        nextHopInstance === entry.instance.selfLink,
    ).length;
    claims.push({ node: name, wanted: held + open.length, present: held });
    if (name !== self.name) continue;
    missing.push(...open);
    for (const { prefix, state } of states)
      if (typeof state === 'object' && question.routed)
        problems.push(conflict(prefix, state.other));
  }
  const own = nodes.get(self.name);
  const inside = admitted(claims, limit);
  const wanted = question.routed && own !== undefined;
  const room = inside.has(self.name);
  if (wanted && !room && missing.length > 0) {
    const text = `no room for a route: ${limit} routes of ours are the limit (cloud.routeLimit), and other nodes come first`;
    problems.push(`${self.name} stays encapsulated: ${text}`);
    waits.set(self.name, text);
  }
  const ours = routes.filter(({ owner }) => owner?.cluster === cluster.name);
  return {
    present,
    waits,
    inserts: wanted && room ? missing.map((prefix) => insertOf(question, own, prefix)) : [],
    deletes: ours.filter((route) => isLeftOver(route, question, own)),
    problems,
    notes: ours.length === 0 ? [] : [`${ours.length} of at most ${limit} routes are ours`],
  };
}

type PrefixState = 'routed' | 'missing' | { readonly other: NetworkRoute };

function stateOf(
  prefix: Prefix,
  { instance, aliases }: GceNode,
  routes: readonly NetworkRoute[],
): PrefixState {
  if (aliases.some((alias) => prefixCovers(alias, prefix))) return 'routed';
  const leadsHere = (route: NetworkRoute): boolean =>
    route.nextHopInstance === instance.selfLink && route.warnings.length === 0;
  // Part of it goes elsewhere.
  const inner = routes.find(
    (route) =>
      route.prefix.length > prefix.length &&
      prefixCovers(prefix, route.prefix) &&
      !leadsHere(route),
  );
  if (inner !== undefined) return { other: inner };
  // A route with tags is one that some instances do not have.
  const covering = routes.filter(
    (route) => prefixCovers(route.prefix, prefix) && (route.tags.length === 0 || !leadsHere(route)),
  );
  const length = Math.max(...covering.map((route) => route.prefix.length));
  const longest = covering.filter((route) => route.prefix.length === length);
  const priority = Math.min(...longest.map((route) => route.priority));
  const winning = longest.filter((route) => route.priority === priority);
  if (winning.length > 0 && winning.every(leadsHere)) return 'routed';
  // Ours that lead elsewhere are left over; somebody else's for the same range are in the way.
  const other = longest.find(
    (route) => route.prefix.length === prefix.length && route.owner === undefined,
  );
  return other === undefined ? 'missing' : { other };
}

function waitText(
  bad: { readonly prefix: Prefix; readonly state: PrefixState } | undefined,
  { node, instance, nic }: GceNode,
): string {
  if (bad === undefined)
    return `${node.name} has no overlay prefix of a family that it has an address of`;
  if (typeof bad.state === 'object')
    return `route ${bad.state.other.name} takes ${bad.state.other.destRange} to ${bad.state.other.nextHop}`;
  return `network ${lastPart(nic.network)} has no route ${bad.prefix.text} to instance ${instance.name}`;
}

function conflict(prefix: Prefix, other: NetworkRoute): string {
  return (
    `route ${other.name} (${other.destRange} to ${other.nextHop}) is in the way of ${prefix.text} and is ` +
    `not ours, so it is left alone; if nobody needs it: gcloud compute routes delete ${other.name}`
  );
}

function insertOf(question: RouteQuestion, own: GceNode, prefix: Prefix): RouteInsert {
  const owner = { cluster: question.cluster.name, node: question.self.name };
  return {
    // A route cannot be changed: with another instance it is another route.
    name: routeName(owner, prefix, own.instance.selfLink),
    description: routeDescription(owner),
    destRange: prefix.text,
    priority: ourPriority,
  };
}

/**
 * A route of this cluster that this node has to take away: its own that leads elsewhere or is for a
 * prefix that it has no more, one that another node left for a prefix that is ours now, or, for the
 * first node by name, one of a node that is gone and whose instance is gone. A sound one stays also
 * when no rule asks for it any more, as `auto` may be using it at this moment.
 */
function isLeftOver(
  route: NetworkRoute,
  question: RouteQuestion,
  own: GceNode | undefined,
): boolean {
  const { cluster, self, nodes, instances } = question;
  if (own === undefined) return false;
  const mine = routedPrefixes(self).some(({ text }) => text === route.prefix.text);
  if (route.owner?.node === self.name)
    return question.leaving === true || !mine || route.nextHopInstance !== own.instance.selfLink;
  if (mine) return true;
  const owner = cluster.nodes.get(route.owner?.node ?? '');
  if (owner !== undefined && !owner.withdrawn) return false;
  const gone =
    instances !== undefined &&
    (route.nextHopInstance === undefined || !instances.has(route.nextHopInstance));
  return gone && [...nodes.keys()].sort()[0] === self.name;
}
