/**
 * Few zones as an SVG: boxes on an ellipse, those of a provider and region side by side, and lines
 * between them with the way written on each. A label takes the place along its line where it
 * covers least of what is there already.
 */
import { colours, modeWords } from './colours.js';
import type { GraphEdge, GraphModel, GraphNode } from './model.js';
import { graphModes } from './model.js';
import type { Box, Point } from './svg.js';
import { overlap, px, svgBox, svgDocument, svgText, textWidth } from './svg.js';
import { count } from './words.js';

const nameSize = 14;
const lineSize = 12;
const labelSize = 11;
const lineHeight = 16;
const margin = 24;
const head = 48;

export function svgCircle(model: GraphModel): string {
  const sizes = model.nodes.map(sizeOf);
  const widest = Math.max(...sizes.map(({ width }) => width));
  const tallest = Math.max(...sizes.map(({ height }) => height));
  const places = model.nodes.length;
  const radius = {
    x: places < 2 ? 0 : Math.max(250, (widest + 60) * places * 0.24),
    y: places < 3 ? 0 : Math.max(190, (tallest + 60) * places * 0.22),
  };
  const centre = { x: margin + radius.x + widest / 2, y: head + radius.y + tallest / 2 + margin };
  const boxes = sizes.map(({ width, height }, i): Box => {
    const angle = (2 * Math.PI * i) / places - (places === 2 ? Math.PI : Math.PI / 2);
    const x = centre.x + radius.x * Math.cos(angle) - width / 2;
    const y = centre.y + radius.y * Math.sin(angle) - height / 2;
    return { x, y, width, height };
  });
  const curves = model.edges.map((edge) => curveOf(edge, boxes, centre));
  const labels = placeLabels(model.edges, curves, boxes);
  const size = { width: 2 * centre.x, height: centre.y + radius.y + tallest / 2 + margin + 28 };
  return svgDocument(size, {
    title: `Cluster ${model.title}`,
    body: [
      svgText(model.title, { x: margin, y: 32 }, { sizePx: 18, bold: true }),
      ...model.edges.map((edge, i) => line(edge, curves[i]!)),
      ...boxes.flatMap((box, i) => nodeShapes(model.nodes[i]!, box)),
      ...model.edges.flatMap((edge, i) => labelShapes(edge, labels[i]!)),
      ...legend(model, size.height - 16),
    ],
  });
}

function linesOf({ place, nodes, inside }: GraphNode): readonly string[] {
  return [place, count(nodes, 'node'), ...inside.map((text) => `inside: ${text}`)];
}

function sizeOf(node: GraphNode): { readonly width: number; readonly height: number } {
  const texts = linesOf(node).map((text) => textWidth(text, lineSize));
  const width = Math.max(textWidth(node.name, nameSize), ...texts) + 28;
  return { width, height: 20 + lineHeight * (1 + linesOf(node).length) };
}

function nodeShapes(node: GraphNode, box: Box): readonly string[] {
  const x = box.x + box.width / 2;
  return [
    svgBox(box, { fill: '#f6f7f9', stroke: '#55606e', radius: 8 }),
    svgText(node.name, { x, y: box.y + 22 }, { sizePx: nameSize, bold: true, anchor: 'middle' }),
    ...linesOf(node).map((text, i) =>
      svgText(
        text,
        { x, y: box.y + 22 + lineHeight * (i + 1) },
        { sizePx: lineSize, anchor: 'middle', fill: '#444444' },
      ),
    ),
  ];
}

interface Curve {
  readonly start: Point;
  readonly control: Point;
  readonly end: Point;
}

/** Bent a little to the middle; the two directions of an unequal pair to either side. */
function curveOf(edge: GraphEdge, boxes: readonly Box[], centre: Point): Curve {
  const [a, b] = [middle(boxes[edge.from]!), middle(boxes[edge.to]!)];
  const half = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const side = edge.directed ? 34 : 0;
  const control = {
    x: half.x + (centre.x - half.x) * 0.25 + (side * (a.y - b.y)) / length,
    y: half.y + (centre.y - half.y) * 0.25 + (side * (b.x - a.x)) / length,
  };
  return {
    start: outOf(boxes[edge.from]!, control),
    control,
    end: outOf(boxes[edge.to]!, control),
  };
}

