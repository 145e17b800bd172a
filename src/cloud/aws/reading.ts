/**
 * From what EC2 tells to what the decision needs: the switches and firewalls of every node that
 * was found, and the calls that would make this node's own attachment fit for native routing.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import type { ObservedNode, SwitchName } from '../../../encap/observed.js';
import { mistakenProtocol } from '../admission.js';
import type { CloudQuestion, CloudReading } from '../control.js';
import { carrying, checkOf } from './checks.js';
import { type IndexedTable, fabricRoutes, indexTables } from './fabric.js';
import type { NetworkInterface } from './interfaces.js';
import { paceNote } from './pace.js';
import type { Place } from './places.js';
import { type RoutePlan, planRoutes } from './routes.js';
import type { Sight } from './sight.js';
import { verdicts } from './verdicts.js';
import { Walls } from './walls.js';

export interface ReadingParts {
  readonly question: CloudQuestion;
  readonly sight: Sight;
  readonly strangers: ReadonlyMap<string, NetworkInterface>;
  readonly refusedAt: ReadonlyMap<string, number>;
}

export interface Findings extends Omit<CloudReading, 'changes'> {
  readonly routes: RoutePlan | undefined;
  /** Own interfaces whose check has to be switched off. */
  readonly checked: readonly NetworkInterface[];
}

export function indexed(parts: Pick<ReadingParts, 'question' | 'sight'>): {
  readonly tables: readonly IndexedTable[];
  readonly others: readonly IndexedTable[];
} {
  const { question, sight } = parts;
  const indexing = { pools: question.cluster.pools, nodes: sight.nodes };
  return {
    tables: indexTables(sight.tables?.carrying ?? [], indexing),
    others: indexTables(sight.tables?.others ?? [], indexing),
  };
}

export async function findings(parts: ReadingParts): Promise<Findings> {
  const { question, sight, strangers, refusedAt } = parts;
  const { places, own, pace } = sight;
  const { cluster, self } = question;
  const { tables, others } = indexed(parts);
  const walls = new Walls(sight);
  const admits = await verdicts({ cluster, places, walls });
  const routes =
    sight.tables && planRoutes({ question, places, own, tables, others, strangers, refusedAt });
  const mine = carrying({ self, own, places, tables: sight.tables?.carrying ?? [] });
  const observed = new Map<string, ObservedNode>();
  for (const place of places.values()) {
    const isSelf = place.node.name === self.name;
    observed.set(
      place.node.name,
      observe(place, {
        interfaces: isSelf ? [...new Set([...place.interfaces, ...mine])] : place.interfaces,
        tables,
        admits: admits.get(place.node.name) ?? {},
        routeWait: isSelf ? routes?.wait : undefined,
        manage: isSelf && cluster.cloud?.manage === true,
      }),
    );
  }
  const slow = paceNote(sight.nodes.length, pace);
  return {
    observed,
    routes,
    checked: mine.filter((entry) => entry.check === 'enabled'),
    problems: [
      ...sight.problems,
      ...missing(question, sight),
      ...(routes?.problems ?? []),
      ...mistakes(sight, { self, walls }),
    ],
    notes: [...(routes?.notes ?? []), ...unread(sight), ...(slow === undefined ? [] : [slow])],
  };
}

function observe(
  place: Place,
  about: {
    readonly interfaces: readonly NetworkInterface[];
    readonly tables: readonly IndexedTable[];
    readonly admits: ObservedNode['admits'];
    readonly routeWait: string | undefined;
    readonly manage: boolean;
  },
): ObservedNode {
  const { interfaces, tables, admits, routeWait, manage } = about;
  const check = checkOf(interfaces, place.complete);
  const routes = fabricRoutes(place, tables);
  const waits: Partial<Record<SwitchName, string>> = {};
  const on = interfaces.filter((entry) => entry.check === 'enabled').map((entry) => entry.id);
  if (on.length > 0)
    waits.sourceDestinationCheck = `the source/destination check of ${on.join(' and ')} is on${
      manage ? ', and is to be switched off' : ''
    }`;
  if (routes === 'absent' && routeWait !== undefined) waits.fabricRoutes = routeWait;
  return {
    switches: {
      ...(check === undefined ? {} : { sourceDestinationCheck: check }),
      ...(routes === undefined ? {} : { fabricRoutes: routes }),
    },
    admits,
    source: `EC2 API, ${interfaces.map((entry) => entry.id).join(' ')}`,
    waits,
  };
}

function missing(question: CloudQuestion, sight: Sight): readonly string[] {
  const { self, machine } = question;
  const place = sight.places.get(self.name);
  if (sight.own.length === 0)
    return [
      `EC2 knows no network interface of ${machine.instanceId ?? 'this machine'} in ${machine.region ?? 'this region'}`,
    ];
  if (!sight.nodes.some((node) => node.name === self.name))
    return [`${self.name} is in no zone of AWS in region ${machine.region ?? '?'}: check its zone`];
  if (place?.complete === true && place.interfaces.every((entry) => isOwn(entry, sight))) return [];
  const lost = self.underlay.filter(
    ({ address }) => !sight.own.some((entry) => entry.addresses.includes(address.text)),
  );
  return lost.map(
    ({ address }) =>
      `no network interface of this instance has ${address.text}, the underlay address of ${self.name}: correct the node's address, or assign it to ${sight.own[0]?.id ?? 'an interface'}`,
  );
}

function isOwn(entry: NetworkInterface, sight: Sight): boolean {
  return sight.own.some((own) => own.id === entry.id);
}

function mistakes(
  sight: Sight,
  about: { readonly self: ClusterNode; readonly walls: Walls },
): readonly string[] {
  const texts = new Set<string>();
  for (const entry of sight.places.get(about.self.name)?.interfaces ?? [])
    for (const rule of mistakenProtocol(about.walls.of(entry).groups?.most ?? noRules))
      texts.add(
        `${rule.name} admits protocol 94, which nobody speaks: IP-in-IP is protocol 4; change the rule's protocol to 4`,
      );
  return [...texts];
}

const noRules = { rules: [], otherwise: { ingress: 'deny', egress: 'deny' } } as const;

/** What the answers leave open. */
function unread(sight: Sight): readonly string[] {
  const lists = new Set(
    [...(sight.groups?.values() ?? [])].flatMap((group) =>
      group.rules.flatMap((rule) => rule.lists.map((list) => `${list} (${group.id})`)),
    ),
  );
  return [...lists].map(
    (list) =>
      `the entries of prefix list ${list} are not read: what only they would admit is unknown`,
  );
}
