/**
 * From what the kernel has to what it should have: a pure function to an ordered list of changes.
 *
 * Order: devices and their sysctls (without IPv6 no IPv6 address), addresses, forwarding and
 * neighbour entries, the host's sysctls, then routes by replace, then devices whose MTU only shrinks
 * (routes must not promise what their device has lost); deletions last, in reverse. One deletion
 * comes earlier, see `handedOver`. A route key that somebody else holds is left alone and reported,
 * since a replace would take it over.
 */
import type { KernelObject, KernelState, Op, RouteObject } from '../tunnel/kernel.js';
import type { KernelDetails } from '../tunnel/kernel-details.js';
import { objectKey } from '../tunnel/kernel.js';
import { needsRecreate } from '../tunnel/link-kinds/index.js';
import type { DesiredObject } from './desired.js';
import { differences } from './equal.js';
import {
  deviceOf,
  isKernelMadeAddress,
  isOwnDeviceName,
  isOwnLink,
  isOwnRoute,
  ownState,
} from './ownership.js';

export type Change =
  | {
      readonly kind: 'create';
      readonly key: string;
      readonly desired: DesiredObject;
      /** Only where the key is free: nobody has looked. */
      readonly exclusive?: true;
    }
  | {
      readonly kind: 'update';
      readonly key: string;
      readonly desired: DesiredObject;
      readonly actual: KernelObject;
      /** Attributes that differ. */
      readonly attributes: readonly string[];
      /** The kernel fixes one of them at creation: the device is deleted and made again. */
      readonly recreate: boolean;
    }
  | { readonly kind: 'delete'; readonly key: string; readonly actual: DesiredObject };

/** A key of ours that another owner holds. */
export interface ForeignObject {
  readonly key: string;
  readonly desired: DesiredObject;
  readonly actual: KernelObject;
}

export interface Diff {
  readonly changes: readonly Change[];
  readonly foreign: readonly ForeignObject[];
}

export interface ActualState {
  readonly kernel: KernelState;
  /** Values of the sysctls that are desired; a missing path does not exist. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** Read at the same moment; absent where nobody needs them, or they are asked for later. */
  readonly details?: KernelDetails;
}

const stages = ['link', 'ours', 'address', 'fdb', 'neighbour', 'sysctl', 'route'] as const;

function stageOf(object: DesiredObject): (typeof stages)[number] {
  return object.type === 'sysctl' && isOwnDeviceName(deviceOf(object) ?? '') ? 'ours' : object.type;
}

export function diff(desired: ReadonlyMap<string, DesiredObject>, actual: ActualState): Diff {
  const own = new Map<string, DesiredObject>();
  const owned = ownState(actual.kernel);
  /** Keys that more than one object has: IPv4 routes that differ in their next hop only. */
  const doubled = new Set<string>();
  for (const list of [owned.links, owned.addresses, owned.fdb, owned.neighbours, owned.routes])
    for (const object of list) {
      const key = objectKey(object);
      if (own.has(key)) doubled.add(key);
      own.set(key, object as DesiredObject);
    }
  const others = foreignKeys(actual.kernel);
  const foreign: ForeignObject[] = [];
  const writes: Change[] = [];
  const recreated = new Set<string>();
  const grown = new Map<string, Growth>();

  for (const object of inOrder(desired.values())) {
    const key = objectKey(object);
    const other = others.get(key);
    if (other !== undefined) {
      foreign.push({ key, desired: object, actual: other });
      continue;
    }
    const found = current(object, { own, actual, recreated, grown });
    const change =
      found !== undefined && doubled.has(key)
        ? withoutDouble(object, found)
        : changeFor(object, found);
    if (change === undefined) continue;
    if (change.kind === 'update' && change.recreate && object.type === 'link')
      recreated.add(object.name);
    const growth = growthOf(change);
    if (growth !== undefined) grown.set(growth.device, growth);
    writes.push(change);
  }
  const stale = [...own.entries()].filter(
    ([key, object]) =>
      !desired.has(key) && !isKernelMadeAddress(object) && !recreated.has(deviceOf(object) ?? ''),
  );
  const deletions = inOrder(stale.map(([, object]) => object))
    .reverse()
    .map((object): Change => ({ kind: 'delete', key: objectKey(object), actual: object }));
  const changes = [
    ...writes.filter((change) => !isShrink(change)),
    ...writes.filter(isShrink),
    ...deletions,
  ];
  const { addresses, routes } = handedOver(changes);
  if (addresses.size === 0) return { changes, foreign };
  const rest = changes.filter((change) => !addresses.has(change) && !routes.has(change));
  const last = rest.findIndex((change) => isShrink(change) || change.kind === 'delete');
  const before = last === -1 ? rest : rest.slice(0, last);
  return {
    changes: [...before, ...addresses, ...routes, ...(last === -1 ? [] : rest.slice(last))],
    foreign,
  };
}

/**
 * Addresses of this node's that are a peer's from now on, as when two nodes exchange their
 * prefixes: no route can have one as its gateway while it is here, so they go before these routes
 * are written, and after the others have been given another preferred source.
 */
