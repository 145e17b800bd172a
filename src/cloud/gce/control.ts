/**
 * GCE's control plane, by `compute v1` over plain HTTP.
 *
 * A node's packet leaves its NIC only if `canIpForward` lets an instance send what is not its own
 * address, finds its way by the network's routes, and enters the other NIC if the firewall rules of
 * the network admit it. One reading asks for the instances, the routes and the rules of the network
 * that this machine is in; nodes of other networks are not judged.
 */
import type { ObservedNode, SwitchName } from '../../../encap/observed.js';
import { type AdmitsMemo, admitsByZone } from '../admits-by-zone.js';
import type { CloudControl, CloudQuestion, CloudReading, FirewallReading } from '../control.js';
import { CloudError } from '../control.js';
import type { MachineFacts } from '../machine.js';
import { field, listField } from '../json-values.js';
import { allowForwarding, deleteRoute, forwardingCommand, insertRoute } from './changes.js';
import { ComputeClient, type ComputeClientOptions } from './client.js';
import { type NetworkRules, firewallReading } from './firewall-reading.js';
import { type GceNode, gceNodes, ownInstance, ownNic } from './nodes.js';
import { readPolicies } from './policies.js';
import { type RoutePlan, networkRoutes, planRoutes } from './routes.js';
import { type ComputeInstance, projectOf, readFirewall, readInstance, readRoute } from './wire.js';

export function openCompute(
  machine: MachineFacts,
  env: NodeJS.ProcessEnv,
  options: ComputeClientOptions = {},
): Promise<CloudControl> {
  // Not `async`: what is wrong with the environment is still a rejection.
  return Promise.resolve().then(() => new Compute(machine, new ComputeClient(env, options)));
}

interface Scene {
  readonly own: GceNode;
  readonly nodes: ReadonlyMap<string, GceNode>;
  readonly instances: ReadonlySet<string> | undefined;
  readonly problems: readonly string[];
}

class Compute implements CloudControl {
  readonly provider = 'gce';
  readonly #machine: MachineFacts;
  readonly #client: ComputeClient;

  constructor(machine: MachineFacts, client: ComputeClient) {
    this.#machine = machine;
    this.#client = client;
  }

  async read(question: CloudQuestion): Promise<CloudReading> {
    const scene = await this.#scene(question);
    const [plan, rules] = await Promise.all([
      this.#plan(question, scene),
      this.#rules(question, scene),
    ]);
    const firewalls = firewallReading(scene.nodes, rules);
    const memo: AdmitsMemo = new Map();
    const observed = new Map<string, ObservedNode>();
    for (const [name, entry] of scene.nodes)
      observed.set(name, {
        switches: switchesOf(entry, plan),
        admits: admitsByZone({ cluster: question.cluster, node: entry.node, firewalls }, memo),
        source: `GCE API, instance ${entry.instance.name}`,
        waits: waitsOf(entry, plan),
      });
    return {
      observed,
      changes: this.#changes(question, scene, plan),
      problems: [
        ...scene.problems,
        ...(plan?.problems ?? [`the network's routes cannot be read: ${this.#denied}`]),
        ...firewalls.problems,
        ...unreadForwarding(scene.own),
      ],
      notes: plan?.notes ?? [],
    };
  }

  async leave(question: CloudQuestion): Promise<CloudReading['changes']> {
    const scene = await this.#scene(question);
    const plan = await this.#plan({ ...question, routed: false, leaving: true }, scene);
    const context = { client: this.#client, self: question.self, own: scene.own };
    return (plan?.deletes ?? [])
      .filter(({ owner }) => owner?.node === question.self.name)
      .map((route) => deleteRoute(context, route));
  }

  async firewalls(question: CloudQuestion): Promise<FirewallReading> {
    const scene = await this.#scene(question);
    return firewallReading(scene.nodes, await this.#rules(question, scene));
  }

  close(): void {
    // Connections are the process's own pool; nothing is held here.
  }

  readonly #denied =
    "the instance's service account may not (deploy/gce has the role that it needs)";

  async #scene({ cluster, self, signal }: CloudQuestion): Promise<Scene> {
    const all = await permitted(this.#instances(signal));
    const own =
      all === undefined ? await this.#ownInstance(signal) : ownInstance(all, this.#machine);
    const nic = own && ownNic(own, self);
    if (own === undefined || nic === undefined)
      throw new CloudError(
        own === undefined
          ? `GCE shows no instance ${this.#machine.instanceId ?? this.#machine.instanceName ?? ''} in project ${this.#machine.account ?? ''}`
          : `instance ${own.name} has no NIC with an address of node ${self.name} (${self.underlay.map(({ address }) => address.text).join(', ')}): correct the node's addresses`,
        { failure: 'absent', code: 'NoInstance', call: 'compute.instances.list' },
      );
    const nodes = gceNodes(cluster, all ?? [own], nic.network);
    return {
      own: nodes.get(self.name) ?? { node: self, instance: own, nic, aliases: [] },
      nodes,
      instances: all && new Set(all.map(({ selfLink }) => selfLink)),
      problems:
        all === undefined
          ? ['only the own instance is seen: the service account lacks compute.instances.list']
          : [],
    };
  }

  async #instances(signal: AbortSignal | undefined): Promise<readonly ComputeInstance[]> {
    const items = await this.#client.list(
      {
        path: `projects/${this.#project()}/aggregated/instances`,
        // Most of an instance (disks, metadata with start-up scripts) is not for us to see.
        query: { fields: `nextPageToken,items/*/instances(${instanceFields})` },
        call: 'compute.instances.list',
        permission: 'compute.instances.list',
        signal,
      },
      (page) =>
        Object.values((field(page, 'items') as Record<string, unknown> | undefined) ?? {}).flatMap(
          (scope) => listField(scope, 'instances'),
        ),
    );
    return items.flatMap((item) => readInstance(item) ?? []);
  }

