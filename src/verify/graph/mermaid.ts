/** The picture in Mermaid's flowchart language. */
import { colours, modeWords } from './colours.js';
import type { GraphMode, GraphModel } from './model.js';
import { graphModes } from './model.js';
import { count, mermaidString } from './words.js';

export function mermaidGraph(model: GraphModel): string {
  const places = new Map<string, number[]>();
  for (const [i, { place }] of model.nodes.entries())
    places.set(place, [...(places.get(place) ?? []), i]);
  const boxes = [...places].flatMap(([place, members], i) => [
    `  subgraph g${i}[${mermaidString([place])}]`,
    ...members.map((member) => {
      const { name, nodes, inside } = model.nodes[member]!;
      return `    n${member}[${mermaidString([name, count(nodes, 'node'), ...inside])}]`;
    }),
    '  end',
  ]);
  const edges = model.edges.map(
    ({ from, to, directed, lines }) =>
      `  n${from} ${directed ? '-->' : '---'}|${mermaidString(lines)}| n${to}`,
  );
  const styles = graphModes.flatMap((mode) => {
    const numbers = edgesOf(model, mode);
    return numbers.length === 0
      ? []
      : [
          `  %% ${modeWords[mode]}`,
          `  linkStyle ${numbers.join(',')} stroke:${colours[mode].line},color:${colours[mode].line}`,
        ];
  });
  return ['flowchart LR', ...boxes, ...edges, ...styles].join('\n');
}

/** Mermaid counts edges in the order in which they are written. */
function edgesOf(model: GraphModel, mode: GraphMode): readonly number[] {
  return model.edges.flatMap((edge, i) => (edge.mode === mode ? [i] : []));
}
