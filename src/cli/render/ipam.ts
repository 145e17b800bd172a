/** Pools, ranges and blocks as tables, and what is wrong with them. */
import type { IpamReport } from '../../fleet/ipam-show.js';
import type { CheckReport, ReleaseReport } from '../fleet/reports.js';
import type { Terminal } from '../terminal.js';
import { age } from './age.js';
import type { Span } from './layout.js';
import { columns, fill } from './layout.js';

export function renderIpam(
  report: IpamReport,
  { paint, width, now }: Terminal & { readonly now: Date },
): string {
  const table = (headings: readonly string[], rows: readonly (readonly Span[])[]): string[] =>
    rows.length === 0 ? [] : columns(headings, rows, { width, indent: 0, dim: paint.dim });
  const cells = (...texts: readonly string[]): Span[] => texts.map((text) => ({ text }));
  const sections = [
    [
      `${report.cluster}, configuration ${report.config}: pools ${report.pools.join(', ') || 'none'}`,
    ],
    table(
      ['RANGE', 'BLOCKS', 'GIVEN', 'FREE', 'ZONES'],
      report.ranges.map((range) => [
        { text: range.within },
        { text: `${count(range.total)} × /${range.size}` },
        { text: count(range.given) },
        { text: count(range.free), ...(range.free === 0 ? { style: paint.red } : {}) },
        { text: range.zones?.join(', ') ?? 'all others' },
      ]),
    ),
    table(
      ['ZONE', 'BLOCKS', 'REACHED BY'],
      report.zones.map(({ zone, blocks, aggregates }) =>
        cells(zone, count(blocks), aggregates.join(' ') || '-'),
      ),
    ),
    table(
      ['BLOCK', 'NODE', 'ZONE', 'AGE', 'STATE'],
      report.blocks.map((block) => [
        ...cells(block.prefix, block.node, block.zone ?? '-', age(block.at, now)),
        block.claimed
          ? { text: block.alive ? 'in use' : 'in use, agent not heard of' }
          : { text: 'not claimed, see "selvage ipam check"', style: paint.yellow },
      ]),
    ),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

export function renderCheck(report: CheckReport, { paint, width }: Terminal): string {
  const { findings, cluster, config } = report;
  if (findings.length === 0)
    return `${paint.green('✓')} ${cluster}, configuration ${config}: ${report.blocks} blocks and ${report.records} records, and nothing wrong`;
  return findings
    .flatMap(({ code, text, remedy }) => [
      ...fill([{ text: '✗', style: paint.red }, text, { text: `[${code}]`, style: paint.dim }], {
        width,
        hang: 2,
      }),
      ...fill(`→ ${remedy}`, { width, indent: 2, hang: 4 }),
    ])
    .join('\n');
}

export function renderRelease({ blocks }: ReleaseReport, { paint }: Terminal): string {
  if (blocks.length === 0) return 'somebody else gave it back at the same moment';
  return blocks
    .map(({ prefix, node }) => `${paint.green('✓')} ${prefix} is free; it was that of ${node}`)
    .join('\n');
}

/** 2^64 blocks are not counted in digits. */
function count(value: number): string {
  return value < 1e9 ? String(value) : value.toExponential(1);
}