function middle(box: Box): Point {
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Where the line from the middle of a box to a point leaves the box. */
function outOf(box: Box, towards: Point): Point {
  const from = middle(box);
  const [dx, dy] = [towards.x - from.x, towards.y - from.y];
  const scale = Math.min(
    dx === 0 ? Infinity : box.width / 2 / Math.abs(dx),
    dy === 0 ? Infinity : box.height / 2 / Math.abs(dy),
    1,
  );
  return { x: from.x + dx * scale, y: from.y + dy * scale };
}

function at({ start, control, end }: Curve, t: number): Point {
  const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
  return {
    x: a * start.x + b * control.x + c * end.x,
    y: a * start.y + b * control.y + c * end.y,
  };
}

function line({ mode, directed }: GraphEdge, curve: Curve): string {
  const { start, control, end } = curve;
  const stroke = colours[mode].line;
  const path = `M ${px(start.x)} ${px(start.y)} Q ${px(control.x)} ${px(control.y)} ${px(end.x)} ${px(end.y)}`;
  const dashes = mode === 'none' ? ' stroke-dasharray="6 5"' : '';
  const curved = `<path d="${path}" fill="none" stroke="${stroke}" stroke-width="2"${dashes}/>`;
  return directed ? `${curved}\n${arrow(curve, stroke)}` : curved;
}

function arrow({ control, end }: Curve, fill: string): string {
  const length = Math.hypot(end.x - control.x, end.y - control.y) || 1;
  const [ux, uy] = [(end.x - control.x) / length, (end.y - control.y) / length];
  const base = { x: end.x - 11 * ux, y: end.y - 11 * uy };
  const points = [
    end,
    { x: base.x - 5 * uy, y: base.y + 5 * ux },
    { x: base.x + 5 * uy, y: base.y - 5 * ux },
  ];
  return `<polygon points="${points.map(({ x, y }) => `${px(x)},${px(y)}`).join(' ')}" fill="${fill}"/>`;
}

const stops = [0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8];

function placeLabels(
  edges: readonly GraphEdge[],
  curves: readonly Curve[],
  boxes: readonly Box[],
): readonly Box[] {
  const taken: Box[] = [...boxes];
  return edges.map(({ lines }, i) => {
    const width = Math.max(...lines.map((text) => textWidth(text, labelSize))) + 8;
    const height = lines.length * 14 + 4;
    let best: { readonly box: Box; readonly covered: number } | undefined;
    for (const t of stops) {
      const { x, y } = at(curves[i]!, t);
      const box = { x: x - width / 2, y: y - height / 2, width, height };
      const covered = taken.reduce((sum, other) => sum + overlap(box, other), 0);
      if (best === undefined || covered < best.covered) best = { box, covered };
    }
    taken.push(best!.box);
    return best!.box;
  });
}

function labelShapes({ lines, mode }: GraphEdge, box: Box): readonly string[] {
  return [
    svgBox(box, { fill: '#ffffff', radius: 3 }),
    ...lines.map((text, i) =>
      svgText(
        text,
        { x: box.x + box.width / 2, y: box.y + 13 + i * 14 },
        { sizePx: labelSize, anchor: 'middle', fill: colours[mode].line },
      ),
    ),
  ];
}

function legend(model: GraphModel, y: number): readonly string[] {
  let x = margin;
  return graphModes
    .filter((mode) => model.edges.some((edge) => edge.mode === mode))
    .flatMap((mode) => {
      const start = x;
      x += 36 + textWidth(modeWords[mode], lineSize) + 20;
      return [
        svgBox({ x: start, y: y - 6, width: 26, height: 4 }, { fill: colours[mode].line }),
        svgText(modeWords[mode], { x: start + 34, y }, { sizePx: lineSize }),
      ];
    });
}
