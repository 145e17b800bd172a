/**
 * Which sizes pass: a path that carries less than the decision counts on, and whether it says so.
 */
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import { probeText } from './loss.js';
import type { FindingCode } from './codes.js';
import type { ProbeQuestion } from './probe-question.js';

/** Differences of the state that make packets of full size too large. */
const smaller: ReadonlySet<FindingCode> = new Set([
  'nic-mtu-small',
  'path-mtu-learned',
  'device-differs',
  'route-differs',
]);

export function sizeDrafts(question: ProbeQuestion): readonly Draft[] {
  const { evidence, facts, suspects, drafts } = question;
  const { pathMtu } = evidence;
  // Where not even small packets pass, size is not what is wrong.
  const measuredBytes = pathMtu?.measuredBytes ?? null;
  if (pathMtu === null || measuredBytes === null) return [];
  const { expectedBytes, blackHole } = pathMtu;
  if (measuredBytes >= expectedBytes) return [];
  const sizes = evidence.probes.filter(({ layer }) => layer === 'size');
  const texts = [
    `largest packet that came back: ${measuredBytes} bytes of ${expectedBytes}`,
    ...sizes
      .filter((probe) => probe.answered < probe.sent)
      .slice(-2)
      .map(probeText),
  ];
  const able = suspects.filter(
    ({ code, report }) =>
      smaller.has(code) && report.attributes.some((attribute) => attribute.endsWith('mtu')),
  );
  // A router's word that the kernel remembers is the path's own doing.
  const local = able.filter(({ code }) => code !== 'path-mtu-learned');
  if (local.length > 0) {
    for (const suspect of local) drafts.get(suspect)?.evidence.push(...texts);
    return [];
  }
  for (const suspect of able) {
    const known = drafts.get(suspect);
    if (known !== undefined) known.severity = 'contributing';
  }
  return [
    draft(blackHole ? 'path-mtu-black-hole' : 'path-mtu-smaller', {
      direction: 'both',
      place: 22,
      text: blackHole
        ? `packets of more than ${measuredBytes} bytes vanish between ${facts.from} and ${facts.to} without a word; ${expectedBytes} are counted on`
        : `the path between ${facts.from} and ${facts.to} carries packets of ${measuredBytes} bytes, not of ${expectedBytes}`,
      evidence: texts,
    }),
  ];
}
