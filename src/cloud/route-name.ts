/**
 * Names of routes that Selvage makes where names (and perhaps a description) are all that a route
 * can carry. `selvage-CLUSTER-NODE-HASH`: the readable parts are cut to fit, the hash of cluster,
 * node and prefix makes the name unique and proves whose it is.
 */
import { createHash } from 'node:crypto';
import type { Prefix } from '../../encap/prefix.js';

export interface RouteOwner {
  readonly cluster: string;
  readonly node: string;
}

/** At most 51 characters of `[a-z0-9-]`, beginning with a letter: RFC 1035 labels and Azure's names. */
export function routeName(owner: RouteOwner, prefix: Prefix, via = ''): string {
  const hash = createHash('sha256')
    .update(['selvage/1', owner.cluster, owner.node, prefix.text, via].join('\n'))
    .digest('hex')
    .slice(0, 10);
  return `${routeNamePrefix(owner)}${hash}`;
}

function routeNamePrefix({ cluster, node }: RouteOwner): string {
  return `selvage-${slug(cluster, 12)}-${slug(node, 18)}-`;
}

function slug(text: string, length: number): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return plain.slice(0, length).replace(/^-+|-+$/g, '') || 'x';
}
