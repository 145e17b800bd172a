/**
 * A cluster as a picture's parts: zones, and how packets go between them. Two zones have one line
 * where both directions go alike, else one each way.
 */
import type { MatrixReport } from '../matrix-report.js';
import type { FieldOf } from '../matrix-cells.js';
import { zoneFields } from '../matrix-cells.js';
import { count } from './words.js';

/** What a line or a field is coloured by. */
export const graphModes = ['native', 'ipip', 'vxlan', 'none'] as const;
export type GraphMode = (typeof graphModes)[number];

export interface GraphNode {
  readonly name: string;
  /** Provider and region. */
  readonly place: string;
  readonly nodes: number;
  /** How packets go inside; empty where there are no pairs. */
  readonly inside: readonly string[];
}

export interface GraphEdge {
  /** By position in `nodes`. */
  readonly from: number;
  readonly to: number;
  /** Only this way; the other has an edge of its own, or nothing. */
  readonly directed: boolean;
  readonly lines: readonly string[];
  readonly mode: GraphMode;
}

export interface GraphModel {
  readonly title: string;
  /** Those of one provider and region side by side. */
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export function graphModel(report: MatrixReport): GraphModel {
  const field = zoneFields(report);
  const zones = orderedZones(report);
  return {
    title: report.cluster,
    nodes: zones.map((zone) => ({
      name: zone.name,
      place: placeOf(zone),
      nodes: zone.nodes,
      inside: field(zone.name, zone.name).lines,
    })),
    edges: edgesBetween(
      zones.map(({ name }) => [name]),
      field,
    ),
  };
}

/** As above with all zones of a provider and region as one, for pictures of many zones. */
export function foldedModel(report: MatrixReport): GraphModel {
  const field = zoneFields(report);
  const groups = new Map<string, MatrixReport['zones'][number][]>();
  for (const zone of orderedZones(report))
    groups.set(placeOf(zone), [...(groups.get(placeOf(zone)) ?? []), zone]);
  const names = [...groups.values()].map((zones) => zones.map(({ name }) => name));
  return {
    title: report.cluster,
    nodes: [...groups].map(([place, zones], i) => ({
      name: place,
      place: count(zones.length, 'zone'),
      nodes: zones.reduce((sum, zone) => sum + zone.nodes, 0),
      inside: linesBetween(names[i]!, names[i]!, field),
    })),
    edges: edgesBetween(names, field),
  };
}

export function orderedZones(report: MatrixReport): MatrixReport['zones'] {
  const providers = [...new Set(report.zones.map(({ provider }) => provider))];
  const rank = (zone: MatrixReport['zones'][number]): number => providers.indexOf(zone.provider);
  return report.zones.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      ((a.region ?? '') < (b.region ?? '') ? -1 : Number(a.region !== b.region)),
  );
}

export function placeOf(zone: MatrixReport['zones'][number]): string {
  return zone.region === null ? zone.provider : `${zone.provider} ${zone.region}`;
}

function edgesBetween(names: readonly (readonly string[])[], field: FieldOf): readonly GraphEdge[] {
  const edges: GraphEdge[] = [];
  const add = (from: number, to: number, lines: readonly string[], directed: boolean): void => {
    if (lines.length > 0) edges.push({ from, to, directed, lines, mode: modeOf(lines[0]!) });
  };
  for (let a = 0; a < names.length; a++)
    for (let b = a + 1; b < names.length; b++) {
      const there = linesBetween(names[a]!, names[b]!, field);
      const back = linesBetween(names[b]!, names[a]!, field);
      const alike = there.join('\n') === back.join('\n');
      add(a, b, there, !alike);
      if (!alike) add(b, a, back, true);
    }
  return edges;
}

/** All that is found between the zones of two groups, the most frequent first. */
function linesBetween(
  from: readonly string[],
  to: readonly string[],
  field: FieldOf,
): readonly string[] {
  const counts = new Map<string, number>();
  for (const a of from)
    for (const b of to)
      for (const line of field(a, b).lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).map(([line]) => line);
  // Of two single zones these are the lines of their field, in its own order.
  const lines = from.length === 1 && to.length === 1 ? [...counts.keys()] : sorted;
  return lines.length <= shownLines
    ? lines
    : [...lines.slice(0, shownLines - 1), `and ${lines.length - shownLines + 1} more`];
}

const shownLines = 4;

export function modeOf(line: string): GraphMode {
  return graphModes.find((mode) => line.startsWith(mode)) ?? 'none';
}
