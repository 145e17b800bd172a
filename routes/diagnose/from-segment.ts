/**
 * Addresses that more hosts answer for than have them by the cluster file. Which of the two a
 * packet reaches is up to the quicker answer, so that it works by the hour.
 */
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { AddressHolders, Evidence } from './evidence.js';
import { arrived } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';

export function segmentDrafts({ evidence, facts }: ProbeQuestion): readonly Draft[] {
  return (evidence.holders ?? []).flatMap((holders): Draft[] => {
    const strangers = strangersOf(holders, { evidence, self: facts.from });
    if (strangers.length === 0) return [];
    const { node, address, device, macs, inUse } = holders;
    return [
      draft('duplicate-node-address', {
        direction: 'both',
        place: 20,
        node,
        stage: 'underlay-route',
        health: passes(evidence) ? 'DEGRADED' : 'BROKEN',
        text: `another host (${strangers.join(', ')}) answers for ${address}, the address of ${node}, on the segment of ${device}`,
        evidence: [
          `asked on ${device} for ${address}: ${macs.join(' and ')} answered`,
          ...(inUse === null ? [] : [`${facts.from} sends to ${inUse}`]),
        ],
      }),
    ];
  });
}

/** Who answers and should not. */
function strangersOf(
  { node, macs }: AddressHolders,
  of: { readonly evidence: Evidence; readonly self: string },
): readonly string[] {
  // Nobody else may have this node's own.
  if (node === of.self) return macs;
  const own = of.evidence.to?.segment.ownMacs ?? [];
  if (own.length > 0) return macs.filter((mac) => !own.includes(mac));
  // Nobody tells which of them is the peer.
  return macs.length > 1 ? macs : [];
}

/** What is inside counts; where nobody looked, that the peer was heard at all. */
function passes({ probes }: Evidence): boolean {
  const inner = probes.filter(({ layer }) => layer === 'inner');
  return (inner.length > 0 ? inner : probes).some(arrived);
}
