/**
 * What if the file said something else? Patches are laid over the document of a cluster, and the
 * result is read and checked by the very reader of cluster files: what it would refuse is refused,
 * with the place in the option or in the file that it is about. The cluster itself stays as it is.
 */
import type { Cluster } from '../../encap/cluster.js';
import { withNode } from '../../encap/node-table.js';
import { readCluster } from './parse.js';
import { type Problem, compareProblems, formatProblem } from './problem.js';
import { Report } from './report.js';
import { layPatch } from './what-if-apply.js';
import { clusterDocument, documentData, documentLocator } from './what-if-document.js';
import { type Patch, parsePatch } from './what-if-patch.js';

export type WhatIfResult =
  | { readonly ok: true; readonly cluster: Cluster; readonly warnings: readonly Problem[] }
  /** At least one error. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The patches are laid over the cluster one after the other. */
export function applyWhatIf(cluster: Cluster, patches: readonly string[]): WhatIfResult {
  const document = clusterDocument(cluster);
  const read = patches.map((text, i) => parsePatch(text, i + 1));
  for (const patch of read) layPatch(document, patch);
  const wrong = read.flatMap(({ report }) => report.problems());
  if (read.some(({ report }) => report.hasErrors)) return { ok: false, problems: wrong };

  const file = fileOf(cluster);
  const report = new Report(file, documentLocator(document, file));
  const changed = readCluster(documentData(document), { report, revision: cluster.revision });
  const problems = [...wrong, ...report.problems()].sort((a, b) => byOption(a, b, read));
  return changed === undefined || report.hasErrors
    ? { ok: false, problems }
    : { ok: true, cluster: withLiveRecords(changed.cluster, cluster), warnings: problems };
}

/** Problems for a person, those of the options first; with the line of the option below each. */
export function formatWhatIfProblems(
  problems: readonly Problem[],
  patches: readonly string[],
): readonly string[] {
  return problems
    .filter(({ severity }) => severity === 'error')
    .map((problem) => {
      const position = patches.findIndex((_, i) => problem.file === `--what-if ${i + 1}`);
      const source = patches[position];
      return formatProblem(problem, source === undefined ? {} : { source });
    });
}

/** The file that the cluster was read from; every node has it. */
function fileOf(cluster: Cluster): string {
  for (const { source } of cluster.nodes.values()) if (source !== undefined) return source.file;
  return 'the cluster';
}

function byOption(a: Problem, b: Problem, patches: readonly Patch[]): number {
  const rank = ({ file }: Problem): number => {
    const position = patches.findIndex((patch) => patch.file === file);
    return position < 0 ? patches.length : position;
  };
  return rank(a) - rank(b) || compareProblems(a, b);
}

/** What no file says: records of nodes that have left, and what nodes say of themselves. */
function withLiveRecords(changed: Cluster, original: Cluster): Cluster {
  let { nodes } = changed;
  for (const node of original.nodes.values()) {
    const now = nodes.get(node.name);
    if (node.withdrawn && now === undefined) nodes = withNode(nodes, node);
    else if ((node.live !== undefined || node.stale !== undefined) && now !== undefined)
      nodes = withNode(
        nodes,
        Object.freeze({
          ...now,
          ...(node.live === undefined ? {} : { live: node.live }),
          ...(node.stale === undefined ? {} : { stale: node.stale }),
        }),
      );
  }
  return nodes === changed.nodes ? changed : Object.freeze({ ...changed, nodes });
}
