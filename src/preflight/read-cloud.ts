/** What the provider's API says, for the checks: every refusal is a text, and none ends the rest. */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { defaultCloud } from '../../encap/observed.js';
import type { CloudQuestion } from '../cloud/control.js';
import type { OpenedCloud } from '../cloud/keeper.js';
import { cloudProviders } from '../cloud/machine.js';
import { wantsFabricRoutes } from '../cloud/native-wanted.js';
import { openCloud } from '../cloud/open.js';
import type { CloudFacts } from './facts.js';

export interface CloudReadQuestion {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly signal?: AbortSignal;
}

/** Asks the provider that the file says the node's zone is of; a machine room has none. */
export async function readCloudHere(
  asked: CloudReadQuestion,
  open: typeof openCloud = openCloud,
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
  return readCloud(opened, asked);
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
