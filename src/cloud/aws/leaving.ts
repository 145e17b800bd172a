/**
 * Takes back what was made for this node: its routes, then the check where it was us who switched
 * it off, and last the tags that told so. Every table that a record names is looked at, whether it
 * still carries the cluster's packets or not.
 */
import { prefixesOverlap, type Prefix } from '../../../encap/prefix.js';
import { ec2Tags } from './actions.js';
import { type CloudChange, CloudError, type CloudQuestion } from '../control.js';
import { type Gate, change } from './change.js';
import type { Ec2Client } from './ec2-client.js';
import type { NetworkInterface } from './interfaces.js';
import { routeChange } from './plan.js';
import type { Sight } from './sight.js';
import { ownedBy, recordedRoutes, tableTag, tagParameters } from './tags.js';
import type { RouteTable } from './tables.js';

export interface Leaving {
  readonly client: Ec2Client;
  readonly question: CloudQuestion;
  readonly sight: Sight;
  readonly done: () => void;
}

export function leavingChanges(leaving: Leaving): readonly CloudChange[] {
  const { client, question, sight, done } = leaving;
  const { cluster, self } = question;
  // Without them the tags would go and the routes stay, which nobody could tell apart any more.
  if (sight.tables === undefined && sight.problems.length > 0)
    throw new CloudError(sight.problems.join('; '), {
      failure: 'denied',
      code: 'UnauthorizedOperation',
      call: 'DescribeRouteTables',
    });
  const tables = [...(sight.tables?.carrying ?? []), ...(sight.tables?.others ?? [])];
  const mine = sight.own.filter((entry) =>
    ownedBy(entry.tags, { cluster: cluster.name, node: self.name }),
  );
  const gone = new Map<string, Set<string>>();
  const routes: CloudChange[] = [];
  const gates: Gate[] = [];
  for (const entry of mine)
    for (const { table, destination } of ownRoutes(entry, tables)) {
      gone.set(table, (gone.get(table) ?? new Set()).add(destination.text));
      const gate = { open: false, closed: `the route of ${destination.text} is still in ${table}` };
      gates.push(gate);
      routes.push(
        routeChange(
          { client, done, full: () => undefined },
          {
            step: {
              kind: 'delete',
              table,
              destination,
              interfaceId: entry.id,
              why: `${self.name} leaves`,
            },
            needs: [],
            opens: gate,
          },
        ),
      );
    }
  return [
    ...routes,
    ...mine
      .filter((entry) => entry.tags.has(ec2Tags.check))
      .map((entry) => {
        const gate = { open: false, closed: `the check of ${entry.id} is still off` };
        gates.push(gate);
        return checkOn(entry, { leaving, opens: gate });
      }),
    ...mine.map((entry) => untag(entry.id, { keys: ourKeys(entry), leaving, needs: gates })),
    ...tables
      .filter((table) => isLast(table, { cluster, without: gone.get(table.id) ?? new Set() }))
      .map((table) => untag(table.id, { keys: [tableTag(cluster.name)], leaving, needs: gates })),
  ];
}

/** Routes that are recorded, and still lead to the interface. */
function ownRoutes(
  entry: NetworkInterface,
  tables: readonly RouteTable[],
): readonly { readonly table: string; readonly destination: Prefix }[] {
  const records = recordedRoutes(entry.tags);
  return tables.flatMap((table) =>
    table.routes
      .filter(
        (route) =>
          route.interfaceId === entry.id &&
          records.get(table.id)?.includes(route.destination.text) === true,
      )
      .map((route) => ({ table: table.id, destination: route.destination })),
  );
}

function ourKeys(entry: NetworkInterface): readonly string[] {
  const fixed: readonly string[] = [ec2Tags.cluster, ec2Tags.node, ec2Tags.check];
  return [...entry.tags.keys()].filter(
    (key) => fixed.includes(key) || key.startsWith(ec2Tags.routePrefix),
  );
}

function checkOn(
  entry: NetworkInterface,
  about: { readonly leaving: Leaving; readonly opens: Gate },
): CloudChange {
  const { client, done } = about.leaving;
  return change(
    client,
    {
      text: `switch the source/destination check of ${entry.id} on again`,
      action: 'ModifyNetworkInterfaceAttribute',
      parameters: { NetworkInterfaceId: entry.id, 'SourceDestCheck.Value': 'true' },
      makes: 'sourceDestinationCheck',
      opens: about.opens,
    },
    done,
  );
}

function untag(
  resource: string,
  about: {
    readonly keys: readonly string[];
    readonly leaving: Leaving;
    readonly needs: readonly Gate[];
  },
): CloudChange {
  const { keys, leaving, needs } = about;
  return change(
    leaving.client,
    {
      text: `remove Selvage's tags from ${resource}`,
      action: 'DeleteTags',
      parameters: tagParameters(resource, new Set(keys)),
      makes: 'fabricRoutes',
      needs,
    },
    leaving.done,
  );
}

/** Is the mark of the table of no more use, as no other route of the cluster is left in it? */
function isLast(
  table: RouteTable,
  about: { readonly cluster: CloudQuestion['cluster']; readonly without: ReadonlySet<string> },
): boolean {
  const { cluster, without } = about;
  return (
    table.tags.has(tableTag(cluster.name)) &&
    !table.routes.some(
      (route) =>
        route.written &&
        route.interfaceId !== undefined &&
        !without.has(route.destination.text) &&
        cluster.pools.some((pool) => prefixesOverlap(pool, route.destination)),
    )
  );
}
