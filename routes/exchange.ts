/**
 * From the objects that some peers had to those that they should have: the changes, without a look at
 * the kernel, which is known to have what it had. In the order of a whole diff (diff.ts): entries, then
 * the routes that need them, then deletions in reverse.
 *
 * A route that is new is made only where its key is free: somebody else's is not to be taken over.
 */
import { objectKey } from '../tunnel/kernel.js';
import type { Change } from './diff.js';
import { inOrder } from './diff.js';
import { differences } from './equal.js';
import type { DesiredObject } from './peer-objects.js';

/** By the kernel's own key. */
export type PeerObjects = ReadonlyMap<string, DesiredObject>;

export function exchange(before: PeerObjects, after: PeerObjects): readonly Change[] {
  const writes = inOrder(after.values()).flatMap((desired): Change[] => {
    const key = objectKey(desired);
    const actual = before.get(key);
    if (actual === undefined)
      return [{ kind: 'create', key, desired, ...(desired.type === 'route' ? { exclusive } : {}) }];
    const attributes = differences(actual, desired);
    return attributes.length === 0
      ? []
      : [{ kind: 'update', key, desired, actual, attributes, recreate: false }];
  });
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, object]) => object);
  const deletions = inOrder(gone)
    .reverse()
    .map((actual): Change => ({ kind: 'delete', key: objectKey(actual), actual }));
  return [...writes, ...deletions];
}

const exclusive = true as const;
