/** Chooses the picture: zones with lines between them where they are few, else what stays legible. */
import type { MatrixReport } from '../matrix-report.js';
import { dotGraph } from './dot.js';
import { mermaidGraph } from './mermaid.js';
import { foldedModel, graphModel } from './model.js';
import { svgCircle } from './svg-circle.js';
import { svgMatrix } from './svg-matrix.js';

export type GraphFormat = 'svg' | 'dot' | 'mermaid';

/** More zones than this have more lines between them than labels have room for. */
const mostInCircle = 7;
/** Programs that lay out by themselves manage a few more. */
const mostUnfolded = 12;

export function drawGraph(report: MatrixReport, format: GraphFormat): string {
  const zones = report.zones.length;
  switch (format) {
    case 'svg':
      return zones <= mostInCircle ? svgCircle(graphModel(report)) : svgMatrix(report);
    case 'dot':
      return dotGraph(zones <= mostUnfolded ? graphModel(report) : foldedModel(report));
    case 'mermaid':
      return mermaidGraph(zones <= mostUnfolded ? graphModel(report) : foldedModel(report));
  }
}
