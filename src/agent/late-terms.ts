/**
 * Nodes that came and went since the history of terms was written down. The history names all nodes,
 * so it is put right when somebody needs it or in a quiet moment, and not with every node.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { TermsHistory } from '../../routes/changeover.js';
import { termsOfNode } from '../../routes/overlap.js';

export class LateTerms {
  /** Undefined: the node has gone. */
  readonly #nodes = new Map<string, readonly string[] | undefined>();

  note(cluster: Cluster, names: Iterable<string>): void {
    for (const name of names) {
      const node = cluster.nodes.get(name);
      this.#nodes.set(name, node === undefined || node.withdrawn ? undefined : termsOfNode(node));
    }
  }

  clear(): void {
    this.#nodes.clear();
  }

  /** The history with them; the same where they are in it. */
  of(history: TermsHistory): TermsHistory {
    const last = history.at(-1);
    if (last === undefined || this.#nodes.size === 0) return history;
    const known = last.terms.underlay;
    const news = [...this.#nodes].filter(([name, texts]) => known[name]?.join() !== texts?.join());
    if (news.length === 0) return history;
    const changed = new Map(news);
    const underlay = Object.fromEntries([
      ...Object.entries(known).filter(([name]) => !changed.has(name)),
      ...news.flatMap(([name, texts]) => (texts === undefined ? [] : [[name, texts] as const])),
    ]);
    return [...history.slice(0, -1), { ...last, terms: { ...last.terms, underlay } }];
  }
}
