/** Why a mode was not chosen for this pair: everything that speaks against it, each with its source. */
import type { Mode } from '../encap/mode.js';
import type {
  CandidateReport,
  ExplainReport,
  WhyNotLine,
  WhyNotReport,
  WhyReport,
} from './explain-report.js';

/** Read off the report, so that it cannot say anything else. */
export function explainWhyNot(report: ExplainReport, mode: Mode): WhyNotReport {
  const { verdict, why } = report;
  const name = mode.toUpperCase();
  const flip =
    why.flips.find((one) => one.mode === mode)?.text ??
    why.unflippable.find((one) => one.mode === mode)?.text ??
    null;
  const answer = (summary: string, lines: readonly WhyNotLine[] = []): WhyNotReport => ({
    mode,
    summary,
    lines,
    flip,
  });
  if (verdict.mode === mode) return answer(`${name} is what was chosen`);
  if (verdict.kind === 'LOCAL' || verdict.kind === 'DENIED') return answer(verdict.summary);
  const candidates = why.candidates.filter((one) => one.mode === mode);
  if (candidates.length === 0) return answer(verdict.summary);
  const chosen = why.candidates.find((one) => one.outcome === 'chosen');
  const possible = candidates.find((one) => one.outcome === 'possible');
  if (possible !== undefined && chosen !== undefined)
    return answer(
      `${possible.name} would be possible, but ${chosen.name} costs less: ${chosen.overheadBytes} bytes a packet against ${possible.overheadBytes}`,
    );
  return answer(
    `${name} is excluded`,
    withAddresses(candidates).flatMap((candidate, _, { length }) =>
      against(candidate, { why, several: length > 1 }),
    ),
  );
}

/** What has no outer address says nothing where another family has them. */
function withAddresses(candidates: readonly CandidateReport[]): readonly CandidateReport[] {
  const real = candidates.filter(
    ({ exclusions }) => !exclusions.some(({ code }) => code === 'no-outer-address'),
  );
  return real.length > 0 ? real : candidates;
}

function against(
  candidate: CandidateReport,
  of: { readonly why: WhyReport; readonly several: boolean },
): readonly WhyNotLine[] {
  const over = of.several ? `over IPv${candidate.outerFamily}: ` : '';
  return candidate.exclusions.map(({ code, text, fact }) => ({
    code,
    text: over + (code === 'rule' ? ruleWords(of.why, text) : text),
    fact,
  }));
}

/** A rule that excludes is the one that matched; here with its line. */
function ruleWords({ rules }: WhyReport, text: string): string {
  const rule = rules.find(({ outcome }) => outcome === 'matched');
  return rule === undefined
    ? text
    : `rule ${rule.name} (${rule.source ?? 'built in'}) asks for ${rule.asksFor}`;
}
