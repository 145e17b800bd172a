/** The answer of `node list`. */
import type { AbsentNode, AbsentReport } from '../../agent/absent-route.js';
import type { NodeState } from '../../fleet/node-state.js';
import { listNodes } from '../../fleet/list.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { askAgent } from '../ask-agent.js';
import { exitCodes } from '../exit-codes.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderNodes } from '../render/nodes.js';
import type { StoreFlags } from '../store-options.js';
import { requireStore, withStore } from '../store-options.js';

export interface ListQuestion extends StoreFlags {
  readonly zone?: string | undefined;
  readonly state?: NodeState | undefined;
  readonly socket: string;
  readonly output: Format;
}

export async function nodeList(question: ListQuestion): Promise<void> {
  const { zone, state, socket, output } = question;
  const request = await requireStore(question);
  const { cluster } = request.address;
  const now = new Date();
  const absent = await absentBy(socket, cluster);
  const all = await withStore(request, (kv) =>
    listNodes(kv, { keys: fleetKeys(cluster), cluster, now, absent }),
  );
  const nodes = all.nodes.filter(
    (node) =>
      (zone === undefined || node.zone === zone) && (state === undefined || node.state === state),
  );
  await printAnswer(
    { ...all, nodes },
    { output, render: (report, terminal) => renderNodes(report, { ...terminal, now }) },
  );
  process.exitCode = all.counts.refused > 0 ? exitCodes.found : exitCodes.ok;
}

/** Undefined: no agent answers here, or one of another cluster, or of an older release. */
async function absentBy(
  socket: string,
  cluster: string,
): Promise<readonly AbsentNode[] | undefined> {
  try {
    const answer = await askAgent({ socket, path: '/v1/absent', timeoutMs: agentTimeoutMs });
    const report = answer.answered ? (answer.body as Partial<AbsentReport>) : undefined;
    return report?.cluster === cluster ? report.nodes : undefined;
  } catch {
    // What the store says is the answer; this is an addition.
    return undefined;
  }
}

const agentTimeoutMs = 2_000;
