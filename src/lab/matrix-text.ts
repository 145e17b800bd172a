/**
 * The matrix for people: senders down, receivers across, in each field how packets travelled and
 * how large they may be. What went wrong follows pair by pair, then the totals.
 */
import Table from 'cli-table3';
import picocolors from 'picocolors';
import type { Matrix, MatrixPair } from './matrix.js';
import { isForwarded } from './matrix.js';

export interface MatrixTextOptions {
  readonly colour: boolean;
  /** `table` draws the grid; `lines` prints one pair a line, for logs and pipes. */
  readonly layout: 'table' | 'lines';
}

type Paint = ReturnType<typeof picocolors.createColors>;

export function matrixText(matrix: Matrix, options: MatrixTextOptions): string {
  const paint = picocolors.createColors(options.colour);
  const body = options.layout === 'table' ? grid(matrix, paint) : lines(matrix);
  return [
    body,
    '',
    ...(options.layout === 'table' ? [legend(matrix), ''] : []),
    ...problems(matrix, paint),
    ...matrix.notes.map((note) => `note: ${note}`),
    summary(matrix, paint),
    '',
  ].join('\n');
}

function grid(matrix: Matrix, paint: Paint): string {
  const names = matrix.nodes.map((node) => node.name);
  const table = new Table({
    head: ['from \\ to', ...names],
    style: { head: [], border: [], compact: true },
    colAligns: ['left'],
  });
  const rows = new Map<string, MatrixPair[]>();
  for (const pair of matrix.pairs) {
    const field = `${pair.from} ${pair.to}`;
    rows.set(field, [...(rows.get(field) ?? []), pair]);
  }
  for (const from of names)
    table.push([
      from,
      ...names.map((to) => (from === to ? '·' : cell(rows.get(`${from} ${to}`) ?? [], paint))),
    ]);
  return table.toString();
}

/** Both families on one line where they are alike, else a line each. */
function cell(pairs: readonly MatrixPair[], paint: Paint): string {
  if (pairs.length === 0) return '–';
  const words = pairs.map((pair) => ({ family: pair.family, text: word(pair, paint) }));
  if (words.every((entry) => entry.text === words[0]!.text)) return words[0]!.text;
  return words.map((entry) => `${entry.text} v${entry.family}`).join('\n');
}

function word(pair: MatrixPair, paint: Paint): string {
  if (pair.failures.length > 0) return paint.red(`✗ ${pair.decided}≠${pair.seen}`);
  if (!isForwarded(pair.decided)) return paint.dim(pair.decided);
  const colours = { native: paint.green, ipip: paint.cyan, vxlan: paint.yellow } as const;
  const star = pair.plane === 'userspace' ? '*' : '';
  return `${colours[pair.decided](pair.decided + star)} ${pair.mtu}`;
}

function legend(matrix: Matrix): string {
  const userspace = matrix.pairs.some((pair) => pair.plane === 'userspace');
  return (
    'Each field: the mode as decided and as seen on the underlay, and the largest packet in bytes.' +
    (userspace ? '\n* carried by a process, as the kernel of this machine cannot.' : '')
  );
}

function lines(matrix: Matrix): string {
  return matrix.pairs
    .map((pair) => {
      const mtu = pair.mtu === undefined ? '' : ` mtu ${pair.mtu},`;
      const plane = pair.plane === 'userspace' ? ' (userspace)' : '';
      return (
        `${pair.failures.length === 0 ? 'ok  ' : 'FAIL'} ${pair.from} → ${pair.to} IPv${pair.family}: ` +
        `decided ${pair.decided}${plane}, seen ${pair.seen},${mtu} ${pair.sent} sent, ${pair.lost} lost`
      );
    })
    .join('\n');
}

function problems(matrix: Matrix, paint: Paint): readonly string[] {
  const failed = matrix.pairs.filter((pair) => pair.failures.length > 0);
  if (failed.length === 0) return [];
  return [
    ...failed.map(
      (pair) =>
        `${paint.red('✗')} ${pair.from} → ${pair.to} IPv${pair.family}: ${pair.failures.join('; ')}`,
    ),
    ...matrix.underlayDrops.map(
      (drop) =>
        `  the underlay dropped ${drop.packets} packets ${drop.direction === 'from-node' ? 'from' : 'to'} ${drop.node}: ${drop.because}`,
    ),
    '',
  ];
}

function summary(matrix: Matrix, paint: Paint): string {
  const { totals } = matrix;
  if (totals.pairs === 0) return 'no pairs: no two nodes here have overlay prefixes of one family';
  const decided = (['native', 'ipip', 'vxlan', 'deny', 'unreachable'] as const)
    .filter((mode) => totals.decided[mode] !== undefined)
    .map((mode) => `${totals.decided[mode]} ${mode}`);
  const expectedLosses = matrix.pairs
    .filter((pair) => !isForwarded(pair.decided))
    .reduce((sum, pair) => sum + pair.lost, 0);
  const verdict = matrix.ok
    ? paint.green('all as decided')
    : paint.red(`${totals.failed} of ${totals.pairs} pairs are not as decided`);
  return (
    `${totals.pairs} pairs (${decided.join(', ')}): ${verdict}; ${totals.sent} probes sent, ` +
    `${totals.lost - expectedLosses} lost` +
    (expectedLosses > 0 ? `, ${expectedLosses} refused as decided` : '') +
    `, in ${(matrix.durationMs / 1000).toFixed(1)} s`
  );
}
