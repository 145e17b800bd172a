/** What `node leave` does around the leave itself: is its agent gone, and what is left on this machine. */
import { defaultStoreFile } from '../../agent/paths.js';
import { removeAccessFiles } from '../../fleet/access-files.js';
import { leaveFleet } from '../../fleet/leave.js';
import { patiently } from '../../fleet/patience.js';
import { openAccounts } from '../../store/open-accounts.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { askAgent } from '../ask-agent.js';
import { unableFailure } from '../failure.js';
import type { Format } from '../options.js';
import { printAnswer, remark } from '../output.js';
import { renderLeave } from '../render/node.js';
import type { LeaveReport } from './reports.js';
import type { StoreFlags } from '../store-options.js';
import { requireOperatorStore, withStore } from '../store-options.js';

export interface LeaveQuestion extends StoreFlags {
  readonly name: string;
  /** Nobody named another one. */
  readonly isThisMachine: boolean;
  readonly force: boolean;
  readonly wait: number;
  readonly socket: string;
  readonly output: Format;
}

export async function nodeLeave(question: LeaveQuestion): Promise<void> {
  const { name, isThisMachine, force, wait: timeoutMs, output } = question;
  const evenIfAlive = force || (isThisMachine && (await agentHasEnded(question)));
  const request = await requireOperatorStore(question);
  const { cluster } = request.address;
  const accounts = await openAccounts(request);
  try {
    const patience = {
      ...{ timeoutMs, random: Math.random },
      onWait: (why: string) =>
        remark(`${why}; it is tried again for ${timeoutMs / 1000} s (--wait)`),
    };
    const enabled = await patiently(async () => (await accounts?.enabled()) === true, patience);
    const left = await withStore(request, (kv) =>
      patiently(
        () =>
          leaveFleet(kv, {
            ...{ keys: fleetKeys(cluster), cluster, name, evenIfAlive },
            accounts: enabled ? accounts : undefined,
          }),
        patience,
      ),
    );
    const files = removeAccessFiles(defaultStoreFile, name);
    const report: LeaveReport = { schema: 'selvage.node-leave/1', cluster, ...left, files };
    await printAnswer(report, { output, render: renderLeave });
  } finally {
    accounts?.close();
  }
}

/** Then its key of life is what a stopped agent leaves until its lease ends. */
async function agentHasEnded({ socket, name }: LeaveQuestion): Promise<boolean> {
  const answer = await askAgent({ socket, path: '/v1/status' });
  if (!answer.answered) return true;
  if ((answer.body as { readonly node?: unknown }).node !== name) return false;
  throw unableFailure(
    `the agent of ${name} runs here, and would go on sending; stop it first: systemctl disable --now selvage-agent; selvage down`,
  );
}
