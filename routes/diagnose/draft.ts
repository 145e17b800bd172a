/** A finding while it is put together: what it rests on grows as more evidence is looked at. */
import type { FindingCode } from './codes.js';
import { codeEntry } from './codes.js';
import type { Direction, Place, Stage, StageReport } from './evidence.js';
import type { Finding, Health } from './finding.js';

export interface Draft {
  readonly code: FindingCode;
  severity: Finding['severity'];
  health: Exclude<Health, 'OK'>;
  readonly node: string | null;
  readonly stage: Stage | null;
  readonly direction: Direction | 'both';
  readonly text: string;
  readonly evidence: string[];
  lostBetween: readonly [Place, Place] | null;
  readonly alternatives: { readonly code: FindingCode; readonly test: string }[];
  /** The state that it is about, for the remedies. */
  readonly report: StageReport | null;
  /** Which end of the packets of its first direction it is at, to be told in their order. */
  readonly place: number;
}

export function draft(
  code: FindingCode,
  given: Pick<Draft, 'text' | 'direction' | 'place'> & Partial<Omit<Draft, 'code'>>,
): Draft {
  return {
    code,
    severity: 'cause',
    health: codeEntry(code).health,
    node: null,
    stage: null,
    evidence: [],
    lostBetween: null,
    alternatives: [],
    report: null,
    ...given,
  };
}
