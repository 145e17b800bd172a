/**
 * A node leaves. Its account goes first, so that an agent that is still there cannot come back; then
 * the record, with which the peers' paths go; the blocks last, as whoever gets one of them next must
 * not share it with paths that lead here. Blocks know whose they are, so a leave that ended in the
 * middle is finished by the next one.
 */
import type { AccountStore } from '../store/accounts.js';
import { accountName } from '../store/accounts.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyValue } from '../store/kv.js';
import { giveBack } from './allocate.js';
import { FleetError } from './fleet-error.js';
import { readBlock } from './values.js';

export interface LeaveRequest {
  readonly keys: FleetKeys;
  readonly cluster: string;
  readonly name: string;
  /** Undefined: the store has none, or nobody has to log in. */
  readonly accounts: AccountStore | undefined;
  /** Whose key of life is no sign of life: its agent is known to have ended, or to be let down. */
  readonly evenIfAlive: boolean;
}

export interface Left {
  readonly name: string;
  /** What was removed: `record`, `alive`, `status`, `account`. */
  readonly removed: readonly string[];
  readonly blocks: readonly string[];
}

export async function leaveFleet(kv: KeyValue, request: LeaveRequest): Promise<Left> {
  const { keys, cluster, name, accounts, evenIfAlive } = request;
  if (!evenIfAlive && (await kv.get(keys.alive(name))) !== undefined)
    throw new FleetError(
      `the agent of ${name} is alive, and would go on sending; stop it first ("systemctl stop selvage-agent" and "selvage down" there), or cut it off with --force`,
    );
  const removed: string[] = [];
  if ((await accounts?.remove(accountName(cluster, name))) === true) removed.push('account');
  const parts = { record: keys.record(name), alive: keys.alive(name), status: keys.status(name) };
  for (const [part, key] of Object.entries(parts)) {
    if ((await kv.get(key)) === undefined) continue;
    await kv.delete(key);
    removed.push(part);
  }
  const { entries } = await kv.list(keys.blocks);
  const blocks = entries.flatMap((entry) => {
    const block = readBlock(entry, keys.blocks);
    return typeof block === 'object' && block.node === name ? [block] : [];
  });
  await giveBack(kv, blocks);
  return { name, removed, blocks: blocks.map(({ prefix }) => prefix.text) };
}
