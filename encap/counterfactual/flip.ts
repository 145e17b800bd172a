/**
 * The smallest change that would flip a decision: for each mode that was not chosen the fewest
 * changes of the cluster file after which `decide` itself chooses it.
 *
 * The search goes by the number of changes. Whatever flips the decision must take away every
 * exclusion of some candidate, so of each cluster it is enough to try the changes against one of
 * them; the first that flips is as small as can be. Nothing is claimed that was not decided anew.
 */
import type { Cluster } from '../cluster.js';
import type { DecideOptions, Question } from '../decide.js';
import { decide } from '../decide.js';
import type { Mode } from '../mode.js';
import { modes } from '../mode.js';
import type { Snapshot } from '../cluster.js';
import { siteOf } from '../relation.js';
import type { Decision, Exclusion, PairNames } from '../trail.js';
import { stepOf } from '../trail.js';
import { underlayFacts } from '../underlay/index.js';
import type { UnderlayTable } from '../underlay/index.js';
import type { Admission } from './admissible.js';
import { carriesAll } from './admissible.js';
import type { Change } from './change.js';
import { applyChanges, changeKey } from './change.js';
import { changesAgainst } from './remove.js';
import { steerings } from './steer.js';

export type Flip =
  | {
      readonly possible: true;
      readonly mode: Mode;
      readonly changes: readonly Change[];
      /** As decided with the changes made. */
      readonly decision: Decision;
    }
  | {
      readonly possible: false;
      readonly mode: Mode;
      /** What no change of the file takes away; empty: there are too many things to change. */
      readonly because: readonly Exclusion[];
      readonly pair: PairNames;
    };

/** Nobody makes more at once; a pair of regions of one provider takes six. */
const maxChanges = 7;
/** Some ten microseconds each. */
const maxDecisions = 2000;

/** One for each mode that was not chosen; none where no mode would carry anything. */
export function smallestFlips(
  snapshot: Snapshot,
  question: Question,
  options: Pick<DecideOptions, 'facts'> = {},
): readonly Flip[] {
  const { from, owner } = question;
  if (owner === undefined || owner.withdrawn || owner.name === from.name) return [];
  const decision = decide(snapshot, question, options);
  const chosen = modeOf(decision);
  return modes
    .filter((mode) => mode !== chosen)
    .flatMap((mode) => search({ snapshot, question, options }, mode));
}

/** The mode that packets really take; a mode forced against the facts is none. */
function modeOf(decision: Decision): Mode | undefined {
  return decision.verdict.kind === 'forward' ? decision.verdict.mode : undefined;
}

interface Search {
  readonly snapshot: Snapshot;
  readonly question: Question;
  readonly options: Pick<DecideOptions, 'facts'>;
}

function search(context: Search, mode: Mode): readonly Flip[] {
  const facts = context.options.facts ?? underlayFacts;
  const seen = new Set<string>();
  let level: (readonly Change[])[] = [[]];
  let decisions = 0;
  for (let size = 0; size <= maxChanges && level.length > 0; size++) {
    const next: (readonly Change[])[] = [];
    for (const changes of level) {
      if (++decisions > maxDecisions) return impossible(context, mode);
      const { cluster, decision } = decideWith(context, changes);
      if (flipped(decision, mode)) {
        if (admissible(changes, { cluster, base: context.snapshot.cluster, facts }))
          return [{ possible: true, mode, changes, decision }];
        continue;
      }
      for (const change of tries({ ...context, cluster, decision, facts }, mode)) {
        const more = [...changes, change];
        const key = more.map(changeKey).sort().join('\n');
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(more);
      }
    }
    level = next;
  }
  return impossible(context, mode);
}

function decideWith(
  { snapshot, question, options }: Search,
  changes: readonly Change[],
): { readonly cluster: Cluster; readonly decision: Decision } {
  const cluster = applyChanges(snapshot.cluster, changes);
  const from = cluster.nodes.get(question.from.name) ?? question.from;
  const owner = cluster.nodes.get(question.owner?.name ?? '');
  return {
    cluster,
    decision: decide({ ...snapshot, cluster }, { ...question, from, owner }, options),
  };
}

