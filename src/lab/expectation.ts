/**
 * What should happen to the packets of each pair, asked twice: of the core with the cluster file, or
 * with what the lab's store has, and of the sender's agent. A difference between the two is a failure by itself.
 */
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { prefixContains } from '../../encap/prefix.js';
import type { Decision } from '../../encap/trail.js';
import { cloudReadingFile } from '../agent/paths.js';
import { observeFrom } from '../cloud/observe.js';
import { agentRequest } from '../agent/client.js';
import type { Lab } from './lab.js';
import { LabError } from './names.js';
import type { DecidedMode } from './matrix.js';
import type { WorkloadAddress } from './addressing.js';
import type { NodePlan } from './plan.js';

export interface Expectation {
  readonly decided: DecidedMode;
  readonly plane: string | undefined;
  /** Largest inner packet in bytes; of forwarded pairs. */
  readonly mtu: number | undefined;
}

/** An ordered pair of workloads. */
export interface PairEnds {
  readonly from: NodePlan;
  readonly to: NodePlan;
  readonly source: WorkloadAddress;
  readonly destination: WorkloadAddress;
}

/** Every ordered pair of nodes, in each family that both have. */
export function pairsOf(lab: Lab): readonly PairEnds[] {
  const { nodes } = lab.plan;
  return nodes.flatMap((from) =>
    nodes
      .filter((to) => to !== from)
      .flatMap((to) =>
        from.workload.flatMap((source) =>
          to.workload
            .filter((destination) => destination.family === source.family)
            .map((destination) => ({ from, to, source, destination })),
        ),
      ),
  );
}

export function expectedByFile(lab: Lab, pair: PairEnds): Expectation {
  return expectedOf({ lab, cluster: lab.plan.cluster }, pair);
}

/**
 * The decision that a cluster leads to, without any agent's part in it; where it leaves switches to
 * the clouds' APIs, with what the sender has read there.
 */
export function expectedOf(
  { lab, cluster: told }: { readonly lab: Lab; readonly cluster: Cluster },
  pair: PairEnds,
): Expectation {
  const { runtimeDir } = lab.files.get(pair.from.name)!;
  const cluster = observeFrom(cloudReadingFile({ runtimeDir }))(told);
  const from = cluster.nodes.get(pair.from.name);
  if (from === undefined)
    throw new LabError(
      `${pair.from.name} is none of the cluster's nodes any more: try "selvage lab run" with --from and --to ` +
        'of those that are, or "selvage lab up --replace"',
    );
  const decision = decide(
    { cluster, local: undefined },
    {
      from,
      prefix: destinationPrefix(pair),
      owner: cluster.nodes.get(pair.to.name),
    },
  );
  return expectationOf(decision);
}

export function expectationOf(decision: Decision): Expectation {
  const { verdict } = decision;
  switch (verdict.kind) {
    case 'forward':
      return { decided: verdict.mode, plane: verdict.plane, mtu: verdict.mtu };
    case 'deny':
      return { decided: 'deny', plane: undefined, mtu: undefined };
    case 'unreachable':
      return { decided: 'unreachable', plane: undefined, mtu: undefined };
    case 'local':
      throw new LabError(`${decision.prefix.text} is both ends of a pair: it is on one node`);
  }
}

/** What the agents decided: for a pair, undefined when its sender has no agent to ask. */
export type AgentView = (pair: PairEnds) => Expectation | undefined;

/** The part of `/v1/rib` that is needed here. */
interface RibEntry {
  readonly prefix: string;
  readonly verdict: Decision['verdict']['kind'];
  readonly mode?: DecidedMode;
  readonly plane?: string;
  readonly mtu?: number;
}

/** Asks every agent of the lab for its decisions. */
export async function askAgents(lab: Lab): Promise<AgentView> {
  const views = await Promise.all(
    lab.plan.nodes.map(async (node) => {
      const rib = (await askAgent(lab, { node: node.name, path: '/v1/rib' })) as {
        readonly decisions: readonly RibEntry[];
      };
      const status = (await askAgent(lab, { node: node.name, path: '/v1/status' })) as {
        readonly planes: readonly unknown[];
      };
      // The decision knows what the file declares; what this kernel cannot, a process carries.
      const byProcess = status.planes.length > 0;
      const entries = rib.decisions.map((entry): [string, RibEntry] => [
        entry.prefix,
        byProcess && entry.mode === 'ipip' ? { ...entry, plane: 'userspace' } : entry,
      ]);
      return [node.name, new Map(entries)] as const;
    }),
  );
  const byNode = new Map(views);
  return (pair) => {
    const entry = byNode.get(pair.from.name)?.get(destinationPrefix(pair).text);
    if (entry === undefined) return undefined;
    const decided = entry.verdict === 'forward' ? entry.mode : entry.verdict;
    if (decided === undefined || decided === 'local') return undefined;
    return {
      decided,
      plane: entry.plane,
      mtu: entry.mtu,
    };
  };
}

async function askAgent(
  lab: Lab,
  question: { readonly node: string; readonly path: string },
): Promise<unknown> {
  const { node, path } = question;
  const { agentSocket, agentLog } = lab.files.get(node)!;
  try {
    return await agentRequest({ socket: agentSocket, method: 'GET', path });
  } catch (error) {
    throw new LabError(
      `cannot ask the agent of ${node}: ${(error as Error).message}; its log is ${agentLog}, and ` +
        '"selvage lab up --replace" builds the lab again',
    );
  }
}

function destinationPrefix(pair: PairEnds): NodePlan['overlay'][number] {
  return pair.to.overlay.find((prefix) => prefixContains(prefix, pair.destination.address))!;
}

/** In words, for a failure. */
export function describeExpectation(expectation: Expectation): string {
  return expectation.mtu === undefined
    ? expectation.decided
    : `${expectation.decided} with MTU ${expectation.mtu}`;
}
