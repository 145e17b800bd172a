/** Takes back what was made for a node at its provider: its routes, its tags, its switch. */
import type { Cluster } from '../../encap/cluster.js';
import { defaultCloud } from '../../encap/observed.js';
import { carryOut } from './changes.js';
import { cloudProviders } from './machine.js';
import { openCloud } from './open.js';

export interface ReleaseReport {
  readonly schema: 'selvage.cloud-release/1';
  readonly node: string;
  /** What is to go, in the order in which it goes. */
  readonly changes: readonly {
    readonly text: string;
    readonly call: string;
    readonly permission: string;
  }[];
  /** False: nothing was asked to be done. */
  readonly carriedOut: boolean;
  /** What could not be done, and why. */
  readonly failed: readonly string[];
}

export async function releaseNode(options: {
  readonly cluster: Cluster;
  readonly node: string;
  readonly dryRun: boolean;
}): Promise<ReleaseReport> {
  const { cluster, node, dryRun } = options;
  const self = cluster.nodes.get(node);
  const written = self && cluster.zones.get(self.zone)?.provider;
  const provider = cloudProviders.find((name) => name === written);
  const nothing = { schema: 'selvage.cloud-release/1', node, changes: [], failed: [] } as const;
  if (self === undefined || provider === undefined) return { ...nothing, carriedOut: false };
  const { machine, control } = await openCloud(provider);
  if (control === undefined) return { ...nothing, carriedOut: false };
  try {
    const { routeLimit } = cluster.cloud ?? defaultCloud;
    const changes = await control.leave({ cluster, self, machine, routed: true, routeLimit });
    const outcome = dryRun ? undefined : await carryOut(changes, { manage: true });
    const failed = changes.filter((change) => outcome?.done.includes(change) === false);
    return {
      ...nothing,
      changes: changes.map(({ text, call, permission }) => ({ text, call, permission })),
      carriedOut: !dryRun,
      failed: failed.map(({ text, makes }) => outcome?.waits[makes] ?? text),
    };
  } finally {
    control.close();
  }
}
