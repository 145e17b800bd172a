/**
 * Hands off: while an agent is frozen it reads, plans, notices and answers, and writes nothing to
 * the kernel, neither a repair nor a change. For the hour in which somebody looks at a node and
 * must not be helped. What differs meanwhile is told once in the log and always in `status`.
 */
import type { Logger } from 'pino';
import type { Change } from '../../routes/diff.js';
import type { FreezeReport } from '../../routes/explain-report.js';
import type { PassReport } from '../../routes/reconciler.js';
import { freezeWords } from '../explain/freeze-words.js';
import { changeLine } from '../journal/change-line.js';
import { forgetFreeze, readFreeze, writeFreeze } from './freeze-file.js';

export interface FreezeOptions {
  readonly path: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Called when the time is over. */
  readonly onThaw: () => void;
  readonly now?: () => Date;
}

export interface FreezeRequest {
  /** Undefined: until `thaw`. */
  readonly forMs: number | undefined;
  readonly reason: string | undefined;
}

/** Longest delay of a timer of the runtime, in milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

export class Freeze {
  readonly #options: FreezeOptions;
  readonly #now: () => Date;
  #report: FreezeReport | undefined;
  #timer: NodeJS.Timeout | undefined;
  #withheld: readonly Change[] = [];
  /** Keys whose drift has been logged. */
  #told: ReadonlySet<string> = new Set();

  constructor(options: FreezeOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#report = readFreeze(options.path, this.#now);
    if (this.report === undefined) return;
    options.log.warn(freezeWords(this.report));
    this.#arm();
  }

  /** Undefined: not frozen, or not any more. */
  get report(): FreezeReport | undefined {
    const until = this.#report?.until ?? null;
    if (until !== null && this.#now().getTime() >= Date.parse(until)) this.#end('its time is over');
    return this.#report;
  }

  /** What would be written if it were not frozen. */
  get withheld(): readonly Change[] {
    return this.report === undefined ? [] : this.#withheld;
  }

  begin({ forMs, reason }: FreezeRequest): FreezeReport {
    const nowMs = this.#now().getTime();
    const report: FreezeReport = {
      // A freeze that is made longer began when it began.
      since: this.report?.since ?? new Date(nowMs).toISOString(),
      until: forMs === undefined ? null : new Date(nowMs + forMs).toISOString(),
      reason: reason ?? null,
    };
    writeFreeze(this.#options.path, report);
    this.#report = report;
    this.#options.log.warn(freezeWords(report));
    this.#arm();
    return report;
  }

  /** False: it was not frozen. */
  end(): boolean {
    if (this.report === undefined) return false;
    this.#end('thawed');
    return true;
  }

  /** A pass has looked. */
  noticed(pass: PassReport): void {
    this.#withheld = pass.withheld;
    const fresh = pass.withheld.filter(({ key }) => !this.#told.has(key));
    this.#told = new Set(pass.withheld.map(({ key }) => key));
    for (const change of fresh)
      this.#options.log.warn({ reasons: pass.reasons }, `frozen, not done: ${changeLine(change)}`);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #end(why: string): void {
    clearTimeout(this.#timer);
    forgetFreeze(this.#options.path);
    this.#report = undefined;
    this.#withheld = [];
    this.#told = new Set();
    this.#options.log.warn(`no longer frozen: ${why}`);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const until = this.#report?.until ?? null;
    if (until === null) return;
    const leftMs = Date.parse(until) - this.#now().getTime();
    this.#timer = setTimeout(
      () => {
        if (this.report !== undefined) this.#arm();
        else this.#options.onThaw();
      },
      Math.min(Math.max(leftMs, 0) + 1, longestTimerMs),
    );
  }
}
