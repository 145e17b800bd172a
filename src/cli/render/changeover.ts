/** A change of configuration that is under way: what still goes the old way, and for how long. */
import type { ChangeoverReport } from '../../agent/changeover-report.js';
import { untilText } from '../../agent/changeover-report.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

/** The rest is a number, and all are in the JSON. */
const shownPrefixes = 4;

export function changeoverLines(report: ChangeoverReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { kept } = report;
  const what =
    report.step === 'waiting'
      ? 'what is new is received, and sent when every node is ready'
      : 'what is new is sent, and the old still received';
  const rest = kept.length - shownPrefixes;
  const details = [
    ...report.lines,
    ...kept
      .slice(0, shownPrefixes)
      .map(
        ({ prefix, node, keeps, waitsFor }) =>
          `${prefix} of ${node} keeps ${keeps}, and waits for ${waitsFor}`,
      ),
    ...(rest > 0 ? [`and ${rest} more prefixes keep their way`] : []),
  ];
  return [
    ...fill(
      [{ text: '~', style: paint.yellow }, `a change is under way ${untilText(report)}: ${what}`],
      { width, hang: 2 },
    ),
    ...details.flatMap((line) => fill(line, { width, indent: 2, hang: 4 })),
  ];
}
