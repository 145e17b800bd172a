/**
 * When each kernel object last changed and by whose doing, as far as this agent knows, together with
 * the line of the log that said so.
 *
 * Ten thousand peers have some thirty thousand objects, so little is kept of each: one record of a
 * pass is shared by all objects that the pass changed in the same way, and the line is put together
 * when it is asked for, from the record and the object's text. Bounded; the longest unchanged fall
 * out first. Memory only: what an earlier agent did is not known, and not guessed.
 */
import type { Change } from '../../routes/diff.js';
import type { ObjectHistory } from '../../routes/explain-kernel.js';
import type { PassReport } from '../../routes/reconciler.js';

/**
 * `made`: as decided. `repaired`: somebody else had changed it. `withheld`: it differs, and the
 * agent is frozen.
 */
export type JournalKind = 'made' | 'repaired' | 'withheld';

/** What one pass did to one or many objects in the same way. */
export interface JournalRecord {
  /** ISO 8601. */
  readonly at: string;
  readonly what: JournalKind;
  readonly change: Change['kind'];
  /** That differed, for an update. */
  readonly attributes: readonly string[];
  /** Of the pass. */
  readonly reasons: readonly string[];
}

/** A pass that changed something, or could not. */
export interface JournalPass {
  readonly at: string;
  readonly durationMs: number;
  readonly reasons: readonly string[];
  readonly changes: number;
  readonly withheld: number;
  readonly failed: readonly string[];
  readonly error: string | null;
}

/** All of it as plain data: `objects` names records by their place in `records`. */
export interface JournalData {
  readonly records: readonly JournalRecord[];
  readonly objects: readonly (readonly [key: string, record: number])[];
  readonly passes: readonly JournalPass[];
}

export interface JournalOptions {
  readonly maxObjects?: number;
  readonly maxPasses?: number;
}

/** Some 350 bytes each: less than 10 MB in all. */
const defaultMaxObjects = 25_000;
const defaultMaxPasses = 200;
/** Of a pass in which everything failed, the first ones tell why. */
const maxFailures = 20;

const prefixes: Readonly<Record<JournalKind, string>> = {
  made: '',
  repaired: 'repaired: ',
  withheld: 'frozen, not done: ',
};

export class Journal {
  readonly #maxObjects: number;
  readonly #maxPasses: number;
  readonly #objects = new Map<string, JournalRecord>();
  #passes: JournalPass[] = [];

  constructor(options: JournalOptions = {}) {
    this.#maxObjects = options.maxObjects ?? defaultMaxObjects;
    this.#maxPasses = options.maxPasses ?? defaultMaxPasses;
  }

  /** `isRepair` says whether a change of this pass undid what somebody else did. */
  note(
    pass: PassReport,
    { at, isRepair }: { readonly at: Date; readonly isRepair: (change: Change) => boolean },
  ): void {
    const { changes, withheld, failed, error, reasons } = pass;
    if (changes.length + withheld.length + failed.length === 0 && error === undefined) return;
    const records = new Map<string, JournalRecord>();
    const put = (change: Change, what: JournalKind): void => {
      const attributes = change.kind === 'update' ? change.attributes : [];
      const id = `${what} ${change.kind} ${attributes.join(' ')}`;
      let record = records.get(id);
      if (record === undefined)
        records.set(
          id,
          (record = { at: at.toISOString(), what, change: change.kind, attributes, reasons }),
        );
      this.#put(change.key, record);
    };
    for (const change of changes) put(change, isRepair(change) ? 'repaired' : 'made');
    for (const change of withheld)
      // What is still so was noticed when it began.
      if (!this.#isNoticed(change)) put(change, 'withheld');
    this.#forgetOldest();
    this.#passes.push({
      at: at.toISOString(),
      durationMs: Math.round(pass.durationMs * 10) / 10,
      reasons,
      changes: changes.length,
      withheld: withheld.length,
      failed: failed.slice(0, maxFailures).map(({ failure }) => failure.message),
      error: error?.message ?? null,
    });
    if (this.#passes.length > this.#maxPasses) this.#passes = this.#passes.slice(-this.#maxPasses);
  }

  record(key: string): JournalRecord | undefined {
    return this.#objects.get(key);
  }

  readonly history: ObjectHistory = (key, object) => historyOf(this.#objects.get(key), object);

  get data(): JournalData {
    const places = new Map<JournalRecord, number>();
    const objects = [...this.#objects].map(([key, record]): [string, number] => {
      const place = places.get(record) ?? places.size;
      places.set(record, place);
      return [key, place];
    });
    return { records: [...places.keys()], objects, passes: this.#passes };
  }

  #put(key: string, record: JournalRecord): void {
    // To the end: the order of the map is that of the last changes.
    this.#objects.delete(key);
    this.#objects.set(key, record);
  }

  /** All in one walk: to find the first of a map takes as long as much was deleted before it. */
  #forgetOldest(): void {
    let excess = this.#objects.size - this.#maxObjects;
    if (excess <= 0) return;
    for (const key of this.#objects.keys()) {
      this.#objects.delete(key);
      if (--excess === 0) return;
    }
  }

  #isNoticed(change: Change): boolean {
    const last = this.#objects.get(change.key);
    return (
      last?.what === 'withheld' &&
      last.change === change.kind &&
      (change.kind !== 'update' || last.attributes.join() === change.attributes.join())
    );
  }
}

/** The same answers from what was written down. */
export function historyFrom(data: JournalData): ObjectHistory {
  const objects = new Map(data.objects);
  return (key, object) => {
    const place = objects.get(key);
    return historyOf(place === undefined ? undefined : data.records[place], object);
  };
}

function historyOf(record: JournalRecord | undefined, object: string): ReturnType<ObjectHistory> {
  if (record === undefined) return undefined;
  const { at, what, change, attributes, reasons } = record;
  const differed = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return {
    at,
    line: `${prefixes[what]}${change} ${object}${differed}; pass: ${reasons.join(', ')}`,
  };
}