export function handedOver(changes: readonly Change[]): {
  readonly addresses: ReadonlySet<Change>;
  readonly routes: ReadonlySet<Change>;
} {
  const leaving = new Map<string, Change[]>();
  for (const change of changes) {
    if (change.kind !== 'delete' || change.actual.type !== 'address') continue;
    const { text } = change.actual.address.address;
    leaving.set(text, [...(leaving.get(text) ?? []), change]);
  }
  const addresses = new Set<Change>();
  const routes = new Set<Change>();
  if (leaving.size === 0) return { addresses, routes };
  for (const change of changes) {
    if (change.kind === 'delete' || change.desired.type !== 'route') continue;
    const { target } = change.desired;
    const gateway = target.kind === 'unicast' ? target.gateway?.text : undefined;
    const gone = gateway === undefined ? undefined : leaving.get(gateway);
    if (gone === undefined) continue;
    routes.add(change);
    for (const address of gone) addresses.add(address);
  }
  return { addresses, routes };
}

/** A device's MTU gets smaller and nothing else of it changes. */
export function isShrink(change: Change): boolean {
  return (
    change.kind === 'update' &&
    !change.recreate &&
    change.attributes.join() === 'mtu' &&
    change.desired.type === 'link' &&
    change.actual.type === 'link' &&
    change.desired.mtu < change.actual.mtu
  );
}

/** A device's MTU before and after it grew. */
interface Growth {
  readonly device: string;
  readonly from: number;
  readonly to: number;
}

function growthOf(change: Change): Growth | undefined {
  if (change.kind !== 'update' || change.recreate) return undefined;
  const { desired, actual } = change;
  if (desired.type !== 'link' || actual.type !== 'link' || desired.mtu <= actual.mtu)
    return undefined;
  return { device: desired.name, from: actual.mtu, to: desired.mtu };
}

/** The kernel operations of a change list, in its order. */
export function opsOf(changes: readonly Change[]): readonly Op[] {
  return changes.flatMap((change): Op[] => {
    switch (change.kind) {
      case 'create':
        return [
          change.exclusive === true
            ? { verb: 'set', object: change.desired, exclusive: true }
            : { verb: 'set', object: change.desired },
        ];
      case 'update':
        return change.recreate
          ? [
              { verb: 'delete', object: change.actual as DesiredObject },
              { verb: 'set', object: change.desired },
            ]
          : [{ verb: 'set', object: change.desired }];
      case 'delete':
        return [{ verb: 'delete', object: change.actual }];
    }
  });
}

interface Current {
  readonly own: ReadonlyMap<string, DesiredObject>;
  readonly actual: ActualState;
  readonly recreated: ReadonlySet<string>;
  readonly grown: ReadonlyMap<string, Growth>;
}

/** The object that stands at this key now; gone when its device is about to be made again. */
function current(object: DesiredObject, state: Current): KernelObject | undefined {
  if (object.type !== 'link' && state.recreated.has(deviceOf(object) ?? '')) return undefined;
  if (object.type === 'sysctl') {
    const value = state.actual.sysctls.get(object.path);
    return value === undefined ? undefined : { ...object, value };
  }
  const found = state.own.get(objectKey(object));
  const device = found === undefined ? undefined : deviceOf(found);
  if (device !== undefined && state.recreated.has(device)) return undefined;
  return found?.type === 'route' ? afterGrowth(found, state.grown) : found;
}

/**
 * The kernel raises an IPv6 route's MTU with its device's where the two were the same
 * (rt6_mtu_change_route of net/ipv6/route.c): a route that should stay has to be written again.
 */
function afterGrowth(route: RouteObject, grown: ReadonlyMap<string, Growth>): RouteObject {
  const { target } = route;
  if (route.prefix.family === 4 || target.kind !== 'unicast') return route;
  const growth = grown.get(target.device);
  if (growth === undefined || target.mtu !== growth.from) return route;
  return { ...route, target: { ...target, mtu: growth.to } };
}

/**
 * A replace changes the first of several and leaves the others, so the first is deleted and what is
 * then the first replaced, in one batch; the next pass sees whether there were more than two.
 */
function withoutDouble(desired: DesiredObject, actual: KernelObject): Change {
  const key = objectKey(desired);
  return { kind: 'update', key, desired, actual, attributes: ['doubled'], recreate: true };
}

function changeFor(desired: DesiredObject, actual: KernelObject | undefined): Change | undefined {
  const key = objectKey(desired);
  if (actual === undefined) return { kind: 'create', key, desired };
  const attributes = differences(actual, desired);
  if (attributes.length === 0) return undefined;
  const recreate =
    desired.type === 'link' &&
    actual.type === 'link' &&
    actual.kind !== 'other' &&
    needsRecreate(actual, desired).length > 0;
  return { kind: 'update', key, desired, actual, attributes, recreate };
}

/** Keys that others hold: routes of other protocols, and devices of another kind under our names. */
function foreignKeys(state: KernelState): ReadonlyMap<string, KernelObject> {
  const keys = new Map<string, KernelObject>();
  for (const route of state.routes) if (!isOwnRoute(route)) keys.set(objectKey(route), route);
  for (const link of state.links) if (!isOwnLink(link)) keys.set(objectKey(link), link);
  return keys;
}

export function inOrder(objects: Iterable<DesiredObject>): DesiredObject[] {
  const groups = new Map<string, DesiredObject[]>(stages.map((stage) => [stage, []]));
  for (const object of objects) groups.get(stageOf(object))!.push(object);
  return stages.flatMap((stage) => groups.get(stage)!);
}
