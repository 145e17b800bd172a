/**
 * OpenStack's control plane: Neutron, with a token of Keystone.
 *
 * A node's bare packet leaves its port if port security lets the port send from the prefix; in one
 * network the switch delivers it, and between networks a router needs an extra route. Pairs of the
 * own port are changed; routers belong to many, so their routes are only told.
 */
import type { ObservedNode, SwitchName } from '../../../encap/observed.js';
import type { Firewall } from '../admission.js';
import { type AdmitsMemo, admitsByZone } from '../admits-by-zone.js';
import type {
  AppliedFirewall,
  CloudControl,
  CloudQuestion,
  CloudReading,
  FirewallReading,
} from '../control.js';
import { CloudError } from '../control.js';
import type { MachineFacts } from '../machine.js';
import { changePairs } from './changes.js';
import { NeutronClient } from './client.js';
import { openFirewall, securityGroups } from './firewall.js';
import type { KeystoneOptions } from './keystone.js';
import {
  type StackNode,
  checkOf,
  missingRoute,
  ownPort,
  pairPrefixes,
  planPairs,
  stackNodes,
  uncovered,
} from './ports.js';
import {
  type NeutronGroup,
  type NeutronPort,
  type NeutronRouter,
  readGroup,
  readPort,
  readRouter,
} from './wire.js';

export function openNeutron(
  machine: MachineFacts,
  env: NodeJS.ProcessEnv,
  options: KeystoneOptions = {},
): Promise<CloudControl> {
  return Promise.resolve(new Neutron(machine, new NeutronClient(env, options)));
}

interface Scene {
  readonly own: StackNode;
  readonly ports: readonly NeutronPort[];
  readonly nodes: ReadonlyMap<string, StackNode>;
}

type Firewalls = FirewallReading & { readonly notes: readonly string[] };

class Neutron implements CloudControl {
  readonly provider = 'openstack';
  readonly #machine: MachineFacts;
  readonly #client: NeutronClient;

  constructor(machine: MachineFacts, client: NeutronClient) {
    this.#machine = machine;
    this.#client = client;
  }

  async read(question: CloudQuestion): Promise<CloudReading> {
    const { cluster, signal } = question;
    const scene = await this.#scene(question);
    const [routers, groups] = await Promise.all([this.#routers(signal), this.#groups(signal)]);
    const firewalls = firewallsOf(scene, groups);
    const groupPrefixes = new Map(
      [...scene.nodes].map(([name, { port }]) => [name, pairPrefixes(port)]),
    );
    const memo: AdmitsMemo = new Map();
    const observed = new Map<string, ObservedNode>();
    for (const [name, entry] of scene.nodes) {
      const route = routers && missingRoute(entry, routersOf(entry, scene, routers));
      const check = checkOf(entry);
      observed.set(name, {
        switches: {
          ...(check === undefined ? {} : { sourceDestinationCheck: check }),
          ...(routers === undefined
            ? {}
            : { fabricRoutes: route === undefined ? 'present' : 'absent' }),
        },
        admits: admitsByZone({ cluster, node: entry.node, firewalls, groupPrefixes }, memo),
        source: `Neutron, port ${entry.port.id}`,
        waits: waitsOf(entry, route),
      });
    }
    const { own } = scene;
    return {
      observed,
      changes: this.#changes(own, { leaving: false }),
      problems: [
        ...(routers === undefined ? ['the routers cannot be read: policy denies get_router'] : []),
        ...firewalls.problems,
        ...(uncovered(own).length > 0 && own.port.pairs === undefined
          ? [
              `port ${own.port.id} has no allowed address pairs in this cloud: openstack port set --no-security-group --disable-port-security ${own.port.id}`,
            ]
          : []),
      ],
      notes: firewalls.notes,
    };
  }

  async leave(question: CloudQuestion): Promise<CloudReading['changes']> {
    const { own } = await this.#scene(question);
    return this.#changes(own, { leaving: true });
  }

  async firewalls(question: CloudQuestion): Promise<FirewallReading> {
    const scene = await this.#scene(question);
    const { firewalls, groups, problems, notes } = firewallsOf(
      scene,
      await this.#groups(question.signal),
    );
    return { firewalls, groups, problems: [...problems, ...notes] };
  }

  close(): void {
    // Connections are the process's own pool; nothing is held here.
  }

  #changes(own: StackNode, options: { readonly leaving: boolean }): CloudReading['changes'] {
    const plan = planPairs(own, options);
    return plan.add.length + plan.remove.length === 0 ? [] : [changePairs(this.#client, own, plan)];
  }

  async #scene({ cluster, self, signal }: CloudQuestion): Promise<Scene> {
    const items = await this.#client.list({ path: 'ports', call: 'get_port', signal }, 'ports');
    const ports = items.flatMap((item) => readPort(item) ?? []);
    const port = ownPort(self, ports, this.#machine);
    if (port === undefined)
      throw new CloudError(
        `Neutron shows no port of this machine with an address of node ${self.name} ` +
          `(${self.underlay.map(({ address }) => address.text).join(', ')}): correct the node's addresses, or the project of the application credential`,
        { failure: 'absent', code: 'NoPort', call: 'get_port' },
      );
    const own = { node: self, port };
    return { own, ports, nodes: stackNodes(cluster, ports, own) };
  }

  async #routers(signal: AbortSignal | undefined): Promise<readonly NeutronRouter[] | undefined> {
    const items = await permitted(
      this.#client.list({ path: 'routers', call: 'get_router', signal }, 'routers'),
    );
    return items?.flatMap((item) => readRouter(item) ?? []);
  }

  async #groups(
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, NeutronGroup> | undefined> {
    const items = await permitted(
      this.#client.list(
        { path: 'security-groups', call: 'get_security_group', signal },
        'security-groups',
      ),
    );
    const groups = items?.flatMap((item) => readGroup(item) ?? []);
    return groups && new Map(groups.map((group) => [group.id, group]));
  }
}

/** Undefined where the policy does not permit to read it; the rest is still worth reading. */
async function permitted<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CloudError && error.failure === 'denied') return undefined;
    throw error;
  }
}

