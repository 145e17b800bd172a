/**
 * What an operator's words mean: a destination may be an address, a prefix or a node's name; a
 * sender may be named by any address of its own. At three in the morning people paste what they
 * have. A text instead of a value is the problem, one line.
 */
import { tryParseAddress } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { firstAddress, prefixOf, tryParseInterfaceAddress } from '../../encap/prefix.js';
import type { Destination } from '../../routes/explain-target.js';
import { nodeByOuterAddress, ownerOf } from '../../routes/explain-target.js';
import { nearestName } from '../config/nearest.js';

/** An address, a prefix (the address in it stands for it) or a node (its tunnel address). */
export function resolveDestination(cluster: Cluster, text: string): Destination | string {
  const asked = text.trim();
  const address = tryParseAddress(asked);
  if (address !== undefined) return { asked, kind: 'address', address, note: undefined };
  const written = tryParseInterfaceAddress(asked);
  if (typeof written !== 'string') return prefixDestination(cluster, asked, written);
  const node = cluster.nodes.get(asked);
  if (node === undefined)
    return `"${asked}" is neither an address, nor a prefix, ${noNode(cluster, asked)}`;
  const [first] = node.overlay;
  if (first === undefined)
    return `node ${node.name} owns no overlay prefix: ask for one of its addresses instead`;
  const own = firstAddress(first);
  return {
    asked,
    kind: 'node',
    address: own,
    note: `${own.text} is the tunnel address of node ${node.name}, the first of ${first.text}`,
  };
}

/** A node by its name, or by an underlay, public or overlay address of its own. */
export function resolveNode(cluster: Cluster, text: string): ClusterNode | string {
  const asked = text.trim();
  const named = cluster.nodes.get(asked);
  if (named !== undefined) return named;
  const address = tryParseAddress(asked);
  if (address === undefined) return `"${asked}" is neither an address ${noNode(cluster, asked)}`;
  return (
    nodeByOuterAddress(cluster, address) ??
    ownerOf(cluster, address)?.node ??
    `no node of cluster ${cluster.name} has the address ${address.text} or owns a prefix that holds it: its nodes are ${nodeNames(cluster)}`
  );
}

function prefixDestination(
  cluster: Cluster,
  asked: string,
  written: { readonly address: Destination['address']; readonly length: number },
): Destination {
  const { address, length } = written;
  const owner = ownerOf(cluster, address);
  const prefix = prefixOf(address, length);
  const inside =
    owner !== undefined && owner.prefix.length > length
      ? `; ${prefix.text} is wider than ${owner.prefix.text}, other addresses in it may go another way`
      : '';
  return {
    asked,
    kind: 'prefix',
    address,
    note: `${address.text} stands for the prefix${inside}`,
  };
}

/** The end of a sentence that says that a name is nobody's. */
function noNode(cluster: Cluster, asked: string): string {
  const names = [...cluster.nodes.values()].map((node) => node.name);
  const nearest = nearestName(asked, names);
  const hint =
    nearest === undefined ? `its nodes are ${nodeNames(cluster)}` : `did you mean ${nearest}?`;
  return `nor a node of cluster ${cluster.name}: ${hint}`;
}

const namedNodes = 8;

function nodeNames(cluster: Cluster): string {
  const names = [...cluster.nodes.values()].map((node) => node.name).sort();
  const rest = names.length - namedNodes;
  return names.slice(0, namedNodes).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
