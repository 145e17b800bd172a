/**
 * Keeps peers on the way they are on while the new way asks for a carriage that they may not be
 * ready to receive yet. The way they are on is the kernel's: its route and what that needs.
 */
import type { Carriage, CarriageKey } from '../encap/mode.js';
import { carriageKey } from '../encap/mode.js';
import type { KernelState, RouteObject } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import type { DesiredObject, DesiredState } from './desired.js';
import { isOwnRoute, pathRouteKey } from './ownership.js';
import type { Rib } from './rib.js';

export interface HoldQuestion {
  readonly rib: Rib;
  readonly state: KernelState;
  /** May packets of this carriage be sent already? */
  readonly mayBeSent: (key: CarriageKey) => boolean;
}

export interface Held {
  readonly desired: DesiredState;
  readonly kept: readonly KeptWay[];
}

/** An overlay prefix that stays on its way for now. */
export interface KeptWay {
  readonly route: RouteObject;
  readonly peer: string;
  /** What it waits for. */
  readonly next: Carriage;
}

export function holdBack(desired: DesiredState, question: HoldQuestion): Held {
  const waiting = waitingRoutes(desired, question);
  if (waiting.length === 0) return { desired, kept: [] };
  const objects = new Map(desired.objects);
  const peers = new Map(desired.peers);
  const keep = (object: DesiredObject, peer: string): void => {
    objects.set(objectKey(object), object);
    peers.set(objectKey(object), peer);
  };
  const entries = new PeerEntries(question.state);
  for (const { route, peer } of waiting) {
    keep(route, peer);
    for (const entry of entries.of(route)) keep(entry, peer);
  }
  return {
    desired: { ...desired, objects, peers },
    kept: waiting,
  };
}

/** Present routes that lead somewhere and whose successors have to wait. */
function waitingRoutes(
  desired: DesiredState,
  { rib, state, mayBeSent }: HoldQuestion,
): readonly KeptWay[] {
  const candidates = new Map<string, Omit<KeptWay, 'route'>>();
  for (const decision of rib.decisions.values()) {
    const { verdict, owner, prefix } = decision;
    if (verdict.kind === 'forward' && !mayBeSent(carriageKey(verdict.carriage)))
      candidates.set(pathRouteKey(prefix), { peer: owner!, next: verdict.carriage });
  }
  if (candidates.size === 0) return [];
  const sources = sourcesOf(desired);
  return state.routes.flatMap((route) => {
    const candidate = candidates.get(objectKey(route));
    const { target } = route;
    if (candidate === undefined || !isOwnRoute(route) || target.kind !== 'unicast') return [];
    const next = desired.objects.get(objectKey(route));
    const same =
      next?.type === 'route' &&
      next.target.kind === 'unicast' &&
      next.target.device === target.device;
    return same || !stillStands(target, sources) ? [] : [{ route, ...candidate }];
  });
}

/** Will what the route needs of ours be there? A device of others' and its state are their business. */
function stillStands(
  { preferredSource }: Extract<RouteObject['target'], { readonly kind: 'unicast' }>,
  sources: ReadonlySet<string>,
): boolean {
  return preferredSource === undefined || sources.has(preferredSource.text);
}

/** Addresses that routes can prefer. */
function sourcesOf({ objects }: DesiredState): ReadonlySet<string> {
  const found = new Set<string>();
  for (const object of objects.values())
    if (object.type === 'address') found.add(object.address.address.text);
  return found;
}

/** The neighbour and FDB entries behind a route's next hop. */
class PeerEntries {
  readonly #neighbours: ReadonlyMap<string, KernelState['neighbours'][number]>;
  readonly #fdb: ReadonlyMap<string, KernelState['fdb'][number]>;

  constructor(state: KernelState) {
    this.#neighbours = new Map(
      state.neighbours.map((entry) => [`${entry.device} ${entry.address.text}`, entry]),
    );
    this.#fdb = new Map(state.fdb.map((entry) => [`${entry.device} ${entry.mac}`, entry]));
  }

  of({ target }: RouteObject): readonly DesiredObject[] {
    if (target.kind !== 'unicast' || target.gateway === undefined) return [];
    const neighbour = this.#neighbours.get(`${target.device} ${target.gateway.text}`);
    if (neighbour === undefined) return [];
    const fdb = this.#fdb.get(`${target.device} ${neighbour.mac}`);
    return fdb === undefined ? [] : [neighbour, fdb];
  }
}
