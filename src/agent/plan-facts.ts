/** What a plan depends on besides the cluster. */
import { parseAddress } from '../../encap/address.js';
import type { Accepts, LocalFacts, UnderlayRoute } from '../../encap/cluster.js';
import { stepOf } from '../../encap/trail.js';
import type { ChangeoverClock } from '../../routes/changeover.js';
import type { DesiredObject } from '../../routes/desired.js';
import { isOwnDeviceName, isOwnLink } from '../../routes/ownership.js';
import type { Rib } from '../../routes/rib.js';
import type { Kernel, KernelState, OwnLink } from '../../tunnel/kernel.js';

export interface PlanInput {
  readonly state: KernelState;
  readonly routes: ReadonlyMap<string, UnderlayRoute>;
  readonly clock: ChangeoverClock;
  /** Of devices that the kernel makes. */
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  /** What the others have been told that this kernel lacks. */
  readonly told: Accepts;
}

/** As text: equal texts, equal plans. */
export function factsKey(
  local: LocalFacts,
  routes: ReadonlyMap<string, UnderlayRoute>,
  host: string,
): string {
  const ways = [...routes].map(([to, route]) => `${to} ${route.device} ${route.gateway?.text}`);
  const { policy, peers } = local.probes ?? {};
  return JSON.stringify([local.nics, ways, host, policy, peers && [...peers]]);
}

/** Underlay addresses of the owners that the fabric's routers are to reach. */
export function routedOwners(rib: Rib): Set<string> {
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

/** The kernel's own ways to these addresses. */
export async function lookUp(
  kernel: Kernel,
  addresses: ReadonlySet<string>,
): Promise<ReadonlyMap<string, UnderlayRoute>> {
  const routes = new Map<string, UnderlayRoute>();
  for (const text of addresses) {
    const found = await kernel.lookup(parseAddress(text));
    if (found?.kind === 'unicast')
      routes.set(text, { device: found.device, gateway: found.gateway });
  }
  return routes;
}

/** A device of ours or what makes it one: packets of peers cannot arrive without. */
export function isOwnDevice(object: DesiredObject | undefined): boolean {
  return (
    (object?.type === 'link' && isOwnLink(object)) ||
    (object?.type === 'address' && isOwnDeviceName(object.device))
  );
}
