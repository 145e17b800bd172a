/**
 * AWS as Selvage uses it: the EC2 API, asked with the keys of the instance's own role. Loaded on
 * machines of AWS only.
 */
import { type CloudControl, CloudError, type CloudQuestion } from '../control.js';
import type { MachineFacts } from '../machine.js';
import { Ec2Client, ec2Endpoint } from './ec2-client.js';
import { firewallsOf } from './firewalls.js';
import { type NetworkInterface, interfacesById } from './interfaces.js';
import { type KeyOptions, keySource } from './keys.js';
import { leavingChanges } from './leaving.js';
import { plannedChanges } from './plan.js';
import { findings, indexed } from './reading.js';
import { Lookout, type Sight } from './sight.js';

export interface Ec2Options extends Pick<KeyOptions, 'fromInstance'> {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Per call, in milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Rejects with a CloudError where the machine's facts or the environment do not suffice. Endpoints
 * come from AWS_ENDPOINT_URL_EC2 or AWS_ENDPOINT_URL, else they are the region's.
 */
export async function openEc2(
  machine: MachineFacts,
  env: NodeJS.ProcessEnv,
  options: Ec2Options = {},
): Promise<CloudControl> {
  const region = machine.region ?? machine.zone?.replace(/(?<=\d)[a-z]$/, '');
  if (region === undefined || machine.instanceId === undefined)
    throw new CloudError(
      `EC2 cannot be asked: the metadata service did not tell the ${region === undefined ? 'region' : 'instance id'}`,
      { failure: 'other', code: 'NoMachine', call: 'openEc2' },
    );
  const { now = Date.now } = options;
  const keys = keySource({ env, ...options });
  const client = await Ec2Client.open({
    region,
    endpoint: ec2Endpoint(region, env),
    keys,
    now,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
  const lookout = new Lookout({ client, instanceId: machine.instanceId, now });
  const done = (): void => lookout.forget();
  /** How many routes a table had when EC2 refused one more. */
  const refusedAt = new Map<string, number>();

  const look = (question: CloudQuestion, firewalls: boolean): Promise<Sight> =>
    lookout.look(question, { firewalls });

  return {
    provider: 'aws',
    read: async (question) => {
      const before = client.calls;
      const sight = await look(question, true);
      const found = await findings({
        question,
        sight,
        strangers: await strangersOf(question, { sight, client }),
        refusedAt,
      });
      const full = (table: string): void => {
        const routes = sight.tables?.carrying.find(({ id }) => id === table)?.routes.length;
        if (routes !== undefined) refusedAt.set(table, routes);
      };
      const changes = plannedChanges({ client, question, sight, found, done, full });
      const { observed, problems } = found;
      const cost = `this reading took ${client.calls - before} calls`;
      return { observed, changes, problems, notes: [...found.notes, ...keys.unused, cost] };
    },
    leave: async (question) => {
      lookout.forget();
      return leavingChanges({ client, question, sight: await look(question, false), done });
    },
    firewalls: async (question) => firewallsOf(await look(question, true)),
    close: () => undefined,
  };
}

/** The interfaces of others that routes of our prefixes lead to: their tags tell who made them. */
async function strangersOf(
  question: CloudQuestion,
  about: { readonly sight: Sight; readonly client: Ec2Client },
): Promise<ReadonlyMap<string, NetworkInterface>> {
  const { sight, client } = about;
  const known = new Map<string, NetworkInterface>();
  for (const place of sight.places.values())
    for (const entry of place.interfaces) known.set(entry.id, entry);
  for (const entry of sight.own) known.set(entry.id, entry);
  const prefixes = new Set(question.self.overlay.map((prefix) => prefix.text));
  const { tables } = indexed({ question, sight });
  const ids = tables.flatMap(({ table }) =>
    table.routes.flatMap((route) =>
      prefixes.has(route.destination.text) &&
      route.interfaceId !== undefined &&
      !known.has(route.interfaceId)
        ? [route.interfaceId]
        : [],
    ),
  );
  const asked = [...new Set(ids)];
  for (const entry of await interfacesById(client, asked, { signal: question.signal }))
    known.set(entry.id, entry);
  return known;
}
