/**
 * Which sizes pass: a path that carries less than the decision counts on, and whether it says so.
 * Echoes of many sizes tell how much comes back; packets of full size, one way each, tell which of
 * the two directions it is, and speak even where no echo comes back for another reason.
 */
import type { FindingCode } from './codes.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Direction, ProbeEvidence } from './evidence.js';
import { lossOf, probeText } from './loss.js';
import type { ProbeQuestion } from './probe-question.js';
import { directions } from './probe-question.js';

/** Differences of the state that make packets of full size too large. */
const smaller: ReadonlySet<FindingCode> = new Set([
  'nic-mtu-small',
  'path-mtu-learned',
  'device-differs',
  'route-differs',
]);

/** What of the sizes is wrong, before anybody has looked for a reason. */
interface TooLarge {
  readonly direction: Direction | 'both';
  /** Nobody said that the packets are too large. */
  readonly blackHole: boolean;
  readonly text: string;
  readonly evidence: readonly string[];
}

export function sizeDrafts(question: ProbeQuestion): readonly Draft[] {
  const { suspects, drafts } = question;
  const found = tooLarge(question);
  if (found === undefined) return [];
  const able = suspects.filter(
    ({ code, report }) =>
      smaller.has(code) && report.attributes.some((attribute) => attribute.endsWith('mtu')),
  );
  // A router's word that the kernel remembers is the path's own doing.
  const local = able.filter(({ code }) => code !== 'path-mtu-learned');
  if (local.length > 0) {
    for (const suspect of local) drafts.get(suspect)?.evidence.push(...found.evidence);
    return [];
  }
  for (const suspect of able) {
    const known = drafts.get(suspect);
    if (known !== undefined) known.severity = 'contributing';
  }
  return [
    draft(found.blackHole ? 'path-mtu-black-hole' : 'path-mtu-smaller', {
      direction: found.direction,
      place: 22,
      text: found.text,
      evidence: [...found.evidence],
    }),
  ];
}

function tooLarge(question: ProbeQuestion): TooLarge | undefined {
  const { pathMtu } = question.evidence;
  const lost = directions.filter((direction) => fullSizeLost(question, direction));
  const [only] = lost;
  const direction = only !== undefined && lost.length === 1 ? only : 'both';
  // Where not even small packets come back, size is not what is wrong with the echoes.
  const measuredBytes = pathMtu?.measuredBytes ?? null;
  if (pathMtu === null || measuredBytes === null)
    return only === undefined ? undefined : oneWay(question, { direction, first: only });
  const { expectedBytes, blackHole } = pathMtu;
  if (measuredBytes >= expectedBytes) return undefined;
  const ends = between(question, direction);
  return {
    direction,
    blackHole,
    text: blackHole
      ? `packets of more than ${measuredBytes} bytes vanish ${ends} without a word; ${expectedBytes} are counted on`
      : `the path ${ends} carries packets of ${measuredBytes} bytes, not of ${expectedBytes}`,
    evidence: [
      `largest packet that came back: ${measuredBytes} bytes of ${expectedBytes}`,
      ...sizesOf(question)
        .filter((probe) => probe.answered < probe.sent)
        .slice(-2)
        .map(probeText),
    ],
  };
}

/** From the packets of full size alone: nothing is known of the sizes between. */
function oneWay(
  question: ProbeQuestion,
  of: { readonly direction: Direction | 'both'; readonly first: Direction },
): TooLarge {
  const probes = sizesOf(question).filter((probe) => probe.direction === of.first);
  const bytes = Math.max(...probes.map(({ packetBytes }) => packetBytes));
  const told = probes.some(({ errors }) => errors.some((error) => error.startsWith('frag-needed')));
  return {
    direction: of.direction,
    blackHole: !told,
    text: `packets of ${bytes} bytes vanish ${between(question, of.direction)}${told ? '' : ' without a word'}; small ones pass`,
    evidence: probes.map(probeText),
  };
}

/** All of them lost between the two NICs, where small ones of the same direction all pass. */
function fullSizeLost(question: ProbeQuestion, direction: Direction): boolean {
  const full = sizesOf(question).filter((probe) => probe.direction === direction);
  const small = question.evidence.probes.filter(
    (probe) => probe.layer === 'tunnel' && probe.direction === direction && probe.path === 'routed',
  );
  return (
    full.some(onTheWay) &&
    small.length > 0 &&
    small.every(({ seen, sent }) => sent > 0 && (seen['receiver-nic'] ?? 0) >= sent)
  );
}

function onTheWay(probe: ProbeEvidence): boolean {
  const loss = lossOf(probe);
  return loss?.total === true && loss.hops.size === 1 && loss.hops.has(2);
}

function sizesOf({ evidence }: ProbeQuestion): readonly ProbeEvidence[] {
  return evidence.probes.filter(({ layer }) => layer === 'size');
}

function between({ facts }: ProbeQuestion, direction: Direction | 'both'): string {
  switch (direction) {
    case 'there':
      return `from ${facts.from} to ${facts.to}`;
    case 'back':
      return `from ${facts.to} to ${facts.from}`;
    case 'both':
      return `between ${facts.from} and ${facts.to}`;
  }
}
