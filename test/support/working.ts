/**
 * Which prefixes a kernel's state forwards, by walking a packet's way through the objects: the
 * route, its device and, on VXLAN, the neighbour and the forwarding entry behind the next hop.
 */
import { objectKey } from '../../tunnel/kernel.js';
import type { KernelObject, KernelState, RouteObject } from '../../tunnel/kernel.js';
import { isOwnRoute, metrics } from '../../routes/ownership.js';

/** By prefix: where its packets end up, as text; prefixes that lead nowhere are missing. */
export function workingPaths(state: KernelState): ReadonlyMap<string, string> {
  const links = new Map(state.links.map((link) => [link.name, link]));
  const others = new Map(
    [...state.neighbours, ...state.fdb].map((object) => [objectKey(object), object]),
  );
  const best = new Map<string, RouteObject>();
  for (const route of state.routes) {
    if (!isOwnRoute(route) || route.metric >= metrics.ownBlock) continue;
    const before = best.get(route.prefix.text);
    if (before === undefined || route.metric < before.metric) best.set(route.prefix.text, route);
  }
  const paths = new Map<string, string>();
  for (const [prefix, { target }] of best) {
    if (target.kind !== 'unicast') continue;
    const link = links.get(target.device);
    if (link?.up !== true) continue;
    const gateway = target.gateway?.text ?? 'link';
    if (link.kind !== 'vxlan') {
      paths.set(prefix, `${link.kind === 'other' ? 'native' : link.kind} ${gateway}`);
      continue;
    }
    const neighbour = others.get(`neighbour ${target.device} ${gateway}`);
    if (neighbour?.type !== 'neighbour') continue;
    const entry = others.get(`fdb ${target.device} ${neighbour.mac}`);
    if (entry?.type === 'fdb')
      paths.set(prefix, `vxlan ${link.vni} ${link.port} ${entry.remote.text}`);
  }
  return paths;
}

/** The part of a state that a change of one object can have changed the paths of. */
export function concernedBy(object: KernelObject, state: KernelState): KernelState {
  if (object.type === 'link' || object.type === 'address' || object.type === 'sysctl') return state;
  const macs = new Set<string>();
  const gateways = new Set<string>();
  if (object.type === 'neighbour') gateways.add(object.address.text);
  if (object.type === 'fdb')
    for (const { mac, address } of state.neighbours)
      if (mac === object.mac) gateways.add(address.text);
  const routes = state.routes.filter(({ prefix, target }) =>
    object.type === 'route'
      ? prefix.text === object.prefix.text
      : target.kind === 'unicast' && gateways.has(target.gateway?.text ?? ''),
  );
  for (const { target } of routes)
    if (target.kind === 'unicast') gateways.add(target.gateway?.text ?? '');
  const neighbours = state.neighbours.filter(({ address }) => gateways.has(address.text));
  for (const { mac } of neighbours) macs.add(mac);
  return { ...state, routes, neighbours, fdb: state.fdb.filter(({ mac }) => macs.has(mac)) };
}
