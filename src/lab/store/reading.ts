/**
 * The cluster as the store of a lab has it now, which a configuration set there or a migration makes
 * another than that of the file it was built from. Members answer in their own namespaces alone, so
 * their keys are listed there, and read by the code that an agent reads them with.
 */
import type { Cluster } from '../../../encap/cluster.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { openFleetStore } from '../../store/fleet/open.js';
import { MemoryServer } from '../../store/memory-kv.js';
import type { Lab } from '../lab.js';
import { LabError } from '../names.js';
import { storeCommand } from './control.js';
import { storeMembers } from './topology.js';

/** Of `etcdctl get -w json`; keys and values in base64. */
interface Listed {
  readonly kvs?: readonly {
    readonly key: string;
    readonly value: string;
    readonly create_revision: number;
  }[];
}

export async function clusterInStore(lab: Lab): Promise<Cluster> {
  const { name } = lab.plan.cluster;
  const { kvs = [] } = await list(lab, fleetKeys(name).all);
  const server = new MemoryServer();
  // Of two that claim the same, the older has it.
  for (const { key, value } of kvs.toSorted((a, b) => a.create_revision - b.create_revision))
    server.put(text(key), text(value), {});
  const store = openFleetStore(server.client(), { cluster: name });
  try {
    await store.read();
    if (store.current === undefined)
      throw new LabError(
        `the store of the lab "${lab.name}" has no cluster that can be used: ` +
          `${store.problems.join('; ')}; "selvage config history" says who wrote it`,
      );
    return store.current;
  } finally {
    store.close();
  }
}

/** From the first member that answers. */
async function list(lab: Lab, prefix: string): Promise<Listed> {
  let refused = '';
  for (const at of storeMembers(lab.name)) {
    const answer = await storeCommand(lab, ['get', '--prefix', prefix, '-w', 'json'], { at });
    if (answer.status === 0) return JSON.parse(answer.stdout) as Listed;
    refused = answer.stderr.trim().split('\n').at(-1)!;
  }
  throw new LabError(
    `no member of the lab's store answers (${refused}); "selvage lab store list" shows them, ` +
      '"selvage lab store start" starts them',
  );
}

function text(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
