/**
 * User-defined routes to overlay prefixes. Pure.
 *
 * A subnet's route table decides where packets that leave the subnet go, so a node's prefix is
 * routed when the table of every subnet that holds nodes leads it to the node. The longest prefix
 * wins, and a table holds each prefix once. Only tables that are associated already are written to:
 * giving a subnet its first table changes the way of everything in it. Routes carry no description
 * and no tag, so that ours are known by their names alone.
 */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import { type Prefix, prefixCovers, prefixesOverlap } from '../../../encap/prefix.js';
import { isRouteName, routeName } from '../route-name.js';
import { type Claim, admitted, routedPrefixes } from '../routed-prefixes.js';
import type { AzureNode } from './nodes.js';
import {
  type AzureNetwork,
  type AzureRoute,
  type AzureRouteTable,
  key,
  lastPart,
  resourceGroupOf,
} from './wire.js';

export interface RouteChange {
  readonly table: string;
  readonly name: string;
  /** Undefined: it goes away. */
  readonly to: { readonly prefix: string; readonly address: string } | undefined;
}

export interface RoutePlan {
  /** Nodes whose prefixes lead to them from every subnet with nodes. */
  readonly present: ReadonlySet<string>;
  /** Nodes of which that cannot be said, as some table could not be read. */
  readonly unknown: ReadonlySet<string>;
  /** What is in the way at the others. */
  readonly waits: ReadonlyMap<string, string>;
  /** In order: a table refuses a prefix that it has under another name. */
  readonly changes: readonly RouteChange[];
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export interface RouteQuestion {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  readonly nodes: ReadonlyMap<string, AzureNode>;
  /** Of the nodes' networks, by key of their ids. */
  readonly networks: ReadonlyMap<string, AzureNetwork>;
  readonly tables: ReadonlyMap<string, AzureRouteTable>;
  /** Does a rule want this node's prefixes in the tables? */
  readonly routed: boolean;
  /** The node goes: nothing of its own is to stay. */
  readonly leaving?: boolean;
  readonly limit: number;
}

interface SubnetTable {
  readonly subnet: string;
  readonly table: AzureRouteTable | undefined;
  /** It has one, or may have one, that could not be read. */
  readonly unread: boolean;
}

export function planRoutes(question: RouteQuestion): RoutePlan {
  const { self, nodes, limit } = question;
  const present = new Set<string>();
  const unknown = new Set<string>();
  const waits = new Map<string, string>();
  const known = new Map<string, readonly SubnetTable[]>();
  const tablesOf = (entry: AzureNode): readonly SubnetTable[] => {
    const found = known.get(key(entry.network)) ?? subnetTables(question, entry);
    known.set(key(entry.network), found);
    return found;
  };
  for (const [name, entry] of nodes) {
    const places = tablesOf(entry);
    const wait = missingAt(entry, places);
    if (wait !== undefined) waits.set(name, wait);
    else if (places.some(({ unread }) => unread)) unknown.add(name);
    else present.add(name);
  }
  const own = nodes.get(self.name);
  const problems: string[] = [];
  const notes: string[] = [];
  const changes: RouteChange[] = [];
  const places = own === undefined ? [] : tablesOf(own);
  const seen = new Set<string>();
  for (const { subnet, table, unread } of places) {
    if (table === undefined) {
      if (question.routed && !unread) problems.push(noTable(question, subnet));
      continue;
    }
    if (seen.has(key(table.id))) continue;
    seen.add(key(table.id));
    const ours = table.routes.filter((route) => ourRoute(route, question.cluster));
    if (ours.length > 0)
      notes.push(`${ours.length} of at most ${limit} routes of ${lastPart(table.id)} are ours`);
    const { wanted, conflicts } = wantedIn(table, question, own!);
    const inside = admitted(claimsOf(table, question), limit);
    const room = inside.has(self.name);
    if (question.routed) problems.push(...conflicts);
    if (question.routed && !room && wanted.length > 0) {
      const text = `no room in route table ${lastPart(table.id)}: ${limit} routes of ours are the limit (cloud.routeLimit), and other nodes come first`;
      problems.push(`${self.name} stays encapsulated: ${text}`);
      waits.set(self.name, text);
    }
    const puts = question.routed && room ? wanted : [];
    const deletes = ours.filter((route) => isLeftOver(route, { question, own: own! }));
    const blocking = deletes.filter((route) =>
      puts.some(({ to }) => to!.prefix === route.prefix?.text),
    );
    const gone = (route: AzureRoute): RouteChange => ({
      table: table.id,
      name: route.name,
      to: undefined,
    });
    changes.push(...blocking.map(gone), ...puts);
    changes.push(...deletes.filter((route) => !blocking.includes(route)).map(gone));
  }
  return { present, unknown, waits, changes, problems, notes };
}

/** The subnets with nodes in the node's own network, and what their packets are routed by. */
function subnetTables(question: RouteQuestion, entry: AzureNode): readonly SubnetTable[] {
  const network = question.networks.get(key(entry.network));
  const subnets = new Map<string, string>();
  for (const other of question.nodes.values())
    if (key(other.network) === key(entry.network)) subnets.set(key(other.subnet), other.subnet);
  return [...subnets].sort().map(([id, subnet]) => {
    const found = network?.subnets.find((candidate) => key(candidate.id) === id);
    const table = question.tables.get(key(found?.routeTable));
    const none = found !== undefined && found.routeTable === undefined;
    return { subnet, table, unread: table === undefined && !none };
  });
}

function missingAt(entry: AzureNode, places: readonly SubnetTable[]): string | undefined {
  const prefixes = routedPrefixes(entry.node);
  if (prefixes.length === 0)
    return `${entry.node.name} has no overlay prefix of a family that it has an address of`;
  for (const { subnet, table, unread } of places) {
    if (unread) continue;
    if (table === undefined) return `subnet ${lastPart(subnet)} has no route table`;
    for (const prefix of prefixes) {
      const state = stateOf(prefix, entry, table);
      if (state === 'routed') continue;
      return state === 'missing'
        ? `route table ${lastPart(table.id)} has no route ${prefix.text} to ${entry.addresses.map(({ text }) => text).join(', ')}`
        : `route ${state.other.name} of route table ${lastPart(table.id)} takes ${state.other.addressPrefix} elsewhere`;
    }
  }
  return undefined;
}

type PrefixState = 'routed' | 'missing' | { readonly other: AzureRoute };

function stateOf(prefix: Prefix, entry: AzureNode, table: AzureRouteTable): PrefixState {
  const routes = table.routes.flatMap((route) => {
    const to = route.prefix;
    const near = to !== undefined && prefixesOverlap(to, prefix);
    return near ? [{ route, to }] : [];
  });
  const inner = routes.find(
    ({ route, to }) =>
      to.length > prefix.length && prefixCovers(prefix, to) && !leadsTo(route, entry, prefix),
  );
  if (inner !== undefined) return { other: inner.route };
  const longest = routes
    .filter(({ to }) => prefixCovers(to, prefix))
    .sort((a, b) => b.to.length - a.to.length)[0];
  if (longest === undefined) return 'missing';
  if (leadsTo(longest.route, entry, prefix)) return 'routed';
  return longest.to.length === prefix.length ? { other: longest.route } : 'missing';
}

function leadsTo(route: AzureRoute, entry: AzureNode, prefix: Prefix): boolean {
  if (route.nextHopType !== 'VirtualAppliance') return false;
  return route.hop !== undefined && route.hop.text === hopOf(entry, prefix)?.text;
}

function hopOf(entry: AzureNode, prefix: Prefix): { readonly text: string } | undefined {
  return entry.addresses.find(({ family }) => family === prefix.family);
}

function ourRoute(route: AzureRoute, cluster: Cluster): boolean {
  const { prefix } = route;
  return prefix !== undefined && isRouteName(route.name, cluster.name, prefix);
}

function wantedIn(
  table: AzureRouteTable,
  question: RouteQuestion,
  own: AzureNode,
): { readonly wanted: readonly RouteChange[]; readonly conflicts: readonly string[] } {
  const { cluster, self } = question;
  const wanted: RouteChange[] = [];
  const conflicts: string[] = [];
  for (const prefix of routedPrefixes(self)) {
    const state = stateOf(prefix, own, table);
    const hop = hopOf(own, prefix);
    if (state === 'routed' || hop === undefined) continue;
    if (typeof state === 'object' && !ourRoute(state.other, cluster)) {
      conflicts.push(conflict(prefix, state.other, table));
      continue;
    }
    wanted.push({
      table: table.id,
      name: routeName({ cluster: cluster.name, node: self.name }, prefix),
      to: { prefix: prefix.text, address: hop.text },
    });
  }
  return { wanted, conflicts };
}

function claimsOf(table: AzureRouteTable, { cluster, nodes, self }: RouteQuestion): Claim[] {
  const network = nodes.get(self.name)?.network;
  return [...nodes.values()]
    .filter((entry) => key(entry.network) === key(network))
    .map((entry) => {
      const names = routedPrefixes(entry.node).map((prefix) =>
        routeName({ cluster: cluster.name, node: entry.node.name }, prefix),
      );
      const held = table.routes.filter(({ name }) => names.includes(name)).length;
      const open = routedPrefixes(entry.node).filter(
        (prefix) => stateOf(prefix, entry, table) === 'missing',
      ).length;
      return { node: entry.node.name, wanted: held + open, present: held };
    });
}

/**
 * Ours that nobody wants: this node's own for a prefix that it has no more, one for a prefix that is
 * this node's now, or, for the first node by name, one of a node that has left and whose address
 * nobody has. A sound one stays also when no rule asks for it any more, as `auto` may be using it at
 * this moment.
 */
function isLeftOver(
  route: AzureRoute,
  options: { readonly question: RouteQuestion; readonly own: AzureNode },
): boolean {
  const { cluster, self, nodes, routed, leaving } = options.question;
  const prefix = route.prefix!;
  const named = (node: string): boolean =>
    route.name === routeName({ cluster: cluster.name, node }, prefix);
  const mine = routedPrefixes(self).some(({ text }) => text === prefix.text);
  if (named(self.name))
    // One that leads elsewhere is written over, if it is wanted.
    return leaving === true || !mine || !(routed || leadsTo(route, options.own, prefix));
  if (mine) return true;
  for (const node of cluster.nodes.values()) if (!node.withdrawn && named(node.name)) return false;
  const hop = route.hop?.text;
  for (const { addresses } of nodes.values())
    if (addresses.some(({ text }) => text === hop)) return false;
  return [...nodes.keys()].sort()[0] === self.name;
}

function conflict(prefix: Prefix, other: AzureRoute, table: AzureRouteTable): string {
  return (
    `route ${other.name} of route table ${lastPart(table.id)} (${other.addressPrefix} to ` +
    `${other.nextHopAddress ?? other.nextHopType}) is in the way of ${prefix.text} and is not ours, so it is ` +
    `left alone; if nobody needs it: az network route-table route delete --resource-group ` +
    `${resourceGroupOf(table.id)} --route-table-name ${lastPart(table.id)} --name ${other.name}`
  );
}

function noTable(question: RouteQuestion, subnet: string): string {
  const { networks, nodes, self } = question;
  const network = networks.get(key(nodes.get(self.name)?.network));
  const group = resourceGroupOf(subnet);
  const name = `${lastPart(subnet)}-routes`;
  return (
    `subnet ${lastPart(subnet)} has no route table, so nothing is routed natively from it; to give it one: ` +
    `az network route-table create --resource-group ${group} --name ${name} --location ${network?.location ?? 'LOCATION'} && ` +
    `az network vnet subnet update --resource-group ${group} --vnet-name ${lastPart(network?.id ?? 'NETWORK')} ` +
    `--name ${lastPart(subnet)} --route-table ${name}`
  );
}
