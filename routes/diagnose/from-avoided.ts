/**
 * Ways that a node would take and does not, because its own probes were lost on them. Whoever asks
 * why the two directions differ, or why packets are larger than they need be, is told of the loss
 * and not of a rule.
 */
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { AvoidedWay, Direction } from './evidence.js';
import { lossOf, probeText } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';
import { dropCode } from './underlay-drop.js';

export function avoidedDrafts(question: ProbeQuestion): readonly Draft[] {
  const { evidence, facts } = question;
  const { from, to } = evidence;
  return [
    ...(from?.terms.avoids ?? []).flatMap((way) =>
      draftsOf(question, { way, direction: 'there', sender: facts.from, receiver: facts.to }),
    ),
    ...(to?.terms.avoids ?? []).flatMap((way) =>
      draftsOf(question, { way, direction: 'back', sender: facts.to, receiver: facts.from }),
    ),
  ];
}

function draftsOf(
  { evidence }: ProbeQuestion,
  of: {
    readonly way: AvoidedWay;
    readonly direction: Direction;
    readonly sender: string;
    readonly receiver: string;
  },
): readonly Draft[] {
  const { way, direction, sender, receiver } = of;
  const tried = evidence.probes.filter(
    (probe) =>
      probe.layer === 'tunnel' &&
      probe.path === 'crafted' &&
      probe.direction === direction &&
      probe.mode === way.mode &&
      probe.outerFamily === way.outerFamily,
  );
  const lost = tried.find((probe) => {
    const loss = lossOf(probe);
    return loss?.total === true && loss.hops.size === 1 && loss.hops.has(2);
  });
  const place = direction === 'there' ? 19 : 21;
  const avoided = draft('probe-avoids', {
    direction,
    place,
    text: `${way.name} from ${sender} to ${receiver} is lost and avoided: ${way.text}`,
    evidence: tried.map(probeText),
  });
  if (lost === undefined) return [avoided];
  // What has been found on the way before is lost now, too.
  const code = dropCode(way.mode, lost.family);
  return [
    avoided,
    draft(code, {
      direction,
      place: place + 1,
      health: 'DEGRADED',
      text: `${way.name} from ${sender} to ${receiver} is lost on the underlay; another way is taken`,
      evidence: [probeText(lost)],
      lostBetween: ['sender-nic', 'receiver-nic'],
    }),
  ];
}
