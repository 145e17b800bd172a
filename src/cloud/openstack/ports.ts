/**
 * Port security: Neutron drops what a port sends from an address that is not its own, unless port
 * security is off or an allowed address pair covers the source. That is the source/destination check
 * by another name, and this is how it is read and what would open it.
 */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';
import { without } from '../admission.js';
import type { MachineFacts } from '../machine.js';
import { routedPrefixes } from '../routed-prefixes.js';
import type { AddressPair, NeutronPort, NeutronRouter } from './wire.js';

export interface StackNode {
  readonly node: ClusterNode;
  readonly port: NeutronPort;
}

export function ownPort(
  self: ClusterNode,
  ports: readonly NeutronPort[],
  machine: MachineFacts,
): NeutronPort | undefined {
  const ids = new Set(machine.nics.flatMap(({ id }) => id ?? []));
  const macs = new Set(machine.nics.flatMap(({ mac }) => mac ?? []));
  return ports.find(
    (port) =>
      hasAddress(port, self) &&
      (ids.has(port.id) ||
        (machine.instanceId !== undefined && port.device === machine.instanceId) ||
        macs.has(port.mac ?? '')),
  );
}

export function stackNodes(
  cluster: Cluster,
  ports: readonly NeutronPort[],
  own: StackNode,
): ReadonlyMap<string, StackNode> {
  const byAddress = new Map<string, NeutronPort[]>();
  for (const port of ports) {
    if (port.deviceOwner.startsWith('network:')) continue;
    for (const { text } of port.addresses)
      byAddress.set(text, [...(byAddress.get(text) ?? []), port]);
  }
  const found = new Map<string, StackNode>();
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn || cluster.zones.get(node.zone)?.provider !== 'openstack') continue;
    const candidates = new Set(
      node.underlay.flatMap(({ address }) => byAddress.get(address.text) ?? []),
    );
    const near = [...candidates].find(({ network }) => network === own.port.network);
    // Two networks may use one address; then only ours is certain.
    const port = near ?? (candidates.size === 1 ? [...candidates][0] : undefined);
    if (node.name === own.node.name) found.set(node.name, { node, port: own.port });
    else if (port !== undefined) found.set(node.name, { node, port });
  }
  return found;
}

function hasAddress(port: NeutronPort, node: ClusterNode): boolean {
  return node.underlay.some(({ address }) =>
    port.addresses.some(({ text }) => text === address.text),
  );
}

/** Pairs with another MAC are for somebody else's frames. */
function ownPairs({ pairs, mac }: NeutronPort): readonly AddressPair[] {
  return (pairs ?? []).filter((pair) => pair.mac === undefined || pair.mac === mac);
}

export function pairPrefixes(port: NeutronPort): readonly Prefix[] {
  return ownPairs(port).map(({ prefix }) => prefix);
}

/** The node's prefixes that its port does not let it send from. */
export function uncovered({ node, port }: StackNode): readonly Prefix[] {
  if (port.portSecurity === false) return [];
  return routedPrefixes(node).filter((prefix) => without([prefix], pairPrefixes(port)).length > 0);
}

/** Undefined: the API shows neither of the two. */
export function checkOf(entry: StackNode): 'enabled' | 'disabled' | undefined {
  const { port } = entry;
  if (port.portSecurity === undefined && port.pairs === undefined) return undefined;
  if (port.portSecurity === false) return 'disabled';
  const all = routedPrefixes(entry.node).length > 0 && uncovered(entry).length === 0;
  return all ? 'disabled' : 'enabled';
}

/** Neutron's tags are one word; a slash would end the URL's part that names them. */
export function pairTag(prefix: Prefix): string {
  return `selvage-pair-${prefix.text.replace('/', '-')}`;
}

export interface PairPlan {
  readonly add: readonly Prefix[];
  /** Ours, by their tags, that are not wanted any more. */
  readonly remove: readonly Prefix[];
}

/** `leaving`: nothing of ours is to stay. */
export function planPairs(entry: StackNode, options: { readonly leaving: boolean }): PairPlan {
  const { node, port } = entry;
  const wanted = options.leaving ? [] : routedPrefixes(node);
  return {
    add: options.leaving || port.pairs === undefined ? [] : uncovered(entry),
    remove: ownPairs(port)
      .map(({ prefix }) => prefix)
      .filter(
        (prefix) =>
          port.tags.includes(pairTag(prefix)) && !wanted.some(({ text }) => text === prefix.text),
      ),
  };
}

/** Do the routers of the node's network lead all of its prefixes to it? What is missing, if not. */
export function missingRoute(
  { node, port }: StackNode,
  routers: readonly NeutronRouter[],
): string | undefined {
  const own = new Set(port.addresses.map(({ text }) => text));
  if (routers.length === 0) return 'no router of its network is seen';
  for (const router of routers)
    for (const prefix of routedPrefixes(node)) {
      const covering = router.routes
        .filter(({ to }) => without([prefix], [to]).length === 0)
        .sort((a, b) => b.to.length - a.to.length)[0];
      if (covering !== undefined && own.has(covering.via.text)) continue;
      const via = port.addresses.find(({ family }) => family === prefix.family)?.text ?? '';
      return (
        `router ${router.name} has no route ${prefix.text} to ${via}: ` +
        `openstack router add route --route destination=${prefix.text},gateway=${via} ${router.name}`
      );
    }
  return undefined;
}
