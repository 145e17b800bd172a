/**
 * Packets that leave one NIC and never reach the other, while the state of both nodes has nothing
 * against them: what of them the underlay does not like, told by what else passes.
 */
import type { Family } from '../../encap/address.js';
import type { Mode } from '../../encap/mode.js';
import type { FindingCode } from './codes.js';
import { codeEntry } from './codes.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Direction, Evidence } from './evidence.js';
import type { Loss } from './loss.js';
import { probeText } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';

/** Only the underlay is left between the two NICs. */
export function underlayDrop(
  question: ProbeQuestion,
  of: {
    readonly loss: Loss;
    readonly base: Pick<Draft, 'direction' | 'evidence' | 'lostBetween'>;
    readonly names: { readonly sender: string; readonly receiver: string };
    readonly already: readonly Draft[];
  },
): readonly Draft[] {
  const { loss, base, names } = of;
  const { sender, receiver } = names;
  const way = `from ${sender} to ${receiver}`;
  const mode = loss.probe.mode ?? question.facts.modes[base.direction as Direction];
  const place = 20;
  const code = mode === null ? 'lost-on-the-way' : dropCode(mode, loss.probe.family);
  // Routed and crafted packets of one direction that are lost alike are one finding.
  const same = of.already.find(
    (other) =>
      other.direction === base.direction &&
      (other.code === code || (mode === 'native' && nativeCodes.has(other.code))),
  );
  if (same !== undefined) {
    same.evidence.push(probeText(loss.probe));
    return [];
  }
  if (mode !== 'native')
    return [draft(code, { ...base, place, text: `${codeEntry(code).cause}, ${way}` })];
  return [nativeDrop(question, { base, names })];
}

const nativeCodes: ReadonlySet<FindingCode> = new Set([
  'underlay-drops-native',
  'source-destination-check',
  'fabric-without-route',
]);

/** Bare packets are dropped for their addresses, or for want of a route: the way tells which. */
export function nativeDrop(
  question: ProbeQuestion,
  of: {
    readonly base: Pick<Draft, 'direction' | 'evidence' | 'lostBetween'>;
    readonly names: { readonly sender: string; readonly receiver: string };
  },
): Draft {
  const { facts, evidence } = question;
  const { base, names } = of;
  const way = `from ${names.sender} to ${names.receiver}`;
  const place = 20;
  const refused = evidence.probes.some((probe) =>
    probe.errors.some((error) => /unreach|no route/i.test(error)),
  );
  if (refused && !facts.adjacent)
    return draft('fabric-without-route', {
      ...base,
      place,
      text: `a router of the underlay has no route for overlay packets ${way}`,
    });
  if (facts.adjacent || question.facts.checksAddresses) {
    const sure = facts.adjacent;
    return draft('source-destination-check', {
      ...base,
      place,
      health: sure ? 'BROKEN' : 'UNDETERMINED',
      text: `the underlay drops packets with overlay addresses ${way}; packets of the nodes' own addresses pass`,
      alternatives: sure
        ? []
        : [
            {
              code: 'fabric-without-route',
              test: `look for a route of the fabric (VPC route table, user-defined route) from the prefixes of ${names.receiver} to ${names.receiver}`,
            },
          ],
    });
  }
  return draft('underlay-drops-native', {
    ...base,
    place,
    health: 'UNDETERMINED',
    text: `the underlay drops packets with overlay addresses ${way}; packets of the nodes' own addresses pass`,
    alternatives: [
      {
        code: 'fabric-without-route',
        test: `on ${names.sender}: traceroute to an overlay address of ${names.receiver}; the last router that answers has no route on`,
      },
      {
        code: 'source-destination-check',
        test: `look whether the port of ${names.sender} or ${names.receiver} lets foreign addresses pass`,
      },
    ],
  });
}

export function dropCode(mode: Mode, inner: Family): FindingCode {
  switch (mode) {
    case 'native':
      return 'underlay-drops-native';
    case 'ipip':
      return inner === 4 ? 'underlay-drops-ipip' : 'underlay-drops-ipv6-in-ipv4';
    case 'vxlan':
      return 'underlay-drops-vxlan';
  }
}

/** The peer's kernel says that nobody listens: `ECONNREFUSED`, or the ICMP message that it stands for. */
const refusal = /refused|port.unreachable/i;

export function isRefused({ probes }: Evidence): boolean {
  return probes.some(
    (probe) => probe.layer === 'control' && probe.errors.some((error) => refusal.test(error)),
  );
}

/** How to see whether an address is in use twice. */
export function duplicateTest(node: string): string {
  return `on a node of the segment of ${node}: arping -D -c 2 -I NIC its underlay address; two MACs that answer are two hosts`;
}

/** Somebody else answers for the other node's address on the segment that the two share. */
export function duplicateAddress(
  { evidence }: Pick<ProbeQuestion, 'evidence'>,
  direction: Direction,
): Draft | undefined {
  const { from, to } = evidence;
  if (from === null || to === null) return undefined;
  const [sender, receiver] = direction === 'there' ? [from, to] : [to, from];
  const wrong = sender.segment.peerMacs.find(({ mac }) => !receiver.segment.ownMacs.includes(mac));
  if (wrong === undefined || receiver.segment.ownMacs.length === 0) return undefined;
  return draft('duplicate-node-address', {
    direction,
    place: 20,
    stage: 'underlay-route',
    text: `another host (${wrong.mac}) answers for ${wrong.address}, the address of ${receiver.node}, which is ${receiver.segment.ownMacs.join(', ')}`,
    evidence: [
      `${sender.node} sends to ${wrong.mac} on ${wrong.device}`,
      `${receiver.node} has ${receiver.segment.ownMacs.join(', ')}`,
    ],
  });
}

/** What could take packets on the way when only one end tells, and what would tell them apart. */
export function wayAlternatives(
  { facts, evidence }: ProbeQuestion,
  of: { readonly direction: Direction; readonly mode: Mode | null; readonly inner: Family },
): Draft['alternatives'] {
  const other = facts.to;
  const refused = isRefused(evidence);
  const mode = of.mode ?? facts.modes.there;
  return [
    ...(mode === null
      ? []
      : [
          {
            code: dropCode(mode, of.inner),
            test: `on ${other}: selvage route-explain --probe ${facts.from}; or look there whether the packets arrive at its NIC`,
          } as const,
        ]),
    {
      code: 'guard-differs',
      test: `on ${other}: selvage route-explain ${facts.from}: does its state differ?`,
    },
    ...(refused
      ? [
          {
            code: 'duplicate-node-address',
            test: duplicateTest(other),
          } as const,
        ]
      : []),
  ];
}
