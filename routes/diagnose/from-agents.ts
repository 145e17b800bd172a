/**
 * Whether the peer's agent answers where it should, the underlay address of the peer, and if not,
 * who does. An agent that tells through the overlay what it does not tell on the underlay runs;
 * then somebody else has the address, or a filter has the port.
 */
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Evidence, ProbeEvidence } from './evidence.js';
import { arrived, probeText } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';
import { mayBeChance } from './probe-question.js';
import { segmentDrafts } from './from-segment.js';
import { duplicateAddress, duplicateTest, isRefused } from './underlay-drop.js';

type Alternatives = Draft['alternatives'];

export function agentDrafts(question: ProbeQuestion): readonly Draft[] {
  const { evidence, facts } = question;
  const asked = evidence.probes.filter(({ layer }) => layer === 'control');
  const texts = asked.map(probeText);
  const instead = evidence.answeredInstead ?? null;
  if (instead !== null)
    return [
      draft('duplicate-node-address', {
        direction: 'both',
        place: 20,
        node: instead,
        text: `${instead} answers under the underlay address of ${facts.to}`,
        evidence: texts,
      }),
    ];
  if (asked.length === 0 || asked.some((probe) => probe.answered > 0)) return [];
  const echoes = evidence.probes.filter(({ layer }) => layer === 'underlay');
  texts.push(...echoes.map(probeText));
  // What cannot be reached at all cannot answer either.
  const silent = echoes.length > 0 && echoes.every((probe) => probe.answered === 0);
  if (silent && !isRefused(evidence) && !innerAnswers(evidence)) return [];
  return evidence.to === null ? [untold(question, texts)] : toldElsewhere(question, asked);
}

/** Nothing of the peer's agent is known. */
function untold({ evidence, facts }: ProbeQuestion, texts: string[]): Draft {
  const { to } = facts;
  // The echo comes from the tunnel address: who sends it is the peer, and nobody with its address.
  const dark = innerLost(evidence);
  const base = {
    direction: 'both',
    place: 50,
    node: to,
    stage: 'agent',
    evidence: texts,
    ...(dark ? ({ health: 'UNDETERMINED' } as const) : {}),
  } as const;
  const duplicate: Alternatives = dark
    ? [{ code: 'duplicate-node-address', test: duplicateTest(to) }]
    : [];
  if (isRefused(evidence))
    return draft('peer-agent-not-running', {
      ...base,
      text: `no agent answers on ${to}: its control port is closed`,
      alternatives: duplicate,
    });
  const why = evidence.peerSilence === null ? '' : ` (${evidence.peerSilence})`;
  return draft('peer-agent-silent', {
    ...base,
    text: `the agent of ${to} does not answer${why}`,
    alternatives: [
      { code: 'peer-agent-not-running', test: `on ${to}: systemctl status selvage-agent` },
      {
        code: 'control-port-blocked',
        test: `on ${to}: does tcpdump see the control packets of ${facts.from} arrive?`,
      },
      ...duplicate,
    ],
  });
}

/** It runs: it told its view through the overlay. */
function toldElsewhere(question: ProbeQuestion, asked: readonly ProbeEvidence[]): readonly Draft[] {
  const { evidence, facts } = question;
  const { to } = facts;
  const texts = asked.map(probeText);
  const duplicate = duplicateAddress(question, 'there');
  if (duplicate !== undefined) {
    duplicate.evidence.push(...texts);
    if (innerAnswers(evidence)) duplicate.health = 'DEGRADED';
    return [duplicate];
  }
  const refused = isRefused(evidence);
  // Then it was the other host that refused, and that there is one is told of its own.
  if (refused && segmentDrafts(question).some(({ node }) => node === to)) return [];
  // Where many packets of all kinds are lost, those may have been lost with them.
  if (!refused && asked.every((probe) => mayBeChance(evidence, probe))) return [];
  return [
    draft('control-port-blocked', {
      direction: 'both',
      place: 50,
      node: to,
      stage: 'agent',
      ...(refused ? ({ health: 'UNDETERMINED' } as const) : {}),
      text: `the agent of ${to} answers through the overlay and not on the underlay, where its control port is ${refused ? 'refused' : 'silent'}`,
      evidence: texts,
      alternatives: refused ? [{ code: 'duplicate-node-address', test: duplicateTest(to) }] : [],
    }),
  ];
}

function innerAnswers({ probes }: Evidence): boolean {
  return probes.some(({ layer, answered }) => layer === 'inner' && answered > 0);
}

/** Looked for, and neither an echo nor a packet that arrives. */
function innerLost(evidence: Evidence): boolean {
  const { probes } = evidence;
  const inner = probes.filter(({ layer }) => layer === 'inner');
  return (
    inner.length > 0 &&
    inner.every((probe) => probe.answered === 0 && !mayBeChance(evidence, probe)) &&
    !probes.some((probe) => probe.layer === 'tunnel' && probe.path === 'routed' && arrived(probe))
  );
}
