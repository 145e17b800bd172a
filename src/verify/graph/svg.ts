/**
 * Shapes of a self-contained SVG (SVG 1.1): no scripts, no style sheets, no fonts but those that
 * every machine has, so that it looks the same in a browser, a README and a mail.
 */
import { xmlText } from './words.js';

/** A fixed-width font makes the width of a text known without measuring it. */
const font = 'DejaVu Sans Mono, Menlo, Consolas, monospace';
const charEm = 0.602;

export function textWidth(text: string, sizePx: number): number {
  return [...text].length * sizePx * charEm;
}

export interface TextStyle {
  readonly sizePx: number;
  readonly fill?: string;
  readonly bold?: boolean;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** Degrees around the point of the text. */
  readonly rotate?: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export function svgText(text: string, at: Point, style: TextStyle): string {
  const { sizePx, fill = '#222222', bold = false, anchor = 'start', rotate } = style;
  const turn = rotate === undefined ? '' : ` transform="rotate(${rotate} ${px(at.x)} ${px(at.y)})"`;
  return `<text x="${px(at.x)}" y="${px(at.y)}" font-size="${sizePx}" fill="${fill}" text-anchor="${anchor}"${bold ? ' font-weight="bold"' : ''}${turn}>${xmlText(text)}</text>`;
}

export function svgBox(
  box: Box,
  style: { readonly fill: string; readonly stroke?: string; readonly radius?: number },
): string {
  const { fill, stroke = 'none', radius = 0 } = style;
  return `<rect x="${px(box.x)}" y="${px(box.y)}" width="${px(box.width)}" height="${px(box.height)}" rx="${radius}" fill="${fill}" stroke="${stroke}"/>`;
}

export function svgDocument(
  size: { readonly width: number; readonly height: number },
  content: { readonly title: string; readonly body: readonly string[] },
): string {
  const [width, height] = [Math.ceil(size.width), Math.ceil(size.height)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${font}" role="img">`,
    `<title>${xmlText(content.title)}</title>`,
    svgBox({ x: 0, y: 0, width, height }, { fill: '#ffffff' }),
    ...content.body,
    '</svg>',
  ].join('\n');
}

/** A tenth of a pixel is enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}
