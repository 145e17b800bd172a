/** Round trips: echoes between the underlay addresses, and between the tunnel addresses. */
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { ProbeEvidence } from './evidence.js';
import type { Suspect } from './from-state.js';
import type { Loss } from './loss.js';
import { arrived, couldTake, endOf, probeText } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';
import { directions, isMild, mayBeChance, passing, promoted, sum } from './probe-question.js';
import { wayAlternatives } from './underlay-drop.js';

/** Nothing at all answers, or ICMP alone is dropped. */
export function underlayDrafts(question: ProbeQuestion): readonly Draft[] {
  const { evidence, facts, suspects, drafts } = question;
  const echoes = evidence.probes.filter(({ layer }) => layer === 'underlay');
  if (echoes.length === 0) return [];
  const control = evidence.probes.filter(({ layer }) => layer === 'control');
  const sent = sum(echoes.map((probe) => probe.sent));
  const answered = sum(echoes.map((probe) => probe.answered));
  if (answered >= sent || sent === 0) return [];
  const texts = [...echoes, ...control].map(probeText);
  const passes =
    control.some((probe) => probe.answered > 0) ||
    evidence.probes.some((probe) => probe.layer === 'inner' && probe.answered > 0) ||
    evidence.probes.some((probe) => probe.layer === 'tunnel' && receivedSome(probe));
  const loss: Loss = {
    probe: echoes[0]!,
    after: null,
    before: 'receiver-nic',
    hops: new Set([1, 2]),
    lost: sent - answered,
    total: answered === 0,
  };
  const chance = passes && echoes.every((probe) => mayBeChance(evidence, probe));
  if (answered > 0 || chance) {
    const others = evidence.probes.filter(({ layer }) => layer === 'control' || layer === 'inner');
    return [
      draft('underlay-lossy', {
        direction: 'both',
        place: 20,
        text: `${sent - answered} of ${sent} echoes between the underlay addresses of ${facts.from} and ${facts.to} are lost`,
        evidence: [...echoes, ...others].map(probeText),
      }),
    ];
  }
  if (passes)
    return [
      draft('underlay-drops-icmp', {
        direction: 'both',
        place: 20,
        text: `the underlay drops ICMP between ${facts.from} and ${facts.to}; other packets pass`,
        evidence: texts,
      }),
    ];
  const able = suspects.filter(
    (suspect) =>
      suspect.certain &&
      !isMild(suspect) &&
      directions.some((direction) =>
        couldTake(
          { ...loss, hops: new Set([1, 2]) },
          { stage: suspect.report.stage, end: endOf(suspect.side, direction) },
        ),
      ) &&
      ['underlay-route', 'nic'].includes(suspect.report.stage),
  );
  if (able.length > 0) {
    for (const suspect of able) drafts.get(suspect)?.evidence.push(...texts);
    return [];
  }
  const doubtful = suspects.filter(
    (suspect) => !suspect.certain && suspect.report.stage === 'underlay-route',
  );
  const [only] = doubtful;
  if (only !== undefined && doubtful.length === 1)
    return [promoted(only, { direction: 'both', evidence: texts, lostBetween: null })];
  return [
    draft('underlay-unreachable', {
      direction: 'both',
      place: 20,
      health: evidence.to === null ? 'UNDETERMINED' : 'BROKEN',
      text: `nothing of ${facts.to} answers ${facts.from} on the underlay`,
      evidence: texts,
      alternatives: evidence.to === null ? unreachableAlternatives(question) : [],
    }),
  ];
}

/** No answer looks alike, whether the question or the answer found no way, or nobody is there. */
function unreachableAlternatives({ facts, evidence }: ProbeQuestion): Draft['alternatives'] {
  const back = evidence.from?.terms.underlay[0] ?? `the underlay address of ${facts.from}`;
  return [
    {
      code: 'underlay-route-missing',
      test: `on ${facts.to}, by its console: ip route get ${back}`,
    },
    {
      code: 'nic-down',
      test: `on ${facts.to}, by its console: ip link; does any other node reach ${facts.to}?`,
    },
  ];
}

function receivedSome(probe: ProbeEvidence): boolean {
  return (probe.seen['receiver-nic'] ?? 0) > 0 || (probe.seen['receiver-tunnel'] ?? 0) > 0;
}

/**
 * Echoes between the tunnel addresses stay without an answer. `explained`: what the state of one of
 * the nodes has taken of other packets of the same way, it has taken of these.
 */
export function echoDrafts(
  question: ProbeQuestion,
  {
    found,
    explained,
  }: { readonly found: readonly Draft[]; readonly explained: readonly Suspect[] },
): readonly Draft[] {
  const { evidence, facts, suspects, drafts } = question;
  const inner = evidence.probes.filter(({ layer }) => layer === 'inner');
  const sent = sum(inner.map((probe) => probe.sent));
  const answered = sum(inner.map((probe) => probe.answered));
  if (sent === 0 || answered >= sent) return [];
  const texts = inner.map(probeText);
  if (found.length > 0 && found.some(({ code }) => code !== 'underlay-drops-icmp')) {
    found[0]!.evidence.push(...texts);
    return [];
  }
  const able = suspects.filter(
    (suspect) =>
      explained.includes(suspect) ||
      (suspect.certain &&
        !isMild(suspect) &&
        !['agent', 'forwarding', 'delivery'].includes(suspect.report.stage) &&
        suspect.code !== 'filter-drops-overlay'),
  );
  if (able.length > 0) {
    for (const suspect of able) drafts.get(suspect)?.evidence.push(...texts);
    return [];
  }
  const silent = suspects.find(({ code }) => code === 'echo-ignored');
  if (silent !== undefined && answered === 0)
    return [
      {
        ...promoted(silent, { direction: 'both', evidence: texts, lostBetween: null }),
        health: 'DEGRADED',
      },
    ];
  const ways = directions.map((direction) =>
    evidence.probes.filter((probe) => probe.layer === 'tunnel' && probe.direction === direction),
  );
  const bothPass = ways.every((probes) => probes.length > 0 && probes.some(arrived));
  if (answered > 0)
    return [
      draft('underlay-lossy', {
        direction: 'both',
        place: 20,
        text: `${sent - answered} of ${sent} echoes between ${facts.from} and ${facts.to} through the overlay are lost`,
        evidence: texts,
      }),
    ];
  if (bothPass && evidence.to !== null)
    return [
      draft('echo-lost', {
        direction: 'both',
        place: 36,
        text: `packets pass both ways between ${facts.from} and ${facts.to}, and echo requests stay without an answer`,
        evidence: texts,
        alternatives: [
          {
            code: 'echo-ignored',
            test: `on ${facts.to}: nft list ruleset, and sysctl net.ipv4.icmp_echo_ignore_all`,
          },
        ],
      }),
    ];
  return [
    draft('lost-on-the-way', {
      direction: 'both',
      place: 20,
      text: `echoes from ${facts.from} to ${facts.to} through the overlay stay without an answer${evidence.to === null ? `, and the state of ${facts.to} is not known` : ''}`,
      evidence: [...texts, ...passing(evidence, 'there')],
      alternatives: wayAlternatives(question, {
        direction: 'there',
        mode: facts.modes.there,
        inner: inner[0]!.family,
      }),
    }),
  ];
}
