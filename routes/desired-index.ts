/**
 * Finds what a question about one prefix needs among the objects of ten thousand peers. Made at the
 * first question about a desired state, which never changes after it was made.
 */
import type { FdbObject, RouteObject } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import type { DesiredObject, DesiredState } from './desired.js';

export interface DesiredIndex {
  /** By prefix; the smallest metric where there are several. */
  readonly routes: ReadonlyMap<string, RouteObject>;
  /** By the peer that they serve. */
  readonly fdb: ReadonlyMap<string, readonly FdbObject[]>;
  /** What is there whoever the peer is: devices, their addresses, settings. */
  readonly common: readonly DesiredObject[];
}

const indexes = new WeakMap<DesiredState['objects'], DesiredIndex>();

export function desiredIndex(desired: Pick<DesiredState, 'objects' | 'peers'>): DesiredIndex {
  let index = indexes.get(desired.objects);
  if (index === undefined) indexes.set(desired.objects, (index = indexOf(desired)));
  return index;
}

function indexOf({ objects, peers }: Pick<DesiredState, 'objects' | 'peers'>): DesiredIndex {
  const routes = new Map<string, RouteObject>();
  const fdb = new Map<string, FdbObject[]>();
  const common: DesiredObject[] = [];
  for (const object of objects.values()) {
    switch (object.type) {
      case 'route': {
        const known = routes.get(object.prefix.text);
        if (known === undefined || object.metric < known.metric)
          routes.set(object.prefix.text, object);
        break;
      }
      case 'fdb': {
        const peer = peers.get(objectKey(object));
        if (peer === undefined) break;
        const known = fdb.get(peer);
        if (known === undefined) fdb.set(peer, [object]);
        else known.push(object);
        break;
      }
      case 'link':
      case 'address':
      case 'sysctl':
        common.push(object);
        break;
      case 'neighbour':
        // Found by its key.
        break;
    }
  }
  return { routes, fdb, common };
}
