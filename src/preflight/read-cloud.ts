/** What the provider's API says, for the checks: every refusal is a text, and none ends the rest. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { defaultCloud } from '../../encap/observed.js';
import type { CloudQuestion } from '../cloud/control.js';
import type { OpenedCloud } from '../cloud/keeper.js';
import type { CloudProviderName } from '../cloud/machine.js';
import { cloudProviders } from '../cloud/machine.js';
import { wantsFabricRoutes } from '../cloud/native-wanted.js';
import { openCloud } from '../cloud/open.js';
import { clockSkew } from './cloud/clock.js';
import type { CloudFacts } from './facts.js';

export interface CloudReadQuestion {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly signal?: AbortSignal;
}

export interface CloudSources {
  readonly open: typeof openCloud;
  readonly skew: (provider: CloudProviderName) => Promise<number | undefined>;
}

/** Asks the provider that the file says the node's zone is of; a machine room has none. */
export async function readCloudHere(
  asked: CloudReadQuestion,
  { open, skew }: CloudSources = { open: openCloud, skew: clockSkew },
): Promise<CloudFacts | { readonly absent: string }> {
  const written = asked.cluster.zones.get(asked.node.zone)?.provider;
  const provider = cloudProviders.find((name) => name === written);
  if (provider === undefined)
    return {
      absent: `the file says that ${asked.node.name} is of no cloud (${written ?? 'no zone'})`,
    };
  let opened: OpenedCloud;
  try {
    opened = await open(provider);
  } catch (error) {
    return { absent: `${provider} could not be asked: ${problemOf(error).problem}` };
  }
  const facts = await readCloud(opened, asked);
  return 'absent' in facts ? facts : { ...facts, clockSkewMs: await skew(provider) };
}

/** Closes the control. */
export async function readCloud(
  { machine, control }: OpenedCloud,
  asked: CloudReadQuestion,
): Promise<CloudFacts | { readonly absent: string }> {
  if (control === undefined)
    return { absent: `of ${machine.provider} neither switches nor firewalls are read` };
  const { cluster, node, signal } = asked;
  const question: CloudQuestion = {
    ...{ cluster, self: node, machine, signal },
    routed: wantsFabricRoutes(cluster, node),
    routeLimit: (cluster.cloud ?? defaultCloud).routeLimit,
  };
  try {
    const reading = await control.read(question).catch(problemOf);
    const firewalls =
      control.firewalls === undefined
        ? { problem: `the firewalls of ${machine.provider} are not read` }
        : await control.firewalls(question).catch(problemOf);
    return { provider: machine.provider, machine, reading, firewalls, clockSkewMs: undefined };
  } finally {
    control.close();
  }
}

function problemOf(error: unknown): { readonly problem: string } {
  return { problem: error instanceof Error ? error.message : String(error) };
}
