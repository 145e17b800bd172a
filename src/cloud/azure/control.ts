/**
 * Azure's control plane, by Resource Manager over plain HTTP.
 *
 * A node's bare packet leaves its NIC only if the NIC's IP forwarding is on, finds its way by the
 * route table of the subnet that it leaves, and passes the security groups of subnet and NIC at both
 * ends. IP-in-IP never passes, whatever a security group says: no reading here ever allows it.
 */
import type { FirewallVerdicts, ObservedNode, SwitchName } from '../../../encap/observed.js';
import type { Firewall } from '../admission.js';
import { type AdmitsMemo, admitsByZone } from '../admits-by-zone.js';
import type {
  AppliedFirewall,
  CloudControl,
  CloudQuestion,
  CloudReading,
  FirewallReading,
} from '../control.js';
import type { MachineFacts } from '../machine.js';
import { changeRoute, enableForwarding } from './changes.js';
import { ResourceManager, type ResourceManagerOptions } from './client.js';
import { groupMembers, openFirewall, securityGroupFirewall } from './firewall.js';
import type { AzureNode } from './nodes.js';
import { type RoutePlan, planRoutes } from './routes.js';
import { type Scene, lookAround } from './scene.js';
import { serviceTags } from './service-tags.js';
import { key, lastPart, resourceGroupOf } from './wire.js';

export function openResourceManager(
  machine: MachineFacts,
  env: NodeJS.ProcessEnv,
  options: ResourceManagerOptions = {},
): Promise<CloudControl> {
  return Promise.resolve().then(() => new Azure(machine, new ResourceManager(env, options)));
}

class Azure implements CloudControl {
  readonly provider = 'azure';
  readonly #machine: MachineFacts;
  readonly #client: ResourceManager;

  constructor(machine: MachineFacts, client: ResourceManager) {
    this.#machine = machine;
    this.#client = client;
  }

  async read(question: CloudQuestion): Promise<CloudReading> {
    const scene = await this.#scene(question);
    const plan = planOf(question, scene);
    const firewalls = firewallReading(question, scene);
    const memo: AdmitsMemo = new Map();
    const observed = new Map<string, ObservedNode>();
    for (const [name, entry] of scene.nodes)
      observed.set(name, {
        switches: {
          ...(entry.nic.ipForwarding === undefined
            ? {}
            : { ipForwarding: entry.nic.ipForwarding ? 'enabled' : 'disabled' }),
          ...(plan.unknown.has(name)
            ? {}
            : { fabricRoutes: plan.present.has(name) ? 'present' : 'absent' }),
        },
        admits: neverInIp(
          admitsByZone({ cluster: question.cluster, node: entry.node, firewalls }, memo),
        ),
        source: `Azure API, NIC ${entry.nic.name}`,
        waits: waitsOf(entry, plan),
      });
    return {
      observed,
      changes: this.#changes(question, scene, plan),
      problems: [...scene.problems, ...plan.problems, ...firewalls.problems],
      notes: plan.notes,
    };
  }

  async leave(question: CloudQuestion): Promise<CloudReading['changes']> {
    const scene = await this.#scene(question);
    return planOf({ ...question, routed: false, leaving: true }, scene)
      .changes.filter(({ to }) => to === undefined)
      .map((change) => changeRoute(this.#client, change));
  }

  async firewalls(question: CloudQuestion): Promise<FirewallReading> {
    const scene = await this.#scene(question);
    const reading = firewallReading(question, scene);
    return { ...reading, problems: [...scene.problems, ...reading.problems] };
  }

  close(): void {
    // Connections are the process's own pool; nothing is held here.
  }

  #scene(question: CloudQuestion): Promise<Scene> {
    return lookAround(question, { client: this.#client, machine: this.#machine });
  }

  #changes(question: CloudQuestion, scene: Scene, plan: RoutePlan): CloudReading['changes'] {
    const { nic } = scene.own;
    return [
      ...(question.routed && nic.ipForwarding !== true
        ? [enableForwarding(this.#client, nic)]
        : []),
      ...plan.changes.map((change) => changeRoute(this.#client, change)),
    ];
  }
}

function planOf(question: CloudQuestion & { readonly leaving?: boolean }, scene: Scene): RoutePlan {
  return planRoutes({
    cluster: question.cluster,
    self: question.self,
    nodes: scene.nodes,
    networks: scene.networks,
    tables: scene.tables,
    routed: question.routed,
    leaving: question.leaving === true,
    limit: question.routeLimit,
  });
}

function waitsOf({ node, nic }: AzureNode, plan: RoutePlan): ObservedNode['waits'] {
  const waits: Partial<Record<SwitchName, string>> = {};
  if (nic.ipForwarding === false) waits.ipForwarding = `IP forwarding of NIC ${nic.name} is off`;
  const route = plan.waits.get(node.name);
  if (route !== undefined) waits.fabricRoutes = route;
  return waits;
}

/** A security group may well admit protocol 4; Azure drops it all the same. */
function neverInIp(admits: ObservedNode['admits']): ObservedNode['admits'] {
  return Object.fromEntries(
    Object.entries(admits).map(([zone, { vxlan, native }]) => {
      const verdicts: FirewallVerdicts = {
        ipip: 'blocked',
        ipv6InIpv4: 'blocked',
        ...(vxlan === undefined ? {} : { vxlan }),
        ...(native === undefined ? {} : { native }),
      };
      return [zone, verdicts];
    }),
  );
}

/** Nodes behind the same groups, in a network and under a route table alike, share their firewalls. */
function firewallReading(question: CloudQuestion, scene: Scene): FirewallReading {
  const members = groupMembers(scene.nics);
  const shared = new Map<string, Firewall>();
  const problems = new Set<string>();
  const firewalls: AppliedFirewall[] = [];
  for (const [node, entry] of scene.nodes) {
    const network = scene.networks.get(key(entry.network));
    const subnet = network?.subnets.find(({ id }) => key(id) === key(entry.subnet));
    // What stands before the NIC is not known: then neither is what comes through.
    if (network === undefined || subnet === undefined) continue;
    const table = scene.tables.get(key(subnet.routeTable));
    const places = [
      { id: subnet.securityGroup, of: `subnet ${lastPart(subnet.id)}` },
      { id: entry.nic.securityGroup, of: `NIC ${entry.nic.name}` },
    ].filter(({ id }) => id !== undefined);
    const known = places.flatMap(({ id, of }): AppliedFirewall[] => {
      const group = scene.groups.get(key(id));
      if (group === undefined) return [];
      const name = [group.id, network.id, table?.id].map(key).join(' ');
      let firewall = shared.get(name);
      if (firewall === undefined) {
        const tags = serviceTags(question.cluster, network, table);
        const read = securityGroupFirewall(group, { tags, members });
        for (const problem of read.problems) problems.add(problem);
        shared.set(name, (firewall = read.firewall));
      }
      const path = `${resourceGroupOf(group.id)}/${lastPart(group.id)}`;
      const text = `network security group ${lastPart(group.id)} of ${of}`;
      return [{ node, id: path, text, firewall }];
    });
    if (known.length < places.length) continue;
    firewalls.push(
      ...(known.length > 0
        ? known
        : [{ node, id: 'none', text: 'no network security group', firewall: openFirewall }]),
    );
  }
  return {
    firewalls,
    groups: new Map([...scene.nodes.keys()].map((name) => [name, []])),
    problems: [...problems],
  };
}
