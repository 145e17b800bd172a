/** What an agent knows of its provider's API: what waits first, then the switches as read. */
import type { ReleaseReport } from '../../cloud/release.js';
import type { CloudStatus } from '../../cloud/status.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

export function renderCloudStatus(
  report: CloudStatus & { readonly node: string },
  { paint, width }: Terminal,
): string {
  const lines = cloudLines(report).map(({ bad, text }) =>
    fill([{ text: bad ? '!' : '·', style: bad ? paint.yellow : paint.dim }, text], {
      width,
      hang: 2,
    }),
  );
  const title = `${report.node}: ${report.provider ?? 'no cloud'}${report.instance === null ? '' : `, ${report.instance}`}`;
  return [paint.bold(title), ...lines.flat()].join('\n');
}

export interface CloudLine {
  readonly bad: boolean;
  readonly text: string;
}

/** For `status` as well; in one line each. */
export function cloudLines(cloud: CloudStatus): readonly CloudLine[] {
  if (cloud.idle !== null) return [{ bad: false, text: cloud.idle }];
  const bad = [
    ...(cloud.failure === null
      ? []
      : [
          `the provider's API was not read, ${cloud.failures} times in a row: ${cloud.failure}; what was read before holds`,
        ]),
    ...cloud.problems,
    ...Object.values(cloud.waits),
  ];
  const switches = Object.entries(cloud.switches).map(([name, value]) => `${name} ${value}`);
  const blocked = Object.entries(cloud.admits).flatMap(([zone, verdicts]) =>
    Object.entries(verdicts)
      .filter(([, verdict]) => verdict === 'blocked')
      .map(([traffic]) => `${traffic} with ${zone}`),
  );
  const role = cloud.manage ? 'managed' : 'read, not managed';
  return [
    ...bad.map((text) => ({ bad: true, text })),
    {
      bad: false,
      text: `${role}: ${switches.length === 0 ? 'no switch read' : switches.join(', ')}; ${cloud.nodes} nodes read ${cloud.lastReading === null ? 'never' : `at ${cloud.lastReading}`}`,
    },
    ...(blocked.length === 0
      ? []
      : [{ bad: false, text: `the firewall blocks ${blocked.join(', ')}` }]),
    ...cloud.notes.map((text) => ({ bad: false, text })),
    ...cloud.changes.map(({ at, text }) => ({ bad: false, text: `${at} ${text}` })),
  ];
}

export function renderRelease(report: ReleaseReport, { paint, width }: Terminal): string {
  if (report.changes.length === 0)
    return `nothing was made for ${report.node} at its provider, or nothing is left of it`;
  const lines = report.changes.flatMap(({ text, call }) =>
    fill([{ text: '-', style: paint.dim }, `${text} (${call})`], { width, hang: 2 }),
  );
  const failed = report.failed.flatMap((text) =>
    fill([{ text: '!', style: paint.yellow }, text], { width, hang: 2 }),
  );
  const last = report.carriedOut
    ? failed.length === 0
      ? ['all of it is gone']
      : failed
    : ['nothing was changed: this was a dry run'];
  return [...lines, ...last].join('\n');
}
