/** The nodes of a fleet as a table: those that need somebody's eye first in colour, not in place. */
import type { ListedNode, NodeList } from '../../fleet/list.js';
import type { NodeState } from '../../fleet/node-state.js';
import type { Terminal } from '../terminal.js';
import { age } from './age.js';
import type { Span, Style } from './layout.js';
import { columns, fill } from './layout.js';

export function renderNodes(
  report: NodeList,
  { paint, width, now }: Terminal & { readonly now: Date },
): string {
  const style: Readonly<Record<NodeState, Style | undefined>> = {
    alive: paint.green,
    stale: paint.yellow,
    withdrawn: paint.red,
    refused: paint.red,
    listed: paint.dim,
  };
  const headings = ['NAME', 'ZONE', 'ADDRESS', 'AGE', 'STATE', 'CONFIG', 'RELEASE', 'PREFIXES'];
  const rows = report.nodes.map((node): Span[] => [
    { text: node.name },
    { text: node.zone ?? '-' },
    { text: node.addresses.join(',') || '-' },
    { text: node.joinedAt === null ? '-' : age(node.joinedAt, now) },
    { text: stateOf(node, now), style: style[node.state] },
    {
      text: node.config === null ? '-' : String(node.config),
      ...(node.config !== null && node.config < report.config ? { style: paint.yellow } : {}),
    },
    { text: node.release ?? '-' },
    { text: node.overlay.join(' ') || '-' },
  ]);
  const { counts } = report;
  const tally = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`);
  const knows = report.nodes.every(({ state, absentSince }) => state !== 'stale' || absentSince);
  const wrong = report.nodes.flatMap(({ name, problems }) =>
    problems.slice(0, shownProblems).map((line) => `${name}: ${line}`),
  );
  return [
    ...(rows.length === 0 ? [] : columns(headings, rows, { width, indent: 0, dim: paint.dim })),
    `${report.cluster}, configuration ${report.config}: ${tally.join(', ') || 'no nodes'}`,
    ...(counts.stale === 0
      ? []
      : fill(
          `A stale node keeps its paths for ${report.staleGraceSeconds} s from when its agent was heard of last; then it is withdrawn.${knows ? '' : ' No agent of this cluster answers here that would know since when.'}`,
          { width },
        )),
    ...[...wrong, ...report.problems].flatMap((line) =>
      fill([{ text: '!', style: paint.red }, line], { width, hang: 2 }),
    ),
  ].join('\n');
}

const shownProblems = 3;

function stateOf({ state, ready, absentSince }: ListedNode, now: Date): string {
  if (state === 'alive') return ready === false ? 'alive, not ready' : ready ? 'ready' : 'alive';
  return absentSince === null ? state : `${state} for ${age(absentSince, now)}`;
}
