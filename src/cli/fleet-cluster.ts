/**
 * The cluster of a fleet for a command that asks about one: where the name of a file may stand, the
 * address of a store may stand as well. Credentials come from where the agent has them.
 */
import type { Cluster } from '../../encap/cluster.js';
import { defaultStoreFile } from '../agent/paths.js';
import { fleetKeys } from '../store/fleet/keys.js';
import { exitCodes } from './exit-codes.js';
import { Failure, unableFailure } from './failure.js';
import type { StoreAccessFlags } from './store-options.js';
import { requireStore, withStore } from './store-options.js';

/** `etcd://…`: no path of a file begins so. */
export function isStoreAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

const patienceMs = 20_000;
const shownProblems = 5;

/** `access` undefined: the command has no options for it, and the environment is asked. */
export async function readFleetCluster(
  text: string,
  access: StoreAccessFlags = flagsOfEnvironment(process.env),
): Promise<Cluster> {
  const request = await requireStore({ ...access, store: text });
  const { openFleetStore } = await import('../store/fleet/open.js');
  return withStore(request, async (kv, { cluster }) => {
    // A watch would try for ever; a question says soon that nobody is there, or may not ask.
    await kv.get(fleetKeys(cluster).all);
    const store = openFleetStore(kv, { cluster });
    let timer: NodeJS.Timeout | undefined;
    try {
      const patience = new Promise<'over'>((resolve) => {
        timer = setTimeout(() => resolve('over'), patienceMs);
      });
      const end = await Promise.race([store.read(), patience]);
      const { current, problems } = store;
      if (current !== undefined) return current;
      const lines = problems.slice(0, shownProblems).map((line) => `\n  ${line}`);
      if (end === 'over')
        throw unableFailure(
          `cannot read the cluster from ${store.name} within ${patienceMs / 1000} s:${lines.join('')}`,
        );
      throw new Failure(
        `${store.name} has no configuration to work with:${lines.join('')}`,
        exitCodes.found,
      );
    } finally {
      clearTimeout(timer);
      store.close();
    }
  });
}

/** As the options of the commands that have them. */
function flagsOfEnvironment(env: NodeJS.ProcessEnv): StoreAccessFlags {
  const given = {
    storeCa: env['SELVAGE_STORE_CA'],
    storeCert: env['SELVAGE_STORE_CERT'],
    storeKey: env['SELVAGE_STORE_KEY'],
    storeServerName: env['SELVAGE_STORE_SERVER_NAME'],
    storeUser: env['SELVAGE_STORE_USER'],
    storePasswordFile: env['SELVAGE_STORE_PASSWORD_FILE'],
    storeInsecure: env['SELVAGE_STORE_INSECURE'] === undefined ? undefined : true,
  };
  return {
    storeFile: env['SELVAGE_STORE_FILE'] ?? defaultStoreFile,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}
