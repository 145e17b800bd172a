/**
 * Gives blocks back by hand: those that a join or a leave left behind, or of a machine that will not
 * come back. Refused where somebody still counts on the block, since the next node that joins gets it.
 */
import type { Prefix } from '../../encap/prefix.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyValue } from '../store/kv.js';
import { FleetError } from './fleet-error.js';
import type { Fleet } from './reading.js';
import { readFleet } from './reading.js';
import type { Block } from './values.js';

export interface ReleaseRequest {
  readonly keys: FleetKeys;
  readonly what: { readonly prefix: Prefix } | { readonly node: string };
  /** Although somebody counts on it. */
  readonly force: boolean;
}

export interface Released {
  readonly blocks: readonly { readonly prefix: string; readonly node: string }[];
}

export async function releaseBlocks(kv: KeyValue, request: ReleaseRequest): Promise<Released> {
  const { keys, what, force } = request;
  const fleet = await readFleet(kv, keys);
  const blocks = fleet.blocks.filter((block) =>
    'node' in what ? block.node === what.node : block.prefix.text === what.prefix.text,
  );
  if (blocks.length === 0) throw new FleetError(nothing(fleet, what));
  const inTheWay = force ? undefined : blocks.map((block) => reason(block, fleet)).find(Boolean);
  if (inTheWay !== undefined) throw new FleetError(inTheWay);
  const released: Block[] = [];
  for (const block of blocks) {
    const { key, modRevision } = block;
    const { kind } = await kv.delete(key, { ifRevision: modRevision });
    if (kind === 'written') released.push(block);
  }
  return { blocks: released.map(({ prefix, node }) => ({ prefix: prefix.text, node })) };
}

/** Why the block is not to be given to anybody else yet. */
function reason({ prefix, node }: Block, fleet: Fleet): string | undefined {
  const claimed = fleet.records.get(node)?.overlay.some(({ text }) => text === prefix.text);
  if (claimed === true)
    return `${prefix.text} is in use: the record of ${node} claims it; have the node leave ("selvage node leave --name ${node}"), or add --force`;
  if (fleet.alive.has(node))
    return `${prefix.text} is of ${node}, whose agent is alive; stop it first, or add --force`;
  return undefined;
}

function nothing(fleet: Fleet, what: ReleaseRequest['what']): string {
  if ('node' in what) return `node ${what.node} has no blocks; see "selvage ipam show"`;
  const { text } = what.prefix;
  for (const { name, overlay } of fleet.cluster.nodes.values())
    if (overlay.some((prefix) => prefix.text === text))
      return `${text} is no block: the configuration gives it to node ${name}; change it there`;
  return `${text} is no block that anybody has; see "selvage ipam show"`;
}
