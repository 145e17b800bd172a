/** The picture in Graphviz's DOT language. */
import { colours } from './colours.js';
import type { GraphModel } from './model.js';
import { count, dotString } from './words.js';

export function dotGraph(model: GraphModel): string {
  const places = new Map<string, number[]>();
  for (const [i, { place }] of model.nodes.entries())
    places.set(place, [...(places.get(place) ?? []), i]);
  const node = (i: number): string => {
    const { name, nodes, inside } = model.nodes[i]!;
    const label = [name, count(nodes, 'node'), ...inside];
    return `n${i} [label=${dotString(label)}];`;
  };
  const clusters = [...places].flatMap(([place, members], i) => [
    `  subgraph cluster_${i} {`,
    `    label=${dotString([place])}; color="#999999"; style=rounded;`,
    ...members.map((member) => `    ${node(member)}`),
    '  }',
  ]);
  const edges = model.edges.map(({ from, to, directed, lines, mode }) => {
    const colour = colours[mode].line;
    const attributes = [
      `label=${dotString(lines)}`,
      `color="${colour}"`,
      `fontcolor="${colour}"`,
      directed ? 'dir=forward' : 'dir=none',
      ...(mode === 'none' ? ['style=dashed'] : []),
    ];
    return `  n${from} -> n${to} [${attributes.join(', ')}];`;
  });
  return [
    `digraph ${dotString([model.title])} {`,
    '  layout=fdp; overlap=false; splines=true; K=2.4;',
    '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];',
    '  edge [fontname="sans-serif", fontsize=9];',
    ...clusters,
    ...edges,
    '}',
  ].join('\n');
}
