/**
 * What a running agent tells of its passes: each change once, as its own doing or as the repair of
 * somebody else's; trouble when it begins and when it is over, not on every retry.
 */
import type { Logger } from 'pino';
import type { Change } from '../../routes/diff.js';
import type { PassReport } from '../../routes/reconciler.js';
import { formatObject } from '../../tunnel/format.js';
import { changeLine } from '../journal/change-line.js';
import type { Journal } from '../journal/journal.js';
import { describeContest } from './status.js';

export interface PassContext {
  readonly before: PassReport | undefined;
  /** It wanted what the one before it wanted: what it changed was somebody's doing. */
  readonly samePlan: boolean;
  readonly at: Date;
}

export class PassLog {
  readonly #log: Logger;
  readonly #journal: Journal;
  #repairs = 0;
  #shownProblems = '';
  readonly #shownNotes = new Set<string>();
  #shownError = '';
  /** Keys of the objects that somebody fights us for, as last told in the log. */
  #shownContests: ReadonlySet<string> = new Set();

  constructor(log: Logger, journal: Journal) {
    this.#log = log;
    this.#journal = journal;
  }

  /** Changes of others that were undone so far. */
  get repairs(): number {
    return this.#repairs;
  }

  /** Returns the changes that were repairs. */
  note(report: PassReport, { before, samePlan, at }: PassContext): readonly Change[] {
    const wasWell = before !== undefined && before.error === undefined;
    // What could not be done before is made good now, not repaired.
    const undone = new Set([
      ...(before?.failed ?? []).map((entry) => entry.change.key),
      ...(before?.skipped ?? []).map((change) => change.key),
      ...(before?.foreign ?? []).map((entry) => entry.key),
    ]);
    this.#tellContests(report);
    const isRepair = ({ key }: { readonly key: string }): boolean =>
      samePlan && wasWell && (!undone.has(key) || this.#shownContests.has(key));
    this.#journal.note(report, { at, isRepair });
    const repaired = report.changes.filter(isRepair);
    this.#repairs += repaired.length;
    for (const change of report.changes) {
      const repair = isRepair(change);
      // Told once, when the fight began.
      if (repair && this.#shownContests.has(change.key)) continue;
      const attributes = change.kind === 'update' ? change.attributes : undefined;
      const line = changeLine(change);
      const fields = {
        ...(attributes === undefined ? {} : { attributes }),
        reasons: report.reasons,
      };
      if (!repair) this.#log.info(fields, line);
      else this.#log.warn(fields, `repaired: ${line}`);
    }
    this.#tellErrors(report);
    return repaired;
  }

  /** Each set of problems when it changes, each note once. */
  tell(problems: readonly string[], notes: readonly string[]): void {
    const shown = problems.join('\n');
    if (shown !== this.#shownProblems) for (const problem of problems) this.#log.warn(problem);
    this.#shownProblems = shown;
    for (const note of notes) {
      if (this.#shownNotes.has(note)) continue;
      this.#shownNotes.add(note);
      this.#log.info(note);
    }
  }

  #tellErrors(report: PassReport): void {
    const errors = [
      ...report.failed.map((entry) => `${entry.peer ?? 'node'}: ${entry.failure.message}`),
      ...report.foreign.map(
        (entry) => `${formatObject(entry.desired)} is held by ${formatObject(entry.actual)}`,
      ),
      ...(report.error === undefined ? [] : [report.error.message]),
    ];
    // The same trouble on every retry is one line, not one a second.
    const shown = errors.join('\n');
    if (shown !== this.#shownError) for (const error of errors) this.#log.error(error);
    if (shown === '' && this.#shownError !== '') this.#log.info('the trouble is over');
    this.#shownError = shown;
  }

  /** One line when a fight begins and one when it is over, however many objects it is about. */
  #tellContests(report: PassReport): void {
    const now = new Map(report.contested.map((contest) => [contest.key, contest]));
    const begun = report.contested.filter(({ key }) => !this.#shownContests.has(key));
    const over = [...this.#shownContests].filter((key) => !now.has(key));
    const [first] = begun;
    if (first !== undefined)
      this.#log.warn(
        { objects: begun.length },
        `somebody keeps undoing our repairs of ${describeContest(first)}${more(begun.length)}: repaired with growing pauses from now on; find who does it and stop it`,
      );
    if (over.length > 0)
      this.#log.info(
        { objects: over.length },
        `nobody undoes ${over[0]}${more(over.length)} any more`,
      );
    this.#shownContests = new Set(now.keys());
  }
}

function more(count: number): string {
  return count > 1 ? ` and of ${count - 1} more objects` : '';
}
