/** One look at the resources around the cluster's nodes; what may not be read is absent. */
import type { CloudQuestion } from '../control.js';
import { CloudError } from '../control.js';
import type { MachineFacts } from '../machine.js';
import type { ResourceManager } from './client.js';
import { type AzureNode, azureNodes, ownNode } from './nodes.js';
import type { AzureAction } from './permissions.js';
import {
  type AzureNetwork,
  type AzureNic,
  type AzureRouteTable,
  type AzureSecurityGroup,
  key,
  readNetwork,
  readNic,
  readRouteTable,
  readSecurityGroup,
  resourceGroupOf,
} from './wire.js';

export interface Scene {
  readonly own: AzureNode;
  readonly nodes: ReadonlyMap<string, AzureNode>;
  readonly nics: readonly AzureNic[];
  /** By the key of their ids. */
  readonly networks: ReadonlyMap<string, AzureNetwork>;
  readonly tables: ReadonlyMap<string, AzureRouteTable>;
  readonly groups: ReadonlyMap<string, AzureSecurityGroup>;
  readonly problems: readonly string[];
}

interface Reading {
  readonly client: ResourceManager;
  readonly signal: AbortSignal | undefined;
  readonly problems: string[];
}

export async function lookAround(
  question: CloudQuestion,
  context: { readonly client: ResourceManager; readonly machine: MachineFacts },
): Promise<Scene> {
  const { cluster, self, signal } = question;
  const { client, machine } = context;
  const problems: string[] = [];
  const reading: Reading = { client, signal, problems };
  const nics = await listNics(reading, machine);
  const own = ownNode(self, nics, machine);
  if (own === undefined)
    throw new CloudError(
      `Azure shows no NIC of this machine with an address of node ${self.name} ` +
        `(${self.underlay.map(({ address }) => address.text).join(', ')}); those of a uniform scale set are not listed`,
      { failure: 'absent', code: 'NoNic', call: nicRead },
    );
  const nodes = azureNodes(cluster, nics, own);
  const around = nodes.size === 0 ? [own] : [...nodes.values()];
  const networks = await readAll(reading, {
    ids: around.map(({ network }) => network),
    permission: 'Microsoft.Network/virtualNetworks/read',
    read: readNetwork,
  });
  const subnets = new Set(around.map(({ subnet }) => key(subnet)));
  const near = [...networks.values()]
    .flatMap((network) => network.subnets)
    .filter(({ id }) => subnets.has(key(id)));
  const [tables, groups] = await Promise.all([
    readAll(reading, {
      ids: near.flatMap(({ routeTable }) => routeTable ?? []),
      permission: 'Microsoft.Network/routeTables/read',
      read: readRouteTable,
    }),
    readAll(reading, {
      ids: [...near, ...around.map(({ nic }) => nic)].flatMap(
        ({ securityGroup }) => securityGroup ?? [],
      ),
      permission: 'Microsoft.Network/networkSecurityGroups/read',
      read: readSecurityGroup,
    }),
  ]);
  return { own, nodes, nics, networks, tables, groups, problems };
}

const nicRead = 'Microsoft.Network/networkInterfaces/read';

/** Of the whole subscription, or else of the machine's own resource group. */
async function listNics(reading: Reading, machine: MachineFacts): Promise<readonly AzureNic[]> {
  const { client, signal, problems } = reading;
  const subscription = machine.account;
  if (subscription === undefined)
    throw new CloudError('the metadata service did not tell the subscription of this machine', {
      failure: 'other',
      code: 'NoSubscription',
      call: nicRead,
    });
  const list = async (scope: string): Promise<readonly AzureNic[]> => {
    const path = `${scope}/providers/Microsoft.Network/networkInterfaces`;
    const items = await client.list({ path, call: nicRead, permission: nicRead, signal });
    return items.flatMap((item) => readNic(item) ?? []);
  };
  const whole = `/subscriptions/${encodeURIComponent(subscription)}`;
  try {
    return await list(whole);
  } catch (error) {
    const group = resourceGroupOf(machine.instanceName);
    if (!(error instanceof CloudError) || error.failure !== 'denied' || group === undefined)
      throw error;
    const found = await list(`${whole}/resourceGroups/${encodeURIComponent(group)}`);
    problems.push(
      `only NICs of resource group ${group} are seen: the machine's identity lacks ${nicRead} for the subscription`,
    );
    return found;
  }
}

async function readAll<T>(
  reading: Reading,
  wanted: {
    readonly ids: readonly string[];
    readonly permission: AzureAction;
    readonly read: (value: unknown) => T | undefined;
  },
): Promise<ReadonlyMap<string, T>> {
  const { client, signal, problems } = reading;
  const { permission, read } = wanted;
  const ids = new Map(wanted.ids.map((id) => [key(id), id]));
  const found = new Map<string, T>();
  await Promise.all(
    [...ids].map(async ([name, id]) => {
      try {
        const value = read(await client.get({ path: id, call: permission, permission, signal }));
        if (value !== undefined) found.set(name, value);
      } catch (error) {
        if (!(error instanceof CloudError)) throw error;
        if (error.failure !== 'denied' && error.failure !== 'absent') throw error;
        problems.push(`${id} is not read: ${error.message}`);
      }
    }),
  );
  return found;
}