function flipped(decision: Decision, mode: Mode): boolean {
  return modeOf(decision) === mode && stepOf(decision, 'feasible')?.forced === false;
}

/** Would a file with these changes be taken? */
function admissible(changes: readonly Change[], admission: Admission): boolean {
  return changes.every(
    (change) => change.kind !== 'rule-mode' || carriesAll(change.rule, admission),
  );
}

interface Trying extends Search {
  readonly cluster: Cluster;
  readonly decision: Decision;
  readonly facts: UnderlayTable;
}

/** The changes of which any way to the mode must have one. */
function tries(context: Trying, mode: Mode): readonly Change[] {
  const { cluster, decision, facts, question, snapshot } = context;
  const from = cluster.nodes.get(question.from.name);
  const to = cluster.nodes.get(question.owner?.name ?? '');
  const ruled = stepOf(decision, 'rule');
  if (from === undefined || to === undefined || ruled === undefined) return [];
  const { family } = question.prefix;
  const rule = ruled.deniedBack ?? ruled.rule;
  const steering = steerings({ cluster, from, to, family, rule, mode });
  const feasible = stepOf(decision, 'feasible');
  if (feasible === undefined) return steering;
  const situation = {
    cluster,
    local: snapshot.local,
    facts,
    from: siteOf(cluster, from),
    to: siteOf(cluster, to),
    candidates: feasible.candidates,
  };
  const found: Change[] = [];
  for (const candidate of feasible.candidates) {
    if (candidate.carriage.mode !== mode) continue;
    // Without exclusions something cheaper was chosen instead.
    const ways = candidate.exclusions.map((exclusion) => [
      ...changesAgainst(exclusion, candidate, situation),
      ...(steerable(exclusion) ? steering : []),
    ]);
    if (ways.some((way) => way.length === 0)) continue;
    const narrowest = ways.reduce((a, b) => (b.length < a.length ? b : a), ways[0] ?? steering);
    found.push(...narrowest);
  }
  return found;
}

/** Is it a rule's doing, or something that only `auto` heeds? */
function steerable(exclusion: Exclusion): boolean {
  return (
    exclusion.code === 'rule' ||
    exclusion.code === 'probe' ||
    (exclusion.code === 'accepts' && exclusion.plane === 'userspace')
  );
}

/** What stands in the way of the candidate that has the least of it. */
function impossible(context: Search, mode: Mode): readonly Flip[] {
  const { from, owner } = context.question;
  if (owner === undefined) return [];
  const { cluster, decision } = undenied(context, mode);
  const feasible = stepOf(decision, 'feasible');
  if (feasible === undefined) return [];
  const facts = context.options.facts ?? underlayFacts;
  const situation = {
    cluster,
    local: context.snapshot.local,
    facts,
    from: siteOf(cluster, from),
    to: siteOf(cluster, owner),
    candidates: feasible.candidates,
  };
  const walls = feasible.candidates
    .filter(({ carriage }) => carriage.mode === mode)
    .map((candidate) =>
      candidate.exclusions.filter(
        (exclusion) =>
          !steerable(exclusion) && changesAgainst(exclusion, candidate, situation).length === 0,
      ),
    );
  const real = walls.filter((wall) => !wall.some(({ code }) => code === 'no-outer-address'));
  const [because = []] = (real.length > 0 ? real : walls).sort((a, b) => a.length - b.length);
  return [{ possible: false, mode, because, pair: { from: from.name, to: owner.name } }];
}

/** A denied pair, as if the rule asked for the mode: what else is in its way? */
function undenied(context: Search, mode: Mode): ReturnType<typeof decideWith> {
  const asked = decideWith(context, []);
  const { cluster, decision } = asked;
  const ruled = stepOf(decision, 'rule');
  const { from, owner, prefix } = context.question;
  const rule = ruled?.deniedBack ?? ruled?.rule;
  if (ruled?.result !== 'deny' || owner === undefined || rule === undefined) return asked;
  const steering = { cluster, from, to: owner, family: prefix.family, rule, mode };
  return decideWith(context, steerings(steering).slice(0, 1));
}
