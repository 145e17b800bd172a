/**
 * Names of routes that Selvage makes where names (and perhaps a description) are all that a route
 * can carry. `selvage-CLUSTER-NODE-HASH`: the readable parts are cut to fit; the hash of cluster and
 * prefix makes the name unique and proves that the route is ours, also when its node has left.
 */
import { createHash } from 'node:crypto';
import type { Prefix } from '../../encap/prefix.js';

export interface RouteOwner {
  readonly cluster: string;
  readonly node: string;
}

/**
 * At most 51 characters of `[a-z0-9-]`, beginning with a letter: RFC 1035 labels and Azure's names.
 * `via` tells routes apart that cannot be changed in place.
 */
export function routeName(owner: RouteOwner, prefix: Prefix, via = ''): string {
  const { cluster, node } = owner;
  return `selvage-${slug(cluster, 12)}-${slug(node, 18)}-${mark(cluster, prefix, via)}`;
}

/** Did a node of this cluster, whichever it was, name a route to this prefix so? */
export function isRouteName(name: string, cluster: string, prefix: Prefix): boolean {
  return (
    name.startsWith(`selvage-${slug(cluster, 12)}-`) && name.endsWith(`-${mark(cluster, prefix)}`)
  );
}

function mark(cluster: string, prefix: Prefix, via = ''): string {
  const text = ['selvage/1', cluster, prefix.text, via].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}

function slug(text: string, length: number): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return plain.slice(0, length).replace(/^-+|-+$/g, '') || 'x';
}
