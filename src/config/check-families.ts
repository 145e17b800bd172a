/**
 * Nodes that share no underlay family can never reach each other: every mode needs one.
 */
import type { DraftNode } from './draft.js';
import type { Report } from './report.js';

export function checkFamilies(nodes: readonly DraftNode[], report: Report): void {
  const only = (family: 4 | 6): DraftNode | undefined =>
    nodes.find(
      ({ node, bad }) =>
        !bad.has('address') &&
        !bad.has('addresses') &&
        node.underlay.length > 0 &&
        node.underlay.every(({ address }) => address.family === family),
    );
  const v4 = only(4);
  const v6 = only(6);
  if (v4 === undefined || v6 === undefined) return;
  const later = nodes.indexOf(v4) > nodes.indexOf(v6) ? v4 : v6;
  const earlier = later === v4 ? v6 : v4;
  report.add({
    code: 'no-common-family',
    severity: 'warning',
    path: later.underlayPaths[0]!,
    value: later.node.underlay[0]!.address.text,
    message: `this node and ${earlier.node.name} have no underlay address of a common family`,
    remedy: 'give one of them "addresses:" with both families, or they cannot reach each other',
  });
}
