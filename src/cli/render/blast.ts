/** Whom a change touches: a line for peers that change alike, then devices, prefixes, and dangers. */
import type { BlastGroup, BlastRadius } from '../../../routes/blast-radius.js';
import type { ManagementCut } from '../../../routes/management.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

/** Names on a line; the rest is a number, and all are in the JSON. */
const shownNames = 4;

export function blastLines(blast: BlastRadius, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { changed, total } = blast.peers;
  const head = `touches ${changed} of ${total} ${total === 1 ? 'peer' : 'peers'}`;
  const details = [
    ...blast.groups.map(groupText),
    ...blast.devices.map(
      ({ device, effect, attributes }) =>
        `device ${device} ${effect}${attributes.length === 0 ? '' : ` (${attributes.join(', ')})`}`,
    ),
    ...comingText('own prefix', blast.own),
    ...comingText('pool', blast.pools),
  ];
  return [
    ...fill({ text: head, style: paint.bold }, { width }),
    ...details.flatMap((line) => fill(line, { width, indent: 2, hang: 4 })),
  ];
}

export function cutLines(cuts: readonly ManagementCut[], terminal: Terminal): string[] {
  const { paint, width } = terminal;
  return cuts.flatMap(({ message }) =>
    fill(
      [
        { text: '✗', style: paint.red },
        { text: message, style: paint.red },
      ],
      {
        width,
        hang: 2,
      },
    ),
  );
}

function groupText(group: BlastGroup): string {
  const { nodes, zone, families, from, to } = group;
  const [family] = families;
  const count = `${nodes.length} ${nodes.length === 1 ? 'peer' : 'peers'}`;
  const where = zone === undefined ? '' : ` in zone ${zone}`;
  const which = families.length === 1 ? `, IPv${family}` : '';
  const rest = nodes.length - shownNames;
  const names = nodes.slice(0, shownNames).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  return `${count}${where}${which}: ${from} → ${to} (${names})`;
}

function comingText(what: string, change: BlastRadius['own']): readonly string[] {
  return [
    ...change.added.map((prefix) => `${what} ${prefix} comes`),
    ...change.removed.map((prefix) => `${what} ${prefix} goes`),
  ];
}
