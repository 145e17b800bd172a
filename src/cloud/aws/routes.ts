/**
 * What has to be done to the VPC's route tables so that this node's overlay prefixes lead to it.
 * Pure: a plan, no call. A route that somebody else made is never changed, wherever it leads.
 */
import type { Prefix } from '../../../encap/prefix.js';
import type { CloudQuestion } from '../control.js';
import { type IndexedTable, shadow } from './fabric.js';
import type { NetworkInterface } from './interfaces.js';
import { type Places, routable } from './places.js';
import { isLeftover, roomFor } from './route-room.js';
import { ownedBy, recordedRoutes, tagValue } from './tags.js';
import type { VpcRoute } from './tables.js';
import { ec2Tags } from './actions.js';

export interface RouteStep {
  readonly kind: 'create' | 'replace' | 'delete';
  readonly table: string;
  readonly destination: Prefix;
  /** Where it leads: then, or until now. */
  readonly interfaceId: string;
  readonly why: string;
}

export interface RoutePlan {
  readonly steps: readonly RouteStep[];
  /** What own interfaces should record, by interface and table; an empty list: nothing any more. */
  readonly records: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  /** What native routing of this node waits for; undefined: nothing, or nothing that will come. */
  readonly wait: string | undefined;
}

export interface RouteQuestion {
  readonly question: CloudQuestion;
  readonly places: Places;
  /** All interfaces of this instance. */
  readonly own: readonly NetworkInterface[];
  /** The tables in which the prefixes have to be. */
  readonly tables: readonly IndexedTable[];
  /** Tables that only records name. */
  readonly others: readonly IndexedTable[];
  /** Interfaces of other instances that routes of our prefixes lead to, by id. */
  readonly strangers: ReadonlyMap<string, NetworkInterface>;
  readonly refusedAt: ReadonlyMap<string, number>;
}

export function planRoutes(asked: RouteQuestion): RoutePlan {
  const { question, places } = asked;
  const place = places.get(question.self.name);
  // Half an answer of EC2's is no reason to take a route away.
  const ids = new Set(asked.own.map((entry) => entry.id));
  if (place?.complete !== true || !place.interfaces.every((entry) => ids.has(entry.id)))
    return nothing;
  const sound = routable(place);
  const wanted = question.routed ? sound : [];
  const room = roomFor({ ...asked, places, tables: asked.tables });
  const work = new Work(asked);
  for (const indexed of asked.tables)
    for (const { prefix, target } of wanted) work.lead(indexed, { prefix, target: target.id });
  if (room.tooFull !== undefined) work.giveUp(fullText(room.tooFull, asked));
  for (const indexed of [...asked.tables, ...asked.others])
    // A sound route stays although no rule wants it any more: peers send by it until they know.
    work.retire(indexed, new Map(sound.map(({ prefix, target }) => [prefix.text, target.id])));
  if (question.routed) for (const indexed of asked.tables) work.clean(indexed);
  for (const [table, count] of room.used)
    if (count > 0)
      work.notes.push(`${count} of ${question.routeLimit} routes of ${table} are in use`);
  return work.plan();
}

const nothing: RoutePlan = Object.freeze({
  steps: [],
  records: new Map<string, never>(),
  problems: [],
  notes: [],
  wait: undefined,
});

function fullText(table: string, asked: RouteQuestion): string {
  const at = asked.refusedAt.get(table);
  const total = asked.tables.find((indexed) => indexed.table.id === table)?.table.routes.length;
  const why =
    at !== undefined && total !== undefined && total >= at
      ? `EC2 refused more than the ${at} routes that it has (raise the quota "Routes per route table")`
      : `the cluster may have ${asked.question.routeLimit} routes there (cloud.routeLimit)`;
  return `no room for the routes of ${asked.question.self.name} in ${table}: ${why}; it stays encapsulated`;
}

class Work {
  readonly problems: string[] = [];
  readonly notes: string[] = [];
  readonly #asked: RouteQuestion;
  readonly #steps: RouteStep[] = [];
  /** Destinations to record, by interface and table. */
  readonly #records = new Map<string, Map<string, Set<string>>>();
  #wait: string | undefined;
  #noneAdded = false;

  constructor(asked: RouteQuestion) {
    this.#asked = asked;
    const ids = new Set([...asked.tables, ...asked.others].map(({ table }) => table.id));
    const { name } = asked.question.cluster;
    for (const own of asked.own) {
      if (own.tags.get(ec2Tags.cluster) !== tagValue(name)) continue;
      // The record of a table that is gone, or could not be found, is left as it is.
      for (const [table, destinations] of recordedRoutes(own.tags))
        if (ids.has(table)) this.#record(own.id, table, destinations);
    }
  }

