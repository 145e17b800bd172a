/**
 * Finds what a question about one prefix or peer needs among the objects of ten thousand peers: by
 * the keys that they must have, and not by looking at all of them. Only what is there whoever the
 * peer is has to be sought, once for each desired state, which never changes after it was made.
 */
import type { ClusterNode } from '../encap/cluster.js';
import type { Prefix } from '../encap/prefix.js';
import type { FdbObject, RouteObject } from '../tunnel/kernel.js';
import type { DesiredObject, DesiredState } from './desired.js';
import { mainTable, metrics, pathMetric } from './ownership.js';
import { vtepMac } from './vtep.js';

type Objects = DesiredState['objects'];

const found = new WeakMap<Objects, readonly DesiredObject[]>();

/** What is there whoever the peer is: devices, their addresses, settings. */
export function commonObjects(objects: Objects): readonly DesiredObject[] {
  let common = found.get(objects);
  if (common === undefined) found.set(objects, (common = [...objects.values()].filter(isCommon)));
  return common;
}

function isCommon({ type }: DesiredObject): boolean {
  return type === 'link' || type === 'address' || type === 'sysctl';
}

/** The desired route of exactly this prefix; the smallest metric where there are several. */
export function desiredRoute(objects: Objects, prefix: Prefix): RouteObject | undefined {
  for (const metric of [pathMetric(prefix), metrics.ownBlock, metrics.pool]) {
    const route = objects.get(`route ${mainTable} ${prefix.text} metric ${metric}`);
    if (route?.type === 'route') return route;
  }
  return undefined;
}

/** The forwarding entry that packets of a route need: its next hop's MAC → an outer address. */
export function entryBehind(objects: Objects, { target }: RouteObject): FdbObject | undefined {
  if (target.kind !== 'unicast' || target.gateway === undefined) return undefined;
  const hop = objects.get(`neighbour ${target.device} ${target.gateway.text}`);
  if (hop?.type !== 'neighbour') return undefined;
  return entryOf(objects, { device: target.device, mac: hop.mac });
}

/** A peer's forwarding entries on all devices. */
export function peerEntries(
  objects: Objects,
  { cluster, peer }: { readonly cluster: string; readonly peer: ClusterNode },
): readonly FdbObject[] {
  const mac = vtepMac(cluster, peer.name);
  const regular = commonObjects(objects).flatMap((object) =>
    object.type === 'link' ? (entryOf(objects, { device: object.name, mac }) ?? []) : [],
  );
  // A peer that stays on its way for now may have an older MAC there.
  const kept = peer.overlay.flatMap((prefix) => {
    const route = desiredRoute(objects, prefix);
    return (route && entryBehind(objects, route)) ?? [];
  });
  return [...new Set([...regular, ...kept])];
}

function entryOf(
  objects: Objects,
  { device, mac }: Pick<FdbObject, 'device' | 'mac'>,
): FdbObject | undefined {
  const entry = objects.get(`fdb ${device} ${mac}`);
  return entry?.type === 'fdb' ? entry : undefined;
}
