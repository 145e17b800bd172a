/**
 * Desired against actual, for the kernel objects that one prefix needs: the route, and for a
 * tunnel its device with its addresses and sysctls, the neighbour entry and the FDB entry.
 */
import type { Address } from '../encap/address.js';
import { bestRoute } from '../tunnel/best-route.js';
import type { KernelObject } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import { commonObjects, desiredRoute, entryBehind } from './desired-index.js';
import type { DesiredObject, DesiredState } from './desired.js';
import type { ActualState } from './diff.js';
import { differences } from './equal.js';
import type { KernelObjectReport, KernelReport } from './explain-report.js';
import { isOwnDeviceName, isOwnLink, isOwnRoute, mainTable } from './ownership.js';
import { formatObject } from '../tunnel/format.js';
import type { Prefix } from '../encap/prefix.js';

export interface KernelInput {
  readonly desired: DesiredState;
  readonly actual: ActualState;
  /** The owner's prefix or the pool that decides. */
  readonly prefix: Prefix;
  readonly address: Address;
  readonly history?: ObjectHistory | undefined;
}

/** What is known of an object's last change, by its key and its text. */
export type ObjectHistory = (
  key: string,
  object: string,
) => { readonly at: string; readonly line: string } | undefined;

export function explainKernel(input: KernelInput): KernelReport {
  const standing = standingObjects(input.actual);
  const objects = objectsFor(input).map((object) =>
    withHistory(compareObject(object, standing), input.history),
  );
  const at = { address: input.address, table: mainTable };
  const winner = bestRoute(input.actual.kernel.routes, at);
  return {
    compared: true,
    reason: null,
    objects,
    effective:
      winner === undefined ? null : { route: formatObject(winner), ours: isOwnRoute(winner) },
  };
}

export function kernelNotRead(reason: string): KernelReport {
  return { compared: false, reason, objects: [], effective: null };
}

/** In the order in which they are applied: device, its addresses, peer entries, sysctls, route. */
export function objectsFor(input: KernelInput): readonly DesiredObject[] {
  const { desired, prefix } = input;
  const { objects } = desired;
  const route = desiredRoute(objects, prefix);
  if (route === undefined) return [];
  const { target } = route;
  const device = target.kind === 'unicast' ? target.device : undefined;
  const ofDevice = commonObjects(objects).filter((object) => needs(object, device));
  const gateway = target.kind === 'unicast' ? target.gateway : undefined;
  const neighbour = objects.get(`neighbour ${device} ${gateway?.text}`);
  const entry = entryBehind(objects, route);
  const ofPeer = [neighbour, entry].filter((object) => object !== undefined);
  const order = ['link', 'address', 'fdb', 'neighbour', 'sysctl', 'route'];
  return [...ofDevice, ...ofPeer, route].sort(
    (a, b) => order.indexOf(a.type) - order.indexOf(b.type),
  );
}

/** Of what there is whoever the peer is. */
function needs(object: DesiredObject, device: string | undefined): boolean {
  switch (object.type) {
    case 'link':
      return object.name === device;
    case 'address':
      return object.device === device;
    case 'sysctl':
      return device !== undefined && concernsDevice(object.path, device);
    case 'neighbour':
    case 'fdb':
    case 'route':
      return false;
  }
}

/** Sysctls of the device itself and those that hold for every device, such as forwarding. */
export function concernsDevice(path: string, device: string): boolean {
  const named = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(path)?.[1];
  return named === undefined || named === device || !isOwnDeviceName(named);
}

/** The object of the kernel at the key of a desired one. */
export function standingObjects(
  actual: ActualState,
): (desired: DesiredObject) => KernelObject | undefined {
  const { kernel, sysctls } = actual;
  return (desired) => {
    if (desired.type === 'sysctl') {
      const value = sysctls.get(desired.path);
      return value === undefined ? undefined : { ...desired, value };
    }
    const key = objectKey(desired);
    const lists = {
      link: kernel.links,
      address: kernel.addresses,
      neighbour: kernel.neighbours,
      fdb: kernel.fdb,
      route: kernel.routes,
    } as const;
    const list: readonly KernelObject[] = lists[desired.type];
    return list.find((object) => objectKey(object) === key);
  };
}

export function compareObject(
  desired: DesiredObject,
  standing: (desired: DesiredObject) => KernelObject | undefined,
): KernelObjectReport {
  const actual = standing(desired);
  const base = {
    type: desired.type,
    key: objectKey(desired),
    desired: formatObject(desired),
    actual: actual === undefined ? null : formatObject(actual),
    attributes: [],
    holder: null,
    changedAt: null,
    changedBy: null,
  };
  if (actual === undefined) return { ...base, state: 'missing' };
  const holder = foreignHolder(actual);
  if (holder !== undefined) return { ...base, state: 'foreign', holder };
  const attributes = differences(actual, desired);
  return attributes.length === 0
    ? { ...base, state: 'match' }
    : { ...base, state: 'drift', attributes };
}

function withHistory(
  object: KernelObjectReport,
  history: ObjectHistory | undefined,
): KernelObjectReport {
  const last = history?.(object.key, object.desired);
  return last === undefined ? object : { ...object, changedAt: last.at, changedBy: last.line };
}

function foreignHolder(actual: KernelObject): string | undefined {
  if (actual.type === 'route' && !isOwnRoute(actual)) return `protocol ${actual.protocol}`;
  if (actual.type === 'link' && !isOwnLink(actual))
    return `device of kind ${actual.kernelKind ?? 'nic'}`;
  return undefined;
}