  #record(interfaceId: string, table: string, destinations: readonly string[]): void {
    let tables = this.#records.get(interfaceId);
    if (tables === undefined)
      this.#records.set(interfaceId, (tables = new Map<string, Set<string>>()));
    const known = tables.get(table) ?? new Set<string>();
    tables.set(table, new Set([...known, ...destinations]));
  }

  #recorded(route: VpcRoute, table: string): boolean {
    return (
      route.interfaceId !== undefined &&
      this.#records.get(route.interfaceId)?.get(table)?.has(route.destination.text) === true
    );
  }

  /** One of our prefixes in one table. */
  lead(indexed: IndexedTable, wanted: { readonly prefix: Prefix; readonly target: string }): void {
    const { prefix, target } = wanted;
    const table = indexed.table.id;
    const route = indexed.byDestination.get(prefix.text);
    const taking = shadow(indexed, wanted);
    if (taking !== undefined && !isLeftover(taking, indexed, this.#asked.question.cluster))
      return this.#foreign(taking, { table, prefix, verb: 'takes a part of' });
    if (route === undefined) {
      const why = `${prefix.text} is not routed in ${table}`;
      this.#step({ kind: 'create', table, destination: prefix, interfaceId: target, why });
    } else if (route.interfaceId !== target) {
      const claim = this.#claim(route, indexed);
      if (claim === 'ours') {
        const why = `${prefix.text} still leads to ${route.target} in ${table}`;
        this.#step({ kind: 'replace', table, destination: prefix, interfaceId: target, why });
      } else if (claim === 'foreign') {
        this.#foreign(route, { table, prefix, verb: 'leads' });
      } else {
        this.#wait ??= claim;
        this.#noneAdded = true;
      }
    } else if (route.state !== 'active') {
      this.#wait ??= `the route of ${prefix.text} to ${target} in ${table} is ${route.state}`;
    }
  }

  /** Whose a route of our prefix is that leads elsewhere; a sentence: a peer's, who removes it. */
  #claim(route: VpcRoute, indexed: IndexedTable): string {
    const { strangers, question } = this.#asked;
    const table = indexed.table.id;
    if (this.#recorded(route, table) || isLeftover(route, indexed, question.cluster)) return 'ours';
    const holder = strangers.get(route.interfaceId ?? '');
    const records = holder && recordedRoutes(holder.tags).get(table);
    if (
      holder?.tags.get(ec2Tags.cluster) !== tagValue(question.cluster.name) ||
      records?.includes(route.destination.text) !== true
    )
      return 'foreign';
    if (ownedBy(holder.tags, { cluster: question.cluster.name, node: question.self.name }))
      return 'ours';
    const maker = holder.tags.get(ec2Tags.node) ?? '';
    const alive = [...this.#asked.places.keys()].some((name) => tagValue(name) === maker);
    return alive
      ? `${route.destination.text} in ${table} is still routed to ${maker}, which made that route and removes it`
      : 'ours';
  }

  #foreign(
    route: VpcRoute,
    about: { readonly table: string; readonly prefix: Prefix; readonly verb: string },
  ): void {
    const { table, prefix, verb } = about;
    const { text, family } = route.destination;
    const option = family === 4 ? '--destination-cidr-block' : '--destination-ipv6-cidr-block';
    const what =
      verb === 'leads'
        ? `${table} routes ${text} to ${route.target}`
        : `${table} routes ${text} to ${route.target}, which takes a part of ${prefix.text}`;
    this.problems.push(
      `${what}; Selvage did not make that route and leaves it: if it is not needed, remove it with "aws ec2 delete-route --route-table-id ${table} ${option} ${text}"`,
    );
    this.#wait ??= `${table} routes ${text} to ${route.target}, which is somebody else's route`;
    this.#noneAdded = true;
  }

  /** No route is added, as not all that are needed can be. */
  giveUp(note: string): void {
    this.notes.push(note);
    this.#noneAdded = true;
  }

  #step(step: RouteStep): void {
    this.#steps.push(step);
  }

  /** Routes that we made and that lead to no prefix of ours any more. */
  retire(indexed: IndexedTable, wanted: ReadonlyMap<string, string>): void {
    const table = indexed.table.id;
    for (const [interfaceId, tables] of this.#records)
      for (const text of tables.get(table) ?? []) {
        const route = indexed.byDestination.get(text);
        if (route?.interfaceId !== interfaceId) {
          // One that is not to be seen yet may have been made all the same.
          if (wanted.get(text) !== interfaceId) tables.get(table)?.delete(text);
        } else if (!wanted.has(text)) {
          const why = `${text} is no prefix of this node any more`;
          const { destination } = route;
          this.#step({ kind: 'delete', table, destination, interfaceId, why });
        }
      }
  }

  /** What nodes left behind whose interfaces are gone. */
  clean(indexed: IndexedTable): void {
    const { cluster } = this.#asked.question;
    for (const route of indexed.odd) {
      if (!isLeftover(route, indexed, cluster)) continue;
      const { destination, interfaceId } = route;
      this.#step({
        kind: 'delete',
        table: indexed.table.id,
        destination,
        interfaceId: interfaceId ?? '',
        why: `its interface is gone, and no node has ${destination.text}`,
      });
    }
  }

  plan(): RoutePlan {
    const steps = this.#steps.filter((step) => step.kind !== 'create' || !this.#noneAdded);
    for (const { kind, interfaceId, table, destination } of steps)
      if (kind !== 'delete') this.#record(interfaceId, table, [destination.text]);
    const pending = steps.filter(({ kind }) => kind !== 'delete');
    const first = pending[0];
    if (first !== undefined) this.#wait ??= first.why;
    return {
      steps,
      records: new Map(
        [...this.#records].map(([id, tables]) => [
          id,
          new Map([...tables].map(([table, set]) => [table, [...set].sort()])),
        ]),
      ),
      problems: this.problems,
      notes: this.notes,
      wait: this.#wait,
    };
  }
}
