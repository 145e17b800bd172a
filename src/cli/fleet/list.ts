/** The answer of `node list`. */
import type { NodeState } from '../../fleet/node-state.js';
import { listNodes } from '../../fleet/list.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { exitCodes } from '../exit-codes.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderNodes } from '../render/nodes.js';
import type { StoreFlags } from '../store-options.js';
import { requireStore, withStore } from '../store-options.js';

export interface ListQuestion extends StoreFlags {
  readonly zone?: string | undefined;
  readonly state?: NodeState | undefined;
  readonly output: Format;
}

export async function nodeList(question: ListQuestion): Promise<void> {
  const { zone, state, output } = question;
  const request = await requireStore(question);
  const { cluster } = request.address;
  const all = await withStore(request, (kv) =>
    listNodes(kv, { keys: fleetKeys(cluster), cluster }),
  );
  const nodes = all.nodes.filter(
    (node) =>
      (zone === undefined || node.zone === zone) && (state === undefined || node.state === state),
  );
  const now = new Date();
  await printAnswer(
    { ...all, nodes },
    { output, render: (report, terminal) => renderNodes(report, { ...terminal, now }) },
  );
  process.exitCode = all.counts.refused > 0 ? exitCodes.found : exitCodes.ok;
}
