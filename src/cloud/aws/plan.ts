/**
 * The calls that make this node's own attachment fit for native routing, in order: first what
 * records that we made something, then what is recorded.
 */
import { ec2Tags } from './actions.js';
import type { CloudChange, CloudQuestion } from '../control.js';
import { type Gate, change, recordGate } from './change.js';
import type { Ec2Client } from './ec2-client.js';
import type { NetworkInterface } from './interfaces.js';
import type { Findings } from './reading.js';
import type { RouteStep } from './routes.js';
import type { Sight } from './sight.js';
import {
  checkTagValue,
  routeRecord,
  tableTag,
  tableTagValue,
  tagParameters,
  tagValue,
} from './tags.js';

export interface Planning {
  readonly client: Ec2Client;
  readonly question: CloudQuestion;
  readonly sight: Sight;
  readonly found: Findings;
  /** Something was changed. */
  readonly done: () => void;
  /** A table has no room for one more route. */
  readonly full: (table: string) => void;
}

export function plannedChanges(planning: Planning): readonly CloudChange[] {
  const { client, found, done } = planning;
  const steps = found.routes?.steps ?? [];
  const { changes, gates } = records(planning, steps);
  const gatesFor = (...ids: readonly string[]): readonly Gate[] =>
    ids.flatMap((id) => gates.get(id) ?? []);
  const checks = found.checked.map((entry) =>
    change(
      client,
      {
        text: `switch the source/destination check of ${entry.id} off`,
        action: 'ModifyNetworkInterfaceAttribute',
        parameters: { NetworkInterfaceId: entry.id, 'SourceDestCheck.Value': 'false' },
        makes: 'sourceDestinationCheck',
        needs: gatesFor(entry.id),
      },
      done,
    ),
  );
  const routes = steps.map((step) =>
    routeChange(planning, { step, needs: gatesFor(step.interfaceId, step.table) }),
  );
  return [...changes, ...checks, ...routes];
}

const already = {
  create: 'RouteAlreadyExists',
  replace: undefined,
  delete: 'InvalidRoute.NotFound',
} as const;

const actions = { create: 'CreateRoute', replace: 'ReplaceRoute', delete: 'DeleteRoute' } as const;

/** The parameter that names a route in all three calls. */
export function destinationParameter(
  destination: RouteStep['destination'],
): Readonly<Record<string, string>> {
  return destination.family === 4
    ? { DestinationCidrBlock: destination.text }
    : { DestinationIpv6CidrBlock: destination.text };
}

function routeChange(
  planning: Pick<Planning, 'client' | 'done' | 'full'>,
  about: {
    readonly step: RouteStep;
    readonly needs: readonly Gate[];
    readonly opens?: Gate;
  },
): CloudChange {
  const { step, needs } = about;
  const { kind, table, destination, interfaceId } = step;
  const verb = {
    create: `route ${destination.text} to ${interfaceId} in ${table}`,
    replace: `let ${destination.text} lead to ${interfaceId} in ${table}`,
    delete: `remove the route of ${destination.text} from ${table}`,
  }[kind];
  const made = change(
    planning.client,
    {
      text: `${verb}: ${step.why}`,
      action: actions[kind],
      parameters: {
        RouteTableId: table,
        ...destinationParameter(destination),
        ...(kind === 'delete' ? {} : { NetworkInterfaceId: interfaceId }),
      },
      makes: 'fabricRoutes',
      ...(already[kind] === undefined ? {} : { already: already[kind] }),
      needs: kind === 'delete' ? [] : needs,
      ...(about.opens === undefined ? {} : { opens: about.opens }),
    },
    planning.done,
  );
  if (kind !== 'create') return made;
  return {
    ...made,
    carryOut: async (signal) => {
      try {
        await made.carryOut(signal);
      } catch (error) {
        if ((error as { code?: string }).code === 'RouteLimitExceeded') planning.full(table);
        throw error;
      }
    },
  };
}

export { routeChange };

/** Tags that have to be written before, and those that say too much by now. */
function records(
  planning: Planning,
  steps: readonly RouteStep[],
): { readonly changes: readonly CloudChange[]; readonly gates: ReadonlyMap<string, Gate> } {
  const { client, question, sight, found, done } = planning;
  const { cluster, self } = question;
  const gates = new Map<string, Gate>();
  const changes: CloudChange[] = [];
  for (const entry of sight.own) {
    const { wanted, obsolete, tooLong } = interfaceTags(entry, planning);
    // Never opened: without a whole record no route is made.
    if (tooLong) gates.set(entry.id, recordGate());
    const checked = found.checked.some((other) => other.id === entry.id);
    const makes = checked ? ('sourceDestinationCheck' as const) : ('fabricRoutes' as const);
    if (wanted.size > 0) {
      const gate = recordGate();
      if (!tooLong) gates.set(entry.id, gate);
      changes.push(
        change(
          client,
          {
            text: `tag ${entry.id} with what Selvage does there (${[...wanted.keys()].join(', ')})`,
            action: 'CreateTags',
            parameters: tagParameters(entry.id, wanted),
            makes,
            opens: gate,
          },
          done,
        ),
      );
    }
    if (obsolete.size > 0)
      changes.push(
        change(
          client,
          {
            text: `remove the tags of routes that are gone from ${entry.id}`,
            action: 'DeleteTags',
            parameters: tagParameters(entry.id, obsolete),
            makes,
          },
          done,
        ),
      );
  }
  const key = tableTag(cluster.name);
  const marked = new Set(
    sight.tables?.carrying.filter((table) => table.tags.has(key)).map((table) => table.id),
  );
  const touched = new Set(steps.filter((step) => step.kind !== 'delete').map((step) => step.table));
  for (const table of touched) {
    if (marked.has(table)) continue;
    const gate = recordGate();
    gates.set(table, gate);
    changes.push(
      change(
        client,
        {
          text: `tag ${table} as one with routes of ${self.name}'s cluster`,
          action: 'CreateTags',
          parameters: tagParameters(table, new Map([[key, tableTagValue]])),
          makes: 'fabricRoutes',
          opens: gate,
        },
        done,
      ),
    );
  }
  return { changes, gates };
}

function interfaceTags(
  entry: NetworkInterface,
  planning: Planning,
): {
  readonly wanted: ReadonlyMap<string, string>;
  readonly obsolete: ReadonlySet<string>;
  readonly tooLong: boolean;
} {
  const { question, found } = planning;
  const wanted = new Map<string, string>();
  const obsolete = new Set<string>();
  let tooLong = false;
  if (found.checked.some((other) => other.id === entry.id))
    wanted.set(ec2Tags.check, checkTagValue);
  for (const [table, destinations] of found.routes?.records.get(entry.id) ?? []) {
    const key = `${ec2Tags.routePrefix}${table}`;
    const value = routeRecord(destinations);
    if (destinations.length === 0) obsolete.add(key);
    else if (value === undefined) tooLong = true;
    else wanted.set(key, value);
  }
  if (wanted.size > 0) {
    wanted.set(ec2Tags.cluster, tagValue(question.cluster.name));
    wanted.set(ec2Tags.node, tagValue(question.self.name));
  }
  for (const [key, value] of wanted) if (entry.tags.get(key) === value) wanted.delete(key);
  for (const key of obsolete) if (!entry.tags.has(key)) obsolete.delete(key);
  return { wanted, obsolete, tooLong };
}
