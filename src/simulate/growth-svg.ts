/**
 * The growth as a picture: two panels with logarithmic axes, so that a straight line is a power of
 * the size and a horizontal one costs the same in every fleet. Self-contained, and legible on a
 * light ground and on a dark one: a viewer that prefers dark gets other colours by one style sheet.
 */
import { px } from '../verify/graph/svg.js';
import { xmlText } from '../verify/graph/words.js';
import type { GrowthReport, GrowthSize } from './growth.js';

interface Series {
  readonly name: string;
  readonly mark: 'circle' | 'square' | 'diamond';
  readonly colour: 'one' | 'two' | 'three';
  readonly points: readonly { readonly nodes: number; readonly value: number }[];
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  /** Has the line that is said to bend. */
  readonly hasEvents: boolean;
  readonly series: readonly Series[];
}

const [panelWidth, panelHeight] = [400, 300];
const margin = { left: 64, right: 150, top: 76, bottom: 52 };
const textSize = 12;

/** Told apart by lightness and by their marks as well as by hue. */
const light = {
  ground: '#ffffff',
  ink: '#1f2328',
  grid: '#d5d9de',
  one: '#a85a00',
  two: '#1d5fa8',
  three: '#2f7d32',
};
const dark = {
  ground: '#0d1117',
  ink: '#e6edf3',
  grid: '#30363d',
  one: '#f4bd72',
  two: '#7db8f0',
  three: '#8fd17f',
};

