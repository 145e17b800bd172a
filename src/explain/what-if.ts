/**
 * A what-if for a question: the cluster as it would be, or what is wrong with the options; and what
 * that would change for one pair of nodes, for whoever proposes a remedy and has to say its effect.
 */
import type { Family } from '../../encap/address.js';
import type { Cluster, LocalFacts } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import type { Mode } from '../../encap/mode.js';
import type { VerdictKind } from '../../routes/explain-report.js';
import { decidedVerdict } from '../../routes/explain-verdict.js';
import { applyWhatIf, formatWhatIfProblems } from '../config/what-if.js';

const shownErrors = 5;

/** A text is what is wrong, for a person. The cluster that is given stays as it is. */
export function whatIfCluster(cluster: Cluster, patches: readonly string[]): Cluster | string {
  if (patches.length === 0) return cluster;
  const result = applyWhatIf(cluster, patches);
  if (result.ok) return result.cluster;
  const lines = formatWhatIfProblems(result.problems, patches);
  const more = lines.length - shownErrors;
  return (
    'the cluster file would not be valid with --what-if:\n' +
    lines
      .slice(0, shownErrors)
      .map((line) => line.replace(/^/gm, '  '))
      .join('\n') +
    (more > 0 ? `\n  and ${more} more` : '')
  );
}

export interface PredictedPair {
  /** Names of nodes. */
  readonly from: string;
  readonly to: string;
  /** Of the overlay; default: that of the receiver's first prefix. */
  readonly family?: Family;
  /** Of the sender's kernel, where they are known. */
  readonly local?: LocalFacts | undefined;
}

/** One direction of a pair as it is decided. */
export interface Outcome {
  readonly kind: VerdictKind;
  /** Null where nothing leaves. */
  readonly mode: Mode | null;
  /** Largest inner packet in bytes; null where nothing leaves. */
  readonly mtu: number | null;
  /** One line. */
  readonly summary: string;
}

export interface PairOutcome extends Outcome {
  /** The way back; null where the sender owns no prefix of the family. */
  readonly back: Outcome | null;
  /** Packets leave both ways, as far as the decision goes. */
  readonly reachable: boolean;
}

export type Prediction =
  | { readonly ok: true; readonly before: PairOutcome | null; readonly after: PairOutcome | null }
  /** The file would be refused: what is wrong, for a person. */
  | { readonly ok: false; readonly problem: string };

/** An outcome is null where one of the nodes is not there, or owns nothing of the family. */
export function predict(
  cluster: Cluster,
  patches: readonly string[],
  pair: PredictedPair,
): Prediction {
  const changed = whatIfCluster(cluster, patches);
  if (typeof changed === 'string') return { ok: false, problem: changed };
  return { ok: true, before: pairOutcome(cluster, pair), after: pairOutcome(changed, pair) };
}

function pairOutcome(cluster: Cluster, pair: PredictedPair): PairOutcome | null {
  const there = outcome(cluster, pair);
  if (there === null) return null;
  const family = pair.family ?? cluster.nodes.get(pair.to)?.overlay[0]?.family;
  const back = outcome(cluster, {
    from: pair.to,
    to: pair.from,
    ...(family === undefined ? {} : { family }),
  });
  const passes = (one: Outcome): boolean => one.mode !== null || one.kind === 'LOCAL';
  return { ...there, back, reachable: passes(there) && back !== null && passes(back) };
}

function outcome(cluster: Cluster, pair: PredictedPair): Outcome | null {
  const from = cluster.nodes.get(pair.from);
  const owner = cluster.nodes.get(pair.to);
  const prefix = owner?.overlay.find((own) => (pair.family ?? own.family) === own.family);
  if (from === undefined || owner === undefined || prefix === undefined) return null;
  const decision = decide({ cluster, local: pair.local }, { from, prefix, owner });
  const { kind, mode, mtu, summary } = decidedVerdict(decision, { cluster, address: prefix.text });
  return { kind, mode, mtu, summary };
}
