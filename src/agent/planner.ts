/**
 * From the cluster and a kernel dump to a plan: facts, decisions, desired objects, the guard's and
 * the userspace planes' specifications. Keeps the last result and works again only when something
 * that it depends on has changed.
 */
import type { Cluster, LocalFacts, Snapshot, UnderlayRoute } from '../../encap/cluster.js';
import { parseAddress } from '../../encap/address.js';
import { stepOf } from '../../encap/trail.js';
import type { DesiredObject, DesiredState } from '../../routes/desired.js';
import { desiredState } from '../../routes/desired.js';
import { guardSpec, planeSpec } from '../../routes/peers.js';
import { Rib } from '../../routes/rib.js';
import type { GuardSpec } from '../../tunnel/guard/guard.js';
import type { Kernel, KernelState, OwnLink, SysctlObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';
import { assembleSnapshot, missingAddresses } from './assemble.js';
import { hostSysctls } from './host-sysctls.js';

export interface NodePlan {
  readonly snapshot: Snapshot & { readonly local: LocalFacts };
  readonly rib: Rib;
  readonly desired: DesiredState;
  /** `desired.objects` and the host's settings. */
  readonly objects: ReadonlyMap<string, DesiredObject>;
  readonly hostSysctls: readonly SysctlObject[];
  readonly guard: GuardSpec;
  readonly planes: readonly PlaneSpec[];
  readonly problems: readonly string[];
}

export class Planner {
  readonly #kernel: Kernel;
  readonly #node: string;
  #kinds: ReadonlySet<OwnLink['kind']> | undefined;
  #last: { readonly key: string; readonly cluster: Cluster; readonly plan: NodePlan } | undefined;
  /** Underlay addresses whose route the last decisions needed. */
  #routed = new Set<string>();

  constructor(kernel: Kernel, node: string) {
    this.#kernel = kernel;
    this.#node = node;
  }

  /** Another one for the same node, for questions that must not disturb what this one remembers. */
  fork(): Planner {
    const other = new Planner(this.#kernel, this.#node);
    other.#kinds = this.#kinds;
    return other;
  }

  async plan(cluster: Cluster, state: KernelState): Promise<NodePlan> {
    this.#kinds ??= await this.#kernel.probeKinds();
    const node = cluster.nodes.get(this.#node);
    if (node === undefined) throw new UnknownNodeError(this.#node, cluster);
    const routes = await this.#lookUp(this.#routed);
    const local = this.#facts(cluster, state, routes);
    const key = factsKey(local, routes, this.#hostKey(local));
    if (this.#last?.cluster === cluster && this.#last.key === key) return this.#last.plan;
    const plan = await this.#compute(cluster, { state, routes });
    this.#last = { key, cluster, plan };
    return plan;
  }

  async #compute(
    cluster: Cluster,
    facts: { readonly state: KernelState; readonly routes: ReadonlyMap<string, UnderlayRoute> },
  ): Promise<NodePlan> {
    const { state } = facts;
    const rib = new Rib(this.#node);
    let local = this.#facts(cluster, state, facts.routes);
    rib.build({ cluster, local });
    // A fabric that carries an overlay prefix is used by the kernel's own way to the owner; that
    // way is a fact, so it is looked up for the owners concerned and the decisions made again.
    const needed = routedOwners(rib);
    if ([...needed].some((address) => !facts.routes.has(address))) {
      local = this.#facts(cluster, state, await this.#lookUp(needed));
      rib.build({ cluster, local });
    }
    this.#routed = needed;
    const snapshot = { cluster, local };
    const desired = desiredState({ snapshot, rib, kinds: this.#kinds! });
    const host = hostSysctls(this.#kernel, local);
    const objects = new Map<string, DesiredObject>(desired.objects);
    for (const object of host) objects.set(objectKey(object), object);
    const question = { snapshot, rib };
    return {
      snapshot,
      rib,
      desired,
      objects,
      hostSysctls: host,
      guard: guardSpec(question, desired),
      planes: desired.userspace.map((carriage) => planeSpec(question, carriage)),
      problems: [
        ...missingAddresses(cluster.nodes.get(this.#node)!, state),
        ...desired.problems,
        ...desired.notices,
      ],
    };
  }

  #facts(
    cluster: Cluster,
    kernel: KernelState,
    underlayRoutes: ReadonlyMap<string, UnderlayRoute>,
  ): LocalFacts {
    return assembleSnapshot({ cluster, node: this.#node, kernel, underlayRoutes }).local!;
  }

  async #lookUp(addresses: ReadonlySet<string>): Promise<ReadonlyMap<string, UnderlayRoute>> {
    const routes = new Map<string, UnderlayRoute>();
    for (const text of addresses) {
      const found = await this.#kernel.lookup(parseAddress(text));
      if (found?.kind === 'unicast')
        routes.set(text, { device: found.device, gateway: found.gateway });
    }
    return routes;
  }

  #hostKey(local: LocalFacts): string {
    return hostSysctls(this.#kernel, local)
      .map((object) => `${object.path}=${object.value}`)
      .join(' ');
  }
}

export class UnknownNodeError extends Error {
  constructor(node: string, cluster: Cluster) {
    const names = [...cluster.nodes.values()].map((entry) => entry.name);
    const shown = names.slice(0, 8).join(', ') + (names.length > 8 ? ', …' : '');
    super(`node "${node}" is not in the cluster file, which has ${shown}: name one with --node`);
  }
}

function routedOwners(rib: Rib): Set<string> {
  const addresses = new Set<string>();
  for (const decision of rib.decisions.values()) {
    const chosen = stepOf(decision, 'feasible')?.chosen;
    if (chosen?.carriage.mode !== 'native' || chosen.adjacent) continue;
    const ends = stepOf(decision, 'membership')?.ends;
    const remote = ends?.find((entry) => entry.family === chosen.carriage.outer)?.remote;
    if (remote !== undefined) addresses.add(remote.text);
  }
  return addresses;
}

function factsKey(
  local: LocalFacts,
  routes: ReadonlyMap<string, UnderlayRoute>,
  host: string,
): string {
  const ways = [...routes].map(([to, route]) => `${to} ${route.device} ${route.gateway?.text}`);
  return JSON.stringify([local.nics, ways, host]);
}