export function growthSvg(report: GrowthReport): string {
  const panels = panelsOf(report.sizes).filter(({ series }) => series.length > 0);
  const width = Math.max(1, panels.length) * (margin.left + panelWidth + margin.right);
  const height = margin.top + panelHeight + margin.bottom;
  const title = 'Cost of one agent by the number of nodes';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="${textSize}" role="img">`,
    `<title>${xmlText(title)}</title>`,
    `<style>${styleSheet()}</style>`,
    `<rect class="ground" fill="${light.ground}" width="${width}" height="${height}"/>`,
    text(title, { x: 16, y: 24 }, { bold: true }),
    text(bendText(report), { x: 16, y: 44 }),
    ...panels.flatMap((panel, index) =>
      panelLines(panel, {
        left: index * (margin.left + panelWidth + margin.right) + margin.left,
        bend: report.bend?.nodes,
      }),
    ),
    '</svg>',
  ].join('\n');
}

function bendText({ bend, sizes }: GrowthReport): string {
  const largest = sizes.at(-1)?.nodes;
  if (largest === undefined) return 'no size was simulated';
  return bend === null
    ? `the cost of one event does not bend up to ${number(largest)} nodes`
    : `the cost of one event bends at ${number(bend.nodes)} nodes (exponent ${bend.exponent})`;
}

function panelsOf(sizes: readonly GrowthSize[]): readonly Panel[] {
  const series = (
    name: string,
    look: Pick<Series, 'mark' | 'colour'>,
    of: (size: GrowthSize) => number | null,
  ): Series => ({
    name,
    ...look,
    points: sizes.flatMap((size) => {
      const value = of(size);
      return value === null || value <= 0 ? [] : [{ nodes: size.nodes, value }];
    }),
  });
  const panels: Panel[] = [
    {
      title: 'Processor time of one agent',
      unit: 'milliseconds',
      hasEvents: true,
      series: [
        series('one event', { mark: 'circle', colour: 'one' }, ({ eventMs }) => eventMs),
        series('cold start', { mark: 'square', colour: 'two' }, ({ coldStartMs }) => coldStartMs),
        series(
          'rule change',
          { mark: 'diamond', colour: 'three' },
          ({ ruleChangeMs }) => ruleChangeMs,
        ),
      ],
    },
    {
      title: 'Memory',
      unit: 'MiB',
      hasEvents: false,
      series: [
        series('one agent', { mark: 'circle', colour: 'one' }, ({ heapMiB }) => heapMiB),
        series(
          'whole process',
          { mark: 'square', colour: 'two' },
          ({ residentMiB }) => residentMiB,
        ),
      ],
    },
  ];
  return panels.map((panel) => ({
    ...panel,
    series: panel.series.filter(({ points }) => points.length > 0),
  }));
}

/** Whole decades around the values. */
function decades(values: readonly number[]): { readonly from: number; readonly to: number } {
  const from = Math.floor(Math.log10(Math.min(...values)));
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values)))) };
}

function panelLines(
  panel: Panel,
  place: { readonly left: number; readonly bend: number | undefined },
): readonly string[] {
  const { left, bend } = place;
  const { top } = margin;
  const points = panel.series.flatMap((series) => series.points);
  const across = decades(points.map(({ nodes }) => nodes));
  const up = decades(points.map(({ value }) => value));
  const x = (nodes: number): number =>
    left + (panelWidth * (Math.log10(nodes) - across.from)) / (across.to - across.from);
  const y = (value: number): number =>
    top + panelHeight * (1 - (Math.log10(value) - up.from) / (up.to - up.from));
  const bottom = top + panelHeight;
  const lines: string[] = [text(panel.title, { x: left, y: top - 10 }, { bold: true })];
  for (let power = across.from; power <= across.to; power++) {
    const at = x(10 ** power);
    lines.push(line([at, top, at, bottom], 'grid'));
    lines.push(text(number(10 ** power), { x: at, y: bottom + 18 }, { anchor: 'middle' }));
  }
  for (let power = up.from; power <= up.to; power++) {
    const at = y(10 ** power);
    lines.push(line([left, at, left + panelWidth, at], 'grid'));
    lines.push(text(number(10 ** power), { x: left - 8, y: at + 4 }, { anchor: 'end' }));
  }
  lines.push(text('nodes', { x: left + panelWidth / 2, y: bottom + 40 }, { anchor: 'middle' }));
  lines.push(
    text(
      panel.unit,
      { x: left - 50, y: top + panelHeight / 2 },
      { anchor: 'middle', turned: true },
    ),
  );
  if (bend !== undefined && panel.hasEvents)
    lines.push(
      `<path class="ink-line" fill="none" stroke="${light.ink}" stroke-dasharray="4 4" d="M${px(x(bend))} ${top}V${bottom}"/>`,
    );
  const labels = labelPlaces(panel.series.map((series) => y(series.points.at(-1)!.value)));
  panel.series.forEach((series, index) => {
    const { colour, name } = series;
    const places = series.points.map(({ nodes, value }) => ({ x: x(nodes), y: y(value) }));
    const way = places.map((at, i) => `${i === 0 ? 'M' : 'L'}${px(at.x)} ${px(at.y)}`).join('');
    lines.push(
      `<path class="${colour}-line" fill="none" stroke="${light[colour]}" stroke-width="2" d="${way}"/>`,
    );
    series.points.forEach(({ nodes, value }, i) =>
      lines.push(
        mark(series, places[i]!, `${name}: ${value} ${panel.unit} at ${number(nodes)} nodes`),
      ),
    );
    const last = places.at(-1)!;
    lines.push(text(name, { x: last.x + 12, y: labels[index]! + 4 }, { colour, bold: true }));
  });
  return lines;
}

/** Names beside their lines, none over another. */
function labelPlaces(wanted: readonly number[]): readonly number[] {
  const order = wanted.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at);
  const places: number[] = [];
  let free = -Infinity;
  for (const { at, index } of order) {
    places[index] = Math.max(at, free);
    free = places[index] + textSize + 4;
  }
  return places;
}

function mark(
  series: Series,
  at: { readonly x: number; readonly y: number },
  title: string,
): string {
  const { colour } = series;
  const style = `class="${colour}" fill="${light[colour]}"`;
  const tip = `<title>${xmlText(title)}</title>`;
  switch (series.mark) {
    case 'circle':
      return `<circle ${style} cx="${px(at.x)}" cy="${px(at.y)}" r="4">${tip}</circle>`;
    case 'square':
      return `<rect ${style} x="${px(at.x - 4)}" y="${px(at.y - 4)}" width="8" height="8">${tip}</rect>`;
    case 'diamond':
      return `<path ${style} d="M${px(at.x)} ${px(at.y - 5)}l5 5l-5 5l-5 -5z">${tip}</path>`;
  }
}

function line([x1, y1, x2, y2]: readonly [number, number, number, number], kind: 'grid'): string {
  return `<path class="${kind}-line" fill="none" stroke="${light[kind]}" d="M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}"/>`;
}

function text(
  words: string,
  at: { readonly x: number; readonly y: number },
  style: {
    readonly anchor?: 'start' | 'middle' | 'end';
    readonly bold?: boolean;
    readonly turned?: boolean;
    readonly colour?: Series['colour'];
  } = {},
): string {
  const { anchor = 'start', bold = false, turned = false, colour = 'ink' } = style;
  const turn = turned ? ` transform="rotate(-90 ${px(at.x)} ${px(at.y)})"` : '';
  const weight = bold ? ' font-weight="bold"' : '';
  return `<text class="${colour}" fill="${light[colour]}" x="${px(at.x)}" y="${px(at.y)}" text-anchor="${anchor}"${weight}${turn}>${xmlText(words)}</text>`;
}

function styleSheet(): string {
  const rules = Object.entries(dark).map(
    ([name, colour]) => `.${name}{fill:${colour}}.${name}-line{stroke:${colour}}`,
  );
  return `@media (prefers-color-scheme: dark){${rules.join('')}}`;
}

/** `100,000`, `0.1`. */
function number(value: number): string {
  return value >= 1 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(1)));
}
