/**
 * Two clusters against each other: which ordered pairs of nodes go another way, or with another
 * MTU, and why. A group is of pairs that change alike for one cause; it says how many, and between
 * which zones.
 */
import type { Family } from '../address.js';
import type { Cluster } from '../cluster.js';
import type { DiffCause } from './diff-cause.js';
import { causeOf } from './diff-cause.js';
import type { RecordDiff } from './diff-records.js';
import { diffRecords, isEmpty } from './diff-records.js';
import { endNames } from './end-names.js';
import type { ZonePair } from './finding.js';
import { outcomeOf, outcomeText } from './outcome.js';
import type { PairGroup, PairsSummary } from './pairs.js';
import { visitPairs } from './pairs.js';

export type DiffEffect =
  /** Packets that were carried no longer are. */
  | 'lost'
  /** Packets that had no way now have one. */
  | 'gained'
  | 'mode'
  | 'mtu'
  /** Nothing is carried, for another reason than before. */
  | 'refusal';

export interface DiffGroup {
  readonly family: Family;
  readonly effect: DiffEffect;
  /** `ipip 8981`, `denied`, `no way`; `–` where there was nothing. */
  readonly from: string;
  readonly to: string;
  readonly cause: DiffCause;
  /** Ordered pairs. */
  readonly pairs: number;
  /** From the most pairs to the fewest; a zone that nodes change is `old → new`. */
  readonly zonePairs: readonly ZonePair[];
}

export interface ClusterDiff {
  readonly summary: PairsSummary;
  /** Ordered pairs of nodes of either cluster. */
  readonly pairs: number;
  /** Of those, pairs of which one family or both go another way. */
  readonly changedPairs: number;
  readonly groups: readonly DiffGroup[];
  readonly records: RecordDiff;
  /** Neither the pairs nor anything that is declared of nodes differs. */
  readonly same: boolean;
}

export function diffClusters(old: Cluster, next: Cluster): ClusterDiff {
  const book = new DiffBook(old, next);
  let pairs = 0;
  let changedPairs = 0;
  const summary = visitPairs([old, next], (group) => {
    pairs += group.pairs;
    let changed = false;
    for (const family of [4, 6] as const) if (book.add(group, family)) changed = true;
    if (changed) changedPairs += group.pairs;
  });
  const groups = book.groups();
  const records = diffRecords(old, next);
  const same = groups.length === 0 && isEmpty(records);
  return { summary, pairs, changedPairs, groups, records, same };
}

interface Draft extends Omit<DiffGroup, 'pairs' | 'zonePairs'> {
  pairs: number;
  readonly zonePairs: Map<string, { -readonly [K in keyof ZonePair]: ZonePair[K] }>;
}

class DiffBook {
  readonly #clusters: readonly [Cluster, Cluster];
  readonly #drafts = new Map<string, Draft>();

  constructor(old: Cluster, next: Cluster) {
    this.#clusters = [old, next];
  }

  /** Does the family go another way? */
  add(group: PairGroup, family: Family): boolean {
    const [old, next] = [group.decision(0, family), group.decision(1, family)];
    const [was, is] = [outcomeOf(old), outcomeOf(next)];
    const [from, to] = [outcomeText(was, family), outcomeText(is, family)];
    if (from === to) return false;
    const names = (position: 0 | 1) => {
      const cluster = this.#clusters[position];
      const [sender, receiver] = [group.from.zones[position], group.to.zones[position]];
      return endNames({ cluster, zone: sender }, { cluster, zone: receiver });
    };
    const cause =
      old === undefined || next === undefined
        ? comingCause(group, family)
        : causeOf(old, next, { old: names(0), next: names(1) });
    const effect = effectOf(was, is);
    const key = [family, from, to, cause.step, cause.text].join('\n');
    let draft = this.#drafts.get(key);
    if (draft === undefined) {
      draft = { family, effect, from, to, cause, pairs: 0, zonePairs: new Map() };
      this.#drafts.set(key, draft);
    }
    draft.pairs += group.pairs;
    const zones = { from: zoneOf(group.from), to: zoneOf(group.to) };
    const zoneKey = `${zones.from}\n${zones.to}`;
    const known = draft.zonePairs.get(zoneKey);
    if (known === undefined)
      draft.zonePairs.set(zoneKey, {
        ...zones,
        pairs: group.pairs,
        example: { ...group.example, family },
      });
    else known.pairs += group.pairs;
    return true;
  }

  /** What is lost first, then the most pairs. */
  groups(): readonly DiffGroup[] {
    const effects: readonly DiffEffect[] = ['lost', 'mode', 'mtu', 'gained', 'refusal'];
    return [...this.#drafts.values()]
      .map((draft): DiffGroup => ({
        ...draft,
        zonePairs: [...draft.zonePairs.values()].sort(
          (a, b) => b.pairs - a.pairs || (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1),
        ),
      }))
      .sort(
        (a, b) =>
          effects.indexOf(a.effect) - effects.indexOf(b.effect) ||
          b.pairs - a.pairs ||
          (groupKey(a) < groupKey(b) ? -1 : 1),
      );
  }
}

function groupKey({ family, from, to, cause }: DiffGroup): string {
  return `${family} ${from} ${to} ${cause.text}`;
}

function effectOf(was: ReturnType<typeof outcomeOf>, is: ReturnType<typeof outcomeOf>): DiffEffect {
  if (was.kind === 'forward' && is.kind === 'forward')
    return was.mode === is.mode && was.outer === is.outer && was.plane === is.plane
      ? 'mtu'
      : 'mode';
  if (was.kind === 'forward') return 'lost';
  return is.kind === 'forward' ? 'gained' : 'refusal';
}

/** One of the two nodes comes or goes, or what it owns of the family does. */
function comingCause({ from, to }: PairGroup, family: Family): DiffCause {
  const ends = [from, to].map(({ zones: [old, next] }) =>
    old === undefined ? 'come' : next === undefined ? 'go' : 'stay',
  );
  if (ends.includes('come')) return { step: 'node', text: 'nodes come' };
  if (ends.includes('go')) return { step: 'node', text: 'nodes go' };
  return { step: 'node', text: `the receiver's IPv${family} prefixes come or go` };
}

function zoneOf({
  zones: [old, next],
}: {
  readonly zones: readonly (string | undefined)[];
}): string {
  if (old === undefined || next === undefined || old === next) return next ?? old ?? '';
  return `${old} → ${next}`;
}
