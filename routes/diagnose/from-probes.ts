/**
 * What probes say: for each direction the first place where packets are missing, laid upon what is
 * known of the state between. A loss that some state explains is evidence for that; one between
 * the two NICs that nothing explains is the underlay's; one inside of a node is not explained yet,
 * and says which of the things that could not be judged are in question.
 */
import type { Mode } from '../../encap/mode.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Direction } from './evidence.js';
import { echoDrafts, underlayDrafts } from './from-echoes.js';
import type { Suspect } from './from-state.js';
import { concerns } from './from-state.js';
import type { Loss } from './loss.js';
import { couldTake, endOf, lossOf, probeText, wayBackStages } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';
import { directions, isMild, passing, promoted } from './probe-question.js';
import { duplicateAddress, underlayDrop, wayAlternatives } from './underlay-drop.js';

/** New findings; those of the state get their evidence. */
export function probeDrafts(question: ProbeQuestion): readonly Draft[] {
  const { evidence } = question;
  if (evidence.probes.length === 0) return [];
  const found: Draft[] = [];
  const explained: Suspect[] = [];
  const unreachable = underlayDrafts(question);
  found.push(...unreachable);
  for (const direction of directions) {
    const lost = tunnelLosses(question, direction);
    for (const loss of lost) {
      const by = explainLoss(question, { loss, direction });
      explained.push(...by);
      if (by.length > 0) continue;
      const known = unreachable.find(({ code }) => code !== 'underlay-drops-icmp');
      if (known !== undefined && loss.hops.has(2)) known.evidence.push(probeText(loss.probe));
      else found.push(...unexplained(question, { loss, direction }, found));
    }
  }
  found.push(...echoDrafts(question, { found, explained }));
  return found;
}

/** One-way probes of the way in use that miss packets, routed ones first, one a kind. */
function tunnelLosses({ evidence, facts }: ProbeQuestion, direction: Direction): readonly Loss[] {
  const mode = facts.modes[direction];
  const probes = evidence.probes.filter(
    (probe) =>
      probe.layer === 'tunnel' &&
      probe.direction === direction &&
      (probe.path === 'routed' || mode === null || probe.mode === mode || probe.mode === null),
  );
  const losses = probes.flatMap((probe) => lossOf(probe) ?? []);
  const routed = losses.filter(({ probe }) => probe.path === 'routed');
  const crafted = losses.filter(({ probe }) => probe.path === 'crafted');
  // Packets that were handed to the underlay tell of it even where the sender loses its own.
  return [...routed.slice(0, 1), ...crafted.slice(0, 1)];
}

/** The suspects that could have taken these packets; uncertain ones only where no other could. */
function explainLoss(
  { suspects, drafts, facts }: ProbeQuestion,
  of: { readonly loss: Loss; readonly direction: Direction },
): readonly Suspect[] {
  const { loss, direction } = of;
  const able = suspects.filter(
    (suspect) =>
      (concerns(suspect.report, direction) ||
        (endOf(suspect.side, direction) === 'receiver' &&
          wayBackStages.has(suspect.report.stage))) &&
      couldTake(loss, {
        stage: suspect.report.stage,
        end: endOf(suspect.side, direction),
      }) &&
      takesTunnelPackets(suspect, { loss, mode: facts.modes[direction] }),
  );
  const certain = able.filter((suspect) => suspect.certain && !isMild(suspect));
  for (const suspect of certain) note(drafts.get(suspect), loss);
  return certain;
}

/** A filter for what is forwarded lets a node's own packets pass, and tunnel packets are that. */
function takesTunnelPackets(
  suspect: Suspect,
  of: { readonly loss: Loss; readonly mode: Mode | null },
): boolean {
  const { code } = suspect;
  if (code === 'filter-drops-overlay') return of.mode === 'native';
  return code !== 'forwarding-off' && code !== 'masquerade-hits-overlay';
}

function note(found: Draft | undefined, loss: Loss): void {
  if (found === undefined) return;
  found.evidence.push(probeText(loss.probe));
  if (loss.after !== null) found.lostBetween ??= [loss.after, loss.before];
}

/** A loss that no certain suspect explains. */
function unexplained(
  question: ProbeQuestion,
  of: { readonly loss: Loss; readonly direction: Direction },
  already: readonly Draft[],
): readonly Draft[] {
  const { facts, suspects, evidence } = question;
  const { loss, direction } = of;
  const [sender, receiver] =
    direction === 'there' ? [facts.from, facts.to] : [facts.to, facts.from];
  const base = {
    direction,
    evidence: [probeText(loss.probe), ...passing(evidence, direction)],
    lostBetween: loss.after === null ? null : ([loss.after, loss.before] as const),
  };
  const doubtful = suspects.filter(
    (suspect) =>
      !suspect.certain &&
      suspect.report.stage !== 'delivery' &&
      concerns(suspect.report, direction) &&
      couldTake(loss, { stage: suspect.report.stage, end: endOf(suspect.side, direction) }),
  );
  const [only] = doubtful;
  if (only !== undefined && doubtful.length === 1 && loss.total) return [promoted(only, base)];
  const alternatives = doubtful.map((suspect) => ({
    code: suspect.code,
    test: `take away on ${suspect.node}, and probe again: ${suspect.report.actual ?? suspect.report.key}`,
  }));
  const onlyUnderlay = loss.hops.size === 1 && loss.hops.has(2);
  if (onlyUnderlay) {
    const duplicate = duplicateAddress(question, direction);
    if (duplicate !== undefined) {
      duplicate.evidence.push(...base.evidence);
      return [duplicate];
    }
    if (!loss.total)
      return already.some(({ code }) => code === 'underlay-lossy')
        ? []
        : [
            draft('underlay-lossy', {
              ...base,
              place: 20,
              text: `${loss.lost} of ${loss.probe.sent} packets from ${sender} are lost on the way to ${receiver}`,
            }),
          ];
    return underlayDrop(question, { loss, base, names: { sender, receiver }, already });
  }
  if (loss.before === 'sender-tunnel' || loss.before === 'sender-nic')
    return [
      draft('lost-in-sender', {
        ...base,
        place: 12,
        node: sender,
        text: `packets to ${receiver} vanish inside of ${sender} before ${loss.before}, and all state there is as it should be`,
        alternatives:
          alternatives.length > 0
            ? alternatives
            : [
                {
                  code: 'nic-hook',
                  test: `on ${sender}: bpftool net show; tc filter show dev DEVICE egress`,
                },
              ],
      }),
    ];
  if (loss.after === 'receiver-nic' || loss.after === 'receiver-tunnel') {
    const view = direction === 'there' ? evidence.to : evidence.from;
    return [
      draft('lost-in-receiver', {
        ...base,
        place: 32,
        node: receiver,
        text:
          view === null
            ? `packets of ${sender} reach ${receiver} and vanish there; its state is not known`
            : `packets of ${sender} reach ${receiver} and vanish before ${loss.before}, and all state there is as it should be`,
        alternatives:
          alternatives.length > 0
            ? alternatives
            : [{ code: 'nic-hook', test: `on ${receiver}: bpftool net show; nft list ruleset` }],
      }),
    ];
  }
  return [
    draft('lost-on-the-way', {
      ...base,
      place: 20,
      text: `packets of ${sender} leave it and do not reach ${receiver}; nobody looked where they are lost`,
      alternatives: [
        ...alternatives,
        ...wayAlternatives(question, {
          direction,
          mode: loss.probe.mode,
          inner: loss.probe.family,
        }),
      ],
    }),
  ];
}
