/**
 * One address, one node: underlay and public addresses of all nodes against each other.
 */
import type { DraftNode } from './draft.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

export function checkDuplicateAddresses(nodes: readonly DraftNode[], report: Report): void {
  const seen = new Map<string, { readonly node: string; readonly path: Path }>();
  for (const { node, underlayPaths, publicPaths } of nodes) {
    const claims = [
      ...node.underlay.map(({ address }, i) => ({ text: address.text, path: underlayPaths[i]! })),
      ...node.publicAddresses.map(({ text }, i) => ({ text, path: publicPaths[i]! })),
    ];
    const own = new Set<string>();
    for (const { text, path } of claims) {
      // A node that is reached by a public address only has it twice, rightly.
      if (own.has(text)) continue;
      own.add(text);
      const first = seen.get(text);
      if (first === undefined) {
        seen.set(text, { node: node.name, path });
        continue;
      }
      report.add({
        code: 'duplicate-address',
        path,
        value: text,
        message: `the address is also that of node ${first.node} (${report.lineOf(first.path)})`,
        remedy: 'each node has addresses of its own: correct one of them',
      });
    }
  }
}
