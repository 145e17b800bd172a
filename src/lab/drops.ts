/** What the underlay's filters have dropped so far, read from their counters. */
import { inTurns } from './in-turns.js';
import type { Lab } from './lab.js';
import type { UnderlayDrop } from './matrix.js';
import { rulesetTable } from './ruleset.js';
import { command } from './shell.js';

/** The part of `nft -j list table` that is needed here. */
interface Listing {
  readonly nftables: readonly {
    readonly rule?: {
      readonly chain: string;
      readonly comment?: string;
      readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
    };
  }[];
}

export async function readDrops(lab: Lab): Promise<readonly UnderlayDrop[]> {
  const zones = await inTurns(lab.plan.zones, {
    limit: 2,
    work: async (zone) => {
      const text = await command(['nft', '-j', 'list', 'table', 'bridge', rulesetTable], {
        namespace: zone.namespace,
      });
      const nodes = lab.plan.nodes.filter((node) => node.zone === zone.name);
      return (JSON.parse(text) as Listing).nftables.flatMap(({ rule }): UnderlayDrop[] => {
        const packets = rule?.expr.find((part) => part.counter !== undefined)?.counter?.packets;
        const [, direction, port] = /^(from|to)_(.+)$/.exec(rule?.chain ?? '') ?? [];
        const node = nodes.find((entry) => entry.port === port);
        if (packets === undefined || node === undefined) return [];
        return [
          {
            node: node.name,
            direction: direction === 'from' ? 'from-node' : 'to-node',
            because: rule?.comment ?? '',
            packets,
          },
        ];
      });
    },
  });
  return merge(zones.flat());
}

/** What was added since `before`, without the rules that dropped nothing. */
export function dropsSince(
  before: readonly UnderlayDrop[],
  after: readonly UnderlayDrop[],
): readonly UnderlayDrop[] {
  const earlier = new Map(before.map((drop) => [keyOf(drop), drop.packets]));
  return after
    .map((drop) => ({ ...drop, packets: drop.packets - (earlier.get(keyOf(drop)) ?? 0) }))
    .filter((drop) => drop.packets > 0);
}

/** One line a reason: a check is several rules, one a family. */
function merge(drops: readonly UnderlayDrop[]): readonly UnderlayDrop[] {
  const merged = new Map<string, UnderlayDrop>();
  for (const drop of drops) {
    const known = merged.get(keyOf(drop));
    merged.set(keyOf(drop), { ...drop, packets: drop.packets + (known?.packets ?? 0) });
  }
  return [...merged.values()];
}

function keyOf(drop: UnderlayDrop): string {
  return `${drop.node} ${drop.direction} ${drop.because}`;
}