/** Routers that have an interface in the node's network. */
function routersOf(
  { port }: StackNode,
  { ports }: Scene,
  routers: readonly NeutronRouter[],
): readonly NeutronRouter[] {
  const ids = new Set(
    ports
      .filter(
        ({ network, deviceOwner }) =>
          // Distributed and highly available routers have longer words.
          network === port.network &&
          /^network:(router_interface|ha_router_replicated)/.test(deviceOwner),
      )
      .map(({ device }) => device),
  );
  return routers.filter(({ id }) => ids.has(id));
}

function waitsOf(entry: StackNode, route: string | undefined): ObservedNode['waits'] {
  const waits: Partial<Record<SwitchName, string>> = {};
  const open = uncovered(entry);
  if (open.length > 0)
    waits.sourceDestinationCheck = `port ${entry.port.id} may not send from ${open.map(({ text }) => text).join(', ')}`;
  if (route !== undefined) waits.fabricRoutes = route;
  return waits;
}

/** Ports with the same groups share one firewall. */
function firewallsOf(
  scene: Scene,
  groups: ReadonlyMap<string, NeutronGroup> | undefined,
): Firewalls {
  const problems = new Set<string>();
  const notes = new Set<string>();
  const shared = new Map<string, Firewall>();
  const firewalls: AppliedFirewall[] = [];
  for (const [node, { port }] of scene.nodes) {
    if (port.portSecurity === false) {
      const text = `port ${port.id} has no port security, so no security group`;
      firewalls.push({ node, id: port.id, text, firewall: openFirewall });
      continue;
    }
    const ids = [...port.securityGroups].sort();
    const own = ids.flatMap((id) => groups?.get(id) ?? []);
    if (own.length < ids.length) {
      // A group that is not seen may allow anything.
      problems.add(`security groups of port ${port.id} cannot all be read: ${ids.join(', ')}`);
      continue;
    }
    let firewall = shared.get(ids.join());
    if (firewall === undefined) {
      const translated = securityGroups(own);
      for (const problem of translated.problems) problems.add(problem);
      for (const note of translated.notes) notes.add(note);
      shared.set(ids.join(), (firewall = translated.firewall));
    }
    const text = `security groups ${own.map(({ name }) => name).join(', ')} of port ${port.id}`;
    firewalls.push({ node, id: ids[0] ?? port.id, text, firewall });
  }
  return {
    firewalls,
    groups: new Map([...scene.nodes].map(([name, { port }]) => [name, port.securityGroups])),
    problems: [...problems],
    notes: [...notes],
  };
}
