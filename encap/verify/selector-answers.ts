/**
 * Which selectors of the rules speak of a node. Two nodes of a zone that every selector answers
 * alike cannot be told apart by any rule, however many there are.
 */
import type { Cluster, ClusterNode, Selector } from '../cluster.js';
import { prefixContains } from '../prefix.js';

type Test = (node: ClusterNode) => boolean;

/** A text that is equal for nodes which all selectors answer alike, given one zone. */
export function selectorAnswers(cluster: Cluster): (node: ClusterNode) => string {
  const tests = new Map<string, Test>();
  for (const { from, to, between } of cluster.rules)
    for (const selector of [from, to, ...(between ?? [])]) {
      // Zones, regions and providers follow from the zone.
      if (!(selector?.nodes ?? selector?.labels ?? selector?.subnets)) continue;
      const { nodes, labels, subnets } = selector;
      const key = JSON.stringify([nodes, labels, subnets?.map(({ text }) => text)]);
      if (!tests.has(key)) tests.set(key, testOf(selector));
    }
  const all = [...tests.values()];
  return (node) => all.map((test) => (test(node) ? '1' : '0')).join('');
}

function testOf({ nodes, labels, subnets }: Selector): Test {
  const names = nodes && new Set(nodes);
  const wanted = Object.entries(labels ?? {}).map(
    ([key, values]) => [key, new Set(values)] as const,
  );
  return (node) =>
    (names?.has(node.name) ?? true) &&
    wanted.every(([key, values]) => {
      const actual = node.labels[key];
      return actual !== undefined && values.has(actual);
    }) &&
    (subnets?.some((prefix) =>
      node.underlay.some(({ address }) => prefixContains(prefix, address)),
    ) ??
      true);
}
