/** Why not the others: for each mode that was not chosen what would bring it, in one line. */
import type { ExplainReport, WhyNotLine } from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import type { Span } from './layout.js';
import { fill } from './layout.js';

export function explainOthersSection(report: ExplainReport, terminal: Terminal): string[] {
  const { flips, unflippable } = report.why;
  const { paint, width } = terminal;
  if (flips.length + unflippable.length === 0) return [];
  return [
    paint.bold('Why not the others'),
    ...flips.flatMap(({ text, changes }) => [
      ...fill(text, { width, indent: 2, hang: 4 }),
      ...changes.flatMap(({ patch }) =>
        fill(
          { text: `--what-if ${quoted(patch)}`, style: paint.dim },
          { width, indent: 4, hang: 6 },
        ),
      ),
    ]),
    ...unflippable.flatMap(({ text }) =>
      fill({ text, style: paint.dim }, { width, indent: 2, hang: 4 }),
    ),
  ];
}

/** The answer to `--why-not`. */
export function explainWhyNotSection(report: ExplainReport, terminal: Terminal): string[] {
  const { whyNot } = report;
  if (whyNot === undefined) return [];
  const { paint, width } = terminal;
  const fillIn = (text: Parameters<typeof fill>[0]): string[] =>
    fill(text, { width, indent: 2, hang: 4 });
  return [
    paint.bold(`Why not ${whyNot.mode}`),
    ...fillIn(whyNot.summary),
    ...whyNot.lines.flatMap((line) => fillIn(against(line, terminal))),
    ...(whyNot.flip === null ? [] : fillIn(whyNot.flip)),
  ];
}

function against({ text, fact }: WhyNotLine, { paint }: Terminal): (string | Span)[] {
  const mark = { text: '✗', style: paint.red };
  if (fact === null) return [mark, text];
  return [mark, text, { text: `[${fact.source}, ${fact.mark}]`, style: paint.dim }];
}

/** For a shell. */
function quoted(patch: string): string {
  return `'${patch.replaceAll("'", `'\\''`)}'`;
}
