/**
 * From what the kernel has to what it should have: a pure function to an ordered list of changes.
 *
 * Order: devices, addresses, forwarding and neighbour entries, sysctls, then routes by replace;
 * deletions last, in reverse. A route key that somebody else holds is left alone and reported,
 * since a replace would take it over.
 */
import type { KernelObject, KernelState, Op, RouteObject } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import { needsRecreate } from '../tunnel/link-kinds/index.js';
import type { DesiredObject } from './desired.js';
import { differences } from './equal.js';
import { isOwnLink, isOwnRoute, ownState } from './ownership.js';

export type Change =
  | { readonly kind: 'create'; readonly key: string; readonly desired: DesiredObject }
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
}

const typeOrder = ['link', 'address', 'fdb', 'neighbour', 'sysctl', 'route'] as const;

export function diff(desired: ReadonlyMap<string, DesiredObject>, actual: ActualState): Diff {
  const own = new Map<string, DesiredObject>();
  const owned = ownState(actual.kernel);
  for (const list of [owned.links, owned.addresses, owned.fdb, owned.neighbours, owned.routes])
    for (const object of list) own.set(objectKey(object), object as DesiredObject);
  const others = foreignKeys(actual.kernel);
  const foreign: ForeignObject[] = [];
  const writes: Change[] = [];
  const recreated = new Set<string>();

  for (const object of inTypeOrder(desired.values())) {
    const key = objectKey(object);
    const other = others.get(key);
    if (other !== undefined) {
      foreign.push({ key, desired: object, actual: other });
      continue;
    }
    const change = changeFor(object, current(object, { own, actual, recreated }));
    if (change === undefined) continue;
    if (change.kind === 'update' && change.recreate && object.type === 'link')
      recreated.add(object.name);
    writes.push(change);
  }
  const stale = [...own.entries()].filter(
    ([key, object]) => !desired.has(key) && !recreated.has(deviceOf(object) ?? ''),
  );
  const deletions = inTypeOrder(stale.map(([, object]) => object)).reverse();
  return {
    changes: [
      ...writes,
      ...deletions.map((object): Change => ({
        kind: 'delete',
        key: objectKey(object),
        actual: object,
      })),
    ],
    foreign,
  };
}

/** The kernel operations of a change list, in its order. */
export function opsOf(changes: readonly Change[]): readonly Op[] {
  return changes.flatMap((change): Op[] => {
    switch (change.kind) {
      case 'create':
        return [{ verb: 'set', object: change.desired }];
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
  return device !== undefined && state.recreated.has(device) ? undefined : found;
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

function deviceOf(object: DesiredObject): string | undefined {
  switch (object.type) {
    case 'link':
      return undefined;
    case 'address':
    case 'neighbour':
    case 'fdb':
      return object.device;
    case 'route':
      return routeDevice(object);
    case 'sysctl':
      return /^net\/ipv[46]\/conf\/([^/]+)\//.exec(object.path)?.[1];
  }
}

function routeDevice(route: RouteObject): string | undefined {
  return route.target.kind === 'unicast' ? route.target.device : undefined;
}

function inTypeOrder(objects: Iterable<DesiredObject>): DesiredObject[] {
  const groups = new Map<string, DesiredObject[]>(typeOrder.map((type) => [type, []]));
  for (const object of objects) groups.get(object.type)!.push(object);
  return typeOrder.flatMap((type) => groups.get(type)!);
}
