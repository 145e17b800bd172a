/**
 * A fleet in a real store: 10,000 nodes registered in etcd, and the agent of one of them with a real
 * kernel. All of it runs in a namespace of its own, the one who measures too, as etcd listens on the
 * namespace's loopback; what is seen there is told here.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { createNamespace, vethPair } from '../support/netns.js';
import { root } from '../support/root.js';
import { selfAddress } from './fleet.js';
import type { Seen } from './registered-inside.js';
import { figure, heading } from './report.js';

export const registeredPeers = 10_000;

export async function benchRegistered(): Promise<void> {
  heading(`A fleet in etcd: ${registeredPeers.toLocaleString('en-US')} registered peers`);
  const cleanups: (() => unknown)[] = [];
  try {
    const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
    const node = createNamespace(scope);
    vethPair(
      { namespace: node, device: 'eth0', addresses: [selfAddress] },
      { namespace: createNamespace(scope), device: 'eth0' },
    );
    const inside = join(root, 'dist', 'test', 'bench', 'registered-inside.js');
    const child = node.spawn(
      process.execPath,
      ['--enable-source-maps', inside, String(registeredPeers)],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    child.on('message', (message) => {
      const seen = message as Seen;
      figure({ ...seen, name: `etcd: ${seen.name}` });
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the measurement in ${node.name} ended with ${code}`);
  } finally {
    for (const cleanup of cleanups.reverse()) cleanup();
  }
}
