/**
 * Many zones as an SVG: a matrix, senders down and receivers across, coloured by mode; the upper
 * half of a field is IPv4 where the families differ. Small ones say the way in words, large ones
 * have a letter for it and a legend.
 */
import type { MatrixReport } from '../matrix-report.js';
import { zoneFields } from '../matrix-cells.js';
import { symbolsFor } from '../symbols.js';
import { colours, modeWords } from './colours.js';
import { graphModes, modeOf, orderedZones, placeOf } from './model.js';
import type { Box } from './svg.js';
import { svgBox, svgDocument, svgText, textWidth } from './svg.js';

/** Up to so many zones the ways are written out. */
const mostInWords = 14;
const margin = 24;
const nameSize = 12;

export function svgMatrix(report: MatrixReport): string {
  const zones = orderedZones(report);
  const field = zoneFields(report);
  const lines = zones.map((from) => zones.map((to) => field(from.name, to.name).lines));
  const texts = lines.map((row) => row.map((cell) => cell.join(', ') || '–'));
  const { symbolOf, legend } = symbolsFor(texts.flat());
  const words = zones.length <= mostInWords;
  const longest = Math.max(...lines.flat(2).map((text) => textWidth(text, 10)), 0);
  const tallest = Math.max(...lines.flat().map((cell) => cell.length), 1);
  const cell = words
    ? { width: Math.max(64, longest + 12), height: Math.max(26, tallest * 13 + 10) }
    : { width: 20, height: 20 };
  const places = zones.map(placeOf);
  const names = zones.map(({ name }) => name);
  const nameWidth = Math.max(...names.map((name) => textWidth(name, nameSize)));
  const placeWidth = Math.max(...places.map((place) => textWidth(place, nameSize)));
  const left = margin + placeWidth + 16 + nameWidth + 10;
  const slant = words ? 0 : -90;
  const top = 60 + (words ? 20 : nameWidth + 10);
  const boxOf = (row: number, column: number): Box => ({
    x: left + column * cell.width,
    y: top + row * cell.height,
    width: cell.width,
    height: cell.height,
  });
  const body: string[] = [
    svgText(report.cluster, { x: margin, y: 32 }, { sizePx: 18, bold: true }),
    svgText(caption(lines), { x: margin, y: 52 }, { sizePx: 11, fill: '#666666' }),
  ];
  for (const [i, name] of names.entries()) {
    const row = boxOf(i, 0);
    const y = row.y + cell.height / 2 + 4;
    body.push(svgText(name, { x: left - 10, y }, { sizePx: nameSize, anchor: 'end' }));
    // The provider and region stand once, at the first of their zones.
    if (places[i] !== places[i - 1])
      body.push(svgText(places[i]!, { x: margin, y }, { sizePx: nameSize, bold: true }));
    const x = left + (i + 0.5) * cell.width;
    body.push(
      slant === 0
        ? svgText(name, { x, y: top - 10 }, { sizePx: nameSize, anchor: 'middle' })
        : svgText(name, { x: x + 4, y: top - 6 }, { sizePx: nameSize, rotate: slant }),
    );
  }
  for (const [i, row] of lines.entries())
    for (const [j, cellLines] of row.entries())
      body.push(
        ...cellShapes(cellLines, boxOf(i, j), words ? cellLines : [symbolOf(texts[i]![j]!)]),
      );
  const size = zones.length;
  for (let i = 1; i < size; i++)
    if (places[i] !== places[i - 1])
      body.push(...separator(boxOf(i, i), { left, top, size, cell }));
  let y = top + size * cell.height + 28;
  const entries = words
    ? []
    : legend.map(({ symbol, text, count }) => `${symbol}  ${text}  (${count})`);
  let x = margin;
  for (const mode of graphModes) {
    if (!lines.flat(2).some((text) => modeOf(text) === mode)) continue;
    body.push(
      svgBox(
        { x, y: y - 11, width: 14, height: 14 },
        { fill: colours[mode].fill, stroke: colours[mode].line },
      ),
    );
    body.push(svgText(modeWords[mode], { x: x + 20, y }, { sizePx: nameSize }));
    x += 40 + textWidth(modeWords[mode], nameSize);
  }
  for (const entry of entries) {
    y += 17;
    body.push(svgText(entry, { x: margin, y }, { sizePx: 11 }));
  }
  const entryWidth = Math.max(0, ...entries.map((entry) => textWidth(entry, 11)));
  const width = Math.max(left + size * cell.width, margin + entryWidth, x) + margin;
  return svgDocument({ width, height: y + margin }, { title: `Cluster ${report.cluster}`, body });
}

function caption(lines: readonly (readonly (readonly string[])[])[]): string {
  const split = lines.flat().some((cell) => cell.length > 1);
  return `senders down, receivers across${split ? '; of a field in two colours the upper half is IPv4' : ''}`;
}

function cellShapes(
  lines: readonly string[],
  box: Box,
  texts: readonly string[],
): readonly string[] {
  const line = '#ffffff';
  const modes = lines.map(modeOf);
  const [upper = 'none', lower = upper] = modes;
  const half = { ...box, height: box.height / 2 };
  const fills =
    lines.length === 0
      ? [svgBox(box, { fill: '#f4f4f4', stroke: line })]
      : upper === lower
        ? [svgBox(box, { fill: colours[upper].fill, stroke: line })]
        : [
            svgBox(half, { fill: colours[upper].fill }),
            svgBox({ ...half, y: box.y + half.height }, { fill: colours[lower].fill }),
            svgBox(box, { fill: 'none', stroke: line }),
          ];
  const first = box.y + box.height / 2 + 4 - ((texts.length - 1) * 13) / 2;
  return [
    ...fills,
    ...texts.map((text, i) =>
      svgText(
        text,
        { x: box.x + box.width / 2, y: first + i * 13 },
        { sizePx: lines === texts ? 10 : 11, anchor: 'middle', fill: '#1a1a1a' },
      ),
    ),
  ];
}

/** Between the zones of two providers or regions. */
function separator(
  corner: Box,
  grid: {
    readonly left: number;
    readonly top: number;
    readonly size: number;
    readonly cell: { readonly width: number; readonly height: number };
  },
): readonly string[] {
  const { left, top, size, cell } = grid;
  const fill = '#55606e';
  return [
    svgBox({ x: left, y: corner.y - 0.5, width: size * cell.width, height: 1 }, { fill }),
    svgBox({ x: corner.x - 0.5, y: top, width: 1, height: size * cell.height }, { fill }),
  ];
}
