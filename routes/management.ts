/**
 * Would a change cut the way by which this node is managed? Asked of the routes and the guard as
 * they would be, for the few addresses that an operator hangs on: the other end of the SSH session,
 * the default gateways, the name servers.
 *
 * Only what the change itself does counts: an address that our routes carry already (an operator
 * who comes in through the overlay) is cut by a route that refuses, not by one that forwards.
 */
import type { Address } from '../encap/address.js';
import { prefixContains } from '../encap/prefix.js';
import { formatObject } from '../tunnel/format.js';
import type { GuardSpec } from '../tunnel/guard/guard.js';
import type { KernelState, RouteObject } from '../tunnel/kernel.js';
import type { DesiredObject } from './desired.js';
import { isOwnRoute, mainTable, metrics } from './ownership.js';

export interface ManagementAddress {
  readonly address: Address;
  readonly role: 'ssh-client' | 'default-gateway' | 'name-server';
  /** Where it is from, e.g. `/etc/resolv.conf`. */
  readonly source: string;
}

export interface ManagementCut {
  readonly address: string;
  readonly role: ManagementAddress['role'];
  readonly by: 'route' | 'guard';
  /** One line: who, what, and how it is now. */
  readonly message: string;
}

export interface ManagementQuestion {
  readonly addresses: readonly ManagementAddress[];
  readonly actual: KernelState;
  readonly desired: ReadonlyMap<string, DesiredObject>;
  readonly guard: GuardSpec;
}

export function managementCuts(question: ManagementQuestion): readonly ManagementCut[] {
  const { actual, desired } = question;
  const present = actual.routes.filter((route) => route.table === mainTable);
  const others = present.filter((route) => !isOwnRoute(route));
  const future = [
    ...others,
    ...[...desired.values()].filter((object): object is RouteObject => object.type === 'route'),
  ];
  const local = new Set(actual.addresses.map((entry) => entry.address.address.text));
  return question.addresses.flatMap((entry): ManagementCut[] => {
    if (local.has(entry.address.text)) return [];
    const before = winner(present, entry.address);
    const after = winner(future, entry.address);
    const line = (by: ManagementCut['by'], what: string): ManagementCut => ({
      address: entry.address.text,
      role: entry.role,
      by,
      message: `${roleText[entry.role]} ${entry.address.text} (${entry.source}) ${what}; now: ${before === undefined ? 'no route' : formatObject(before)}`,
    });
    const cut = routeCut(before, after);
    if (cut !== undefined) return [line('route', cut)];
    if (entry.role === 'default-gateway') return [];
    const pool = guardCut(question, entry.address, { before, after });
    return pool === undefined
      ? []
      : [line('guard', `would be dropped by the guard, being inside the overlay pool ${pool}`)];
  });
}

const roleText: Readonly<Record<ManagementAddress['role'], string>> = {
  'ssh-client': 'your SSH client',
  'default-gateway': 'the default gateway',
  'name-server': 'the name server',
};

function routeCut(
  before: RouteObject | undefined,
  after: RouteObject | undefined,
): string | undefined {
  const ours = before !== undefined && isOwnRoute(before);
  if (after === undefined)
    return before?.target.kind === 'unicast' ? 'would have no route any more' : undefined;
  if (!isOwnRoute(after)) return undefined;
  if (after.target.kind === 'unicast')
    return ours ? undefined : `would be sent into the overlay by ${formatObject(after)}`;
  // Refused already: the change takes nothing away.
  if (ours && before.target.kind !== 'unicast') return undefined;
  return `would be refused by ${formatObject(after)}`;
}

/** The pool that makes the guard drop what comes from there; undefined when it does not, or did. */
function guardCut(
  question: ManagementQuestion,
  address: Address,
  routes: { readonly before: RouteObject | undefined; readonly after: RouteObject | undefined },
): string | undefined {
  const { guard, actual } = question;
  const { after } = routes;
  // Through the overlay it comes in as the peer's own, which is what the guard is there for.
  if (after === undefined || isOwnRoute(after) || after.target.kind !== 'unicast') return undefined;
  const pool = guard.pools.find((prefix) => prefixContains(prefix, address));
  if (pool === undefined) return undefined;
  const native = guard.nics.includes(after.target.device)
    ? guard.peers.flatMap((peer) => peer.nativeSources)
    : guard.ownPrefixes;
  if (native.some((prefix) => prefixContains(prefix, address))) return undefined;
  const already = actual.routes.some(
    (route) =>
      isOwnRoute(route) && route.metric >= metrics.pool && prefixContains(route.prefix, address),
  );
  return already ? undefined : pool.text;
}

/** As the kernel chooses: the longest prefix, then the smallest metric. */
function winner(routes: readonly RouteObject[], address: Address): RouteObject | undefined {
  let best: RouteObject | undefined;
  for (const route of routes) {
    if (!prefixContains(route.prefix, address)) continue;
    const better =
      best === undefined ||
      route.prefix.length > best.prefix.length ||
      (route.prefix.length === best.prefix.length && route.metric < best.metric);
    if (better) best = route;
  }
  return best;
}
