/** What a view is made from: a node's plan, its kernel, and what was read for this pair alone. */
import type { ForeignRule } from '../../tunnel/guard/foreign-rules.js';
import type { ActualState } from '../diff.js';
import type { ObjectHistory } from '../explain-kernel.js';
import type { NodeView } from './evidence.js';
import type { Pair, PairQuestion } from './pair.js';
import type { PairReads } from './reads.js';

export interface ViewInput extends PairQuestion {
  readonly actual: ActualState;
  readonly reads: PairReads;
  readonly agent: NodeView['agent'];
  /** What the guard's own look at its rules gave; undefined: nobody looked. */
  readonly guard: { readonly ok: boolean; readonly difference: string | undefined } | undefined;
  /** Packets that the guard has dropped so far, by reason. */
  readonly guardDrops: Readonly<Record<string, number>>;
  /** Others' rules that hit this pair's packets (see `pairGuardSpec`). */
  readonly foreignRules: readonly ForeignRule[];
  /** When objects last changed, and the log lines that said so. */
  readonly changes?: ObjectHistory | undefined;
}

/** What every part of the view is made from. */
export interface ViewParts {
  readonly pair: Pair;
  readonly input: ViewInput;
}