  async #ownInstance(signal: AbortSignal | undefined): Promise<ComputeInstance | undefined> {
    const { zone, instanceName } = this.#machine;
    const path = `projects/${this.#project()}/zones/${zone ?? ''}/instances/${instanceName ?? ''}`;
    const query = { fields: instanceFields };
    return readInstance(
      await this.#client.send({
        path,
        query,
        call: 'compute.instances.get',
        permission: 'compute.instances.get',
        signal,
      }),
    );
  }

  #project(): string {
    const { account } = this.#machine;
    if (account !== undefined) return encodeURIComponent(account);
    throw new CloudError('the metadata service did not tell the project of this instance', {
      failure: 'other',
      code: 'NoProject',
      call: 'compute.instances.list',
    });
  }

  async #plan(
    question: CloudQuestion & { readonly leaving?: boolean },
    scene: Scene,
  ): Promise<RoutePlan | undefined> {
    const { network } = scene.own.nic;
    const found = await permitted(
      this.#client.list(
        {
          path: `projects/${projectOf(network)}/global/routes`,
          call: 'compute.routes.list',
          permission: 'compute.routes.list',
          signal: question.signal,
        },
        (page) => listField(page, 'items'),
      ),
    );
    if (found === undefined) return undefined;
    return planRoutes({
      cluster: question.cluster,
      self: question.self,
      nodes: scene.nodes,
      routes: networkRoutes(
        found.flatMap((item) => readRoute(item) ?? []),
        network,
      ),
      routed: question.routed,
      leaving: question.leaving === true,
      limit: question.routeLimit,
      instances: scene.instances,
    });
  }

  async #rules({ signal }: CloudQuestion, scene: Scene): Promise<NetworkRules> {
    const { network } = scene.own.nic;
    const list = 'compute.firewalls.list' as const;
    const effective = 'compute.networks.getEffectiveFirewalls' as const;
    const [own, policies] = await Promise.all([
      permitted(
        this.#client.list(
          {
            path: `projects/${projectOf(network)}/global/firewalls`,
            call: list,
            permission: list,
            signal,
          },
          (page) => listField(page, 'items'),
        ),
      ),
      permitted(
        this.#client.send({
          path: `${network}/getEffectiveFirewalls`,
          // The network's own rules are in it as well, and not in pages.
          query: { fields: 'firewallPolicys' },
          call: effective,
          permission: effective,
          signal,
        }),
      ),
    ]);
    return {
      network,
      own: own
        ?.flatMap((item) => readFirewall(item) ?? [])
        .filter((rule) => rule.network === network && !rule.disabled),
      policies: policies === undefined ? undefined : readPolicies(policies, network),
    };
  }

  #changes(
    question: CloudQuestion,
    scene: Scene,
    plan: RoutePlan | undefined,
  ): CloudReading['changes'] {
    const context = { client: this.#client, self: question.self, own: scene.own };
    return [
      ...(question.routed && scene.own.instance.canIpForward === false
        ? [allowForwarding(context)]
        : []),
      ...(plan?.inserts ?? []).map((insert) => insertRoute(context, insert)),
      ...(plan?.deletes ?? []).map((route) => deleteRoute(context, route)),
    ];
  }
}

const instanceFields =
  'id,name,zone,selfLink,canIpForward,tags/items,serviceAccounts/email,' +
  'networkInterfaces(name,network,networkIP,ipv6Address,aliasIpRanges/ipCidrRange)';

/** Undefined where the credentials do not permit to read it; the rest is still worth reading. */
async function permitted<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CloudError && error.failure === 'denied') return undefined;
    throw error;
  }
}

function switchesOf(entry: GceNode, plan: RoutePlan | undefined): ObservedNode['switches'] {
  const { canIpForward } = entry.instance;
  return {
    ...(canIpForward === undefined
      ? {}
      : { ipForwarding: canIpForward ? ('enabled' as const) : ('disabled' as const) }),
    ...(plan === undefined
      ? {}
      : { fabricRoutes: plan.present.has(entry.node.name) ? 'present' : 'absent' }),
  };
}

function waitsOf(entry: GceNode, plan: RoutePlan | undefined): ObservedNode['waits'] {
  const waits: Partial<Record<SwitchName, string>> = {};
  if (entry.instance.canIpForward === false)
    waits.ipForwarding = `canIpForward of instance ${entry.instance.name} is off`;
  const route = plan?.present.has(entry.node.name) === false && plan.waits.get(entry.node.name);
  if (typeof route === 'string') waits.fabricRoutes = route;
  return waits;
}

function unreadForwarding({ instance }: GceNode): readonly string[] {
  if (instance.canIpForward !== undefined) return [];
  return [
    `GCE does not say whether instance ${instance.name} may forward packets; to be sure: ${forwardingCommand(instance)}`,
  ];
}
