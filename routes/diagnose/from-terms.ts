/**
 * What both nodes must believe alike: configuration, VXLAN segment, the peer's own decision, the
 * modes of the two directions.
 */
import type { ExplainReport } from '../explain-report.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Evidence } from './evidence.js';

export interface TermsQuestion {
  readonly report: ExplainReport;
  readonly evidence: Evidence;
  readonly names: { readonly from: string; readonly to: string };
}

export function termsDrafts(question: TermsQuestion): readonly Draft[] {
  return [...wayBackDrafts(question), ...configDrafts(question)];
}

function wayBackDrafts({ report, evidence, names }: TermsQuestion): readonly Draft[] {
  const { verdict, returnPath } = report;
  const told = evidence.to?.terms.verdict;
  const back = told ?? returnPath.kind;
  if (verdict.mode === null || returnPath.omitted !== null || back === null) return [];
  const place = 40;
  if (back === 'NO-ROUTE' || back === 'DENIED')
    return [
      draft('no-way-back', {
        direction: 'back',
        place,
        node: names.to,
        text: `${names.to} has no way back to ${names.from}: ${told === undefined || told === returnPath.kind ? (returnPath.summary ?? back) : `its own decision is ${back}`}`,
      }),
    ];
  if (back === verdict.kind) return [];
  const avoids = [evidence.from, evidence.to].some((view) => (view?.terms.avoids ?? []).length > 0);
  const rule = avoids || returnPath.rule === null ? '' : ` (${returnPath.rule})`;
  return [
    draft('asymmetric-modes', {
      direction: 'both',
      place,
      severity: avoids ? 'contributing' : 'cause',
      text: `${verdict.kind} from ${names.from} to ${names.to}, ${back} back${rule}`,
      evidence: returnPath.differences.slice(),
    }),
  ];
}

function configDrafts({ report, evidence, names }: TermsQuestion): readonly Draft[] {
  const { from, to } = evidence;
  if (from === null || to === null) return [];
  const a = from.terms;
  const b = to.terms;
  const place = 41;
  const found: Draft[] = [];
  const encapsulates = [report.verdict.kind, report.returnPath.kind, b.verdict].includes('VXLAN');
  const differ = (what: string, here: string | number, there: string | number): string =>
    `${what} ${here} on ${names.from}, ${there} on ${names.to}`;
  if (encapsulates && a.vxlan.vni !== b.vxlan.vni)
    found.push(
      draft('vni-differs', {
        direction: 'both',
        place,
        text: differ('VNI', a.vxlan.vni, b.vxlan.vni),
      }),
    );
  if (encapsulates && a.vxlan.port !== b.vxlan.port)
    found.push(
      draft('vxlan-port-differs', {
        direction: 'both',
        place,
        text: differ('VXLAN port', a.vxlan.port, b.vxlan.port),
      }),
    );
  if (a.configDigest === b.configDigest) return found;
  const expected = report.returnPath.kind;
  return [
    ...found,
    draft('config-differs', {
      direction: 'both',
      place: place + 1,
      severity: found.length > 0 ? 'contributing' : 'cause',
      text: `${names.from} and ${names.to} work from different configurations`,
      evidence: [
        differ('digest', a.configDigest, b.configDigest),
        ...(expected === null || expected === b.verdict
          ? []
          : [`${names.from} expects ${expected} back, ${names.to} has decided ${b.verdict}`]),
      ],
    }),
  ];
}
