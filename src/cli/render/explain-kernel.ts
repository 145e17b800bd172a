/** Desired against actual, and the way back. */
import type {
  ExplainReport,
  KernelObjectReport,
  ObjectState,
} from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import type { Span, Style } from './layout.js';
import { fill, pad, row } from './layout.js';

const stateWidth = 'missing'.length;

export function explainKernelSection(report: ExplainReport, terminal: Terminal): string[] {
  const { kernel, question } = report;
  const { paint, width } = terminal;
  const title = paint.bold(`Kernel of ${question.from.node}`);
  if (!kernel.compared) return [`${title}${paint.dim(`: not compared, ${kernel.reason}`)}`];
  const { effective } = kernel;
  const wins =
    effective === null
      ? [{ text: 'no route of the main table holds the address', style: paint.yellow }]
      : [
          { text: 'the winning route is', style: paint.dim },
          { text: effective.ours ? 'ours' : `not ours: ${effective.route}`, style: paint.dim },
        ];
  return [
    title,
    ...kernel.objects.flatMap((object) => objectRows(object, terminal)),
    ...fill(wins, { width, indent: 2, hang: 4 }),
  ];
}

function objectRows(object: KernelObjectReport, terminal: Terminal): string[] {
  const { paint } = terminal;
  const [mark, style] = stateMark(object.state, terminal);
  const head = [mark, { text: pad(object.state, stateWidth), style }];
  const options = { ...terminal, indent: 2 };
  if (object.state === 'match')
    return row(head, { text: object.desired, style: paint.dim }, options);
  const lines = [...row(head, object.desired, options)];
  if (object.changedAt !== null)
    lines.push(
      ...row(
        [{ text: ' ' }, { text: pad('changed', stateWidth), style: paint.dim }],
        { text: `${object.changedAt}: ${object.changedBy ?? ''}`, style: paint.dim },
        options,
      ),
    );
  if (object.actual === null) return lines;
  const why =
    object.state === 'foreign'
      ? `held by ${object.holder}, left alone`
      : `differs in ${object.attributes.join(', ')}`;
  const below = [{ text: ' ' }, { text: pad('actual', stateWidth), style: paint.dim }];
  return [...lines, ...row(below, [object.actual, { text: `(${why})`, style }], options)];
}

function stateMark(state: ObjectState, terminal: Terminal): [Span, Style] {
  const { paint } = terminal;
  switch (state) {
    case 'match':
      return [{ text: '✓', style: paint.green }, paint.dim];
    case 'missing':
      return [{ text: '✗', style: paint.red }, paint.red];
    case 'drift':
    case 'foreign':
      return [{ text: '✗', style: paint.red }, paint.yellow];
  }
}

export function explainReturnSection(report: ExplainReport, terminal: Terminal): string[] {
  const { returnPath } = report;
  const { paint, width } = terminal;
  const title = paint.bold('Return path');
  if (returnPath.omitted !== null) return [`${title}${paint.dim(`: none, ${returnPath.omitted}`)}`];
  const same = returnPath.asymmetric ? paint.yellow('asymmetric') : 'symmetric';
  const mark: Span = returnPath.asymmetric
    ? { text: '✗', style: paint.yellow }
    : { text: '✓', style: paint.green };
  const kind = returnPath.kind ?? '';
  const by = ruleWords(returnPath.rule);
  return [
    `${title}${paint.dim(`, ${returnPath.from} to ${returnPath.to}:`)} ${same}`,
    ...row([mark, { text: kind, style: paint.bold }], returnPath.summary ?? '', {
      width,
      indent: 2,
    }),
    ...[by, ...returnPath.differences]
      .filter((text) => text !== '')
      .flatMap((text) =>
        fill(
          { text, style: text === by ? paint.dim : paint.yellow },
          { width, indent: 4, hang: 6 },
        ),
      ),
  ];
}

function ruleWords(rule: string | null): string {
  if (rule === null) return '';
  return rule === 'default' ? 'no rule matched: the default, auto, applies' : `rule ${rule}`;
}
