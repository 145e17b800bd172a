/**
 * Leads a change through the fleet: waits until every node has done its part of a phase, writes the
 * next one, and so on. What it knows is in the store alone, so it may end at any moment and begin
 * again, and several may lead the same change at once: of two that write a phase one is refused, and
 * goes on with what the other wrote.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readClusterFile } from '../config/reader.js';
import { currentOf, lastNumber } from '../store/fleet/config-history.js';
import type { ConfigHistory } from '../store/fleet/config-history.js';
import type { ConfigTarget, ConfigWritten } from '../store/fleet/config-write.js';
import { writeVersion } from '../store/fleet/config-write.js';
import { KeyValueError } from '../store/kv.js';
import type { Migration } from './migration.js';
import { isUnderWay, migrationOf, nextPhase } from './migration.js';
import type { Progress, Reading } from './stage.js';
import { progressOf } from './stage.js';
import type { DemandedTerms } from './stand.js';
import { demandedTerms } from './stand.js';
import { FleetView } from './view.js';

export interface LeadOptions {
  /** Name of the cluster in the store. */
  readonly cluster: string;
  /** Of the configuration that the change leads to. */
  readonly text: string;
  /** Writes the first phase; absent: that has been done. */
  readonly begin?: FirstStep | undefined;
  /** User and host. */
  readonly by: string;
  /** Nodes that are not waited for. */
  readonly skip: ReadonlySet<string>;
  /** The last phase that is written. */
  readonly pauseAfter?: 'prepare' | 'switch' | undefined;
  /** How long all nodes have sent the new before the old is not received any more. */
  readonly settleMs: number;
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress, problem: string | undefined) => void;
}

export interface FirstStep {
  /** Number of the version that it was made from. */
  readonly base: number;
  write(): Promise<ConfigWritten>;
}

export type Outcome =
  | {
      readonly kind: 'done' | 'paused' | 'timeout' | 'interrupted';
      /** Absent: the store has not told everything yet. */
      readonly progress?: Progress;
    }
  /** Another version counts now, or another one was first. */
  | { readonly kind: 'superseded'; readonly version: number };

/** Between two looks, at most. */
const lookMs = 1_000;
/** What comes together is looked at once. */
const gatherMs = 100;

export async function leadChange(target: ConfigTarget, options: LeadOptions): Promise<Outcome> {
  const leader = new Leader(target, options);
  try {
    return await leader.run();
  } finally {
    leader.close();
  }
}

/** How it stands, without doing anything about it. */
export async function lookAt(
  target: ConfigTarget,
  options: { readonly cluster: string; readonly skip: ReadonlySet<string> },
): Promise<{ readonly progress: Progress | undefined; readonly isUnderWay: boolean }> {
  const view = new FleetView(target, { ...options, onChange: () => undefined });
  try {
    await view.ready();
    const history = await view.history();
    const reading = await view.reading();
    const migration = migrationOf(history);
    if (reading === undefined) return { progress: undefined, isUnderWay: isUnderWay(migration) };
    const terms = await termsOf(migration, reading);
    const version = currentOf(history)?.number ?? 0;
    const progress = progressOf({ reading, migration, version, terms, skip: options.skip });
    return { progress, isUnderWay: isUnderWay(migration) };
  } finally {
    view.close();
  }
}

/** Of the configuration that it leads to, or of the one in force where nothing is led. */
async function termsOf(migration: Migration | undefined, reading: Reading): Promise<DemandedTerms> {
  if (migration === undefined) return demandedTerms(reading.cluster);
  const { text, version } = migration;
  const bytes = Buffer.from(text, 'utf8');
  const read = await readClusterFile({ bytes, file: `version ${version}`, members: 'registering' });
  return demandedTerms(read.ok ? read.cluster : reading.cluster);
}

class Leader {
  readonly #target: ConfigTarget;
  readonly #options: LeadOptions;
  readonly #view: FleetView;
  readonly #deadlineMs: number;
  #begin: LeadOptions['begin'];
  #progress: Progress | undefined;
  #wake: () => void = () => undefined;
  /** Since when everybody has switched, as this process has seen it. */
  #settling: { readonly version: number; readonly sinceMs: number } | undefined;
  #terms: DemandedTerms | undefined;

  constructor(target: ConfigTarget, options: LeadOptions) {
    this.#target = target;
    this.#options = options;
    this.#begin = options.begin;
    this.#deadlineMs = performance.now() + (options.timeoutMs ?? Infinity);
    this.#view = new FleetView(target, {
      cluster: options.cluster,
      onChange: () => this.#wake(),
    });
  }

  close(): void {
    this.#view.close();
  }

  async run(): Promise<Outcome> {
    let known = false;
    void this.#view.ready().then(() => {
      known = true;
      this.#wake();
    });
    for (;;) {
      if (known) {
        const outcome = await this.#look().catch((error: unknown) => this.#later(error));
        if (outcome !== undefined) return outcome;
      }
      const over = this.#isOver();
      if (over !== undefined) return this.#ended(over);
      await this.#pause();
    }
  }

  #isOver(): 'interrupted' | 'timeout' | undefined {
    if (this.#options.signal.aborted) return 'interrupted';
    return performance.now() >= this.#deadlineMs ? 'timeout' : undefined;
  }

  #ended(kind: 'done' | 'paused' | 'timeout' | 'interrupted'): Outcome {
    return { kind, ...(this.#progress === undefined ? {} : { progress: this.#progress }) };
  }

  /** One look at everything, and what follows from it; undefined: go on. */
  async #look(): Promise<Outcome | undefined> {
    const { text, skip, pauseAfter } = this.#options;
    const history = await this.#view.history();
    const reading = await this.#view.reading();
    if (reading === undefined) return undefined;
    // Somebody was first; if he leads the same change, we go on with him.
    if (this.#begin !== undefined && lastNumber(history) !== this.#begin.base)
      this.#begin = undefined;
    const begin = this.#begin;
    const migration = begin === undefined ? migrationOf(history) : undefined;
    const version = currentOf(history)?.number ?? 0;
    if (begin === undefined && migration?.text !== text) return { kind: 'superseded', version };
    // Read once: it is the same text in every phase.
    if (migration !== undefined) this.#terms ??= await termsOf(migration, reading);
    const terms = this.#terms ?? demandedTerms(reading.cluster);
    const progress = progressOf({ reading, migration, version, terms, skip });
    this.#progress = progress;
    this.#options.onProgress(progress, this.#view.problem);
    if (progress.stage === 'done') return this.#ended('done');
    if (this.#isPaused(progress, pauseAfter)) return this.#ended('paused');
    if (!this.#mayGoOn(progress) || !(await this.#view.sawEveryRecord(reading))) return undefined;
    if (this.#isOver() !== undefined) return undefined;
    return begin === undefined ? this.#goOn(history, migration!) : this.#start(begin);
  }

  #isPaused({ stage }: Progress, pauseAfter: LeadOptions['pauseAfter']): boolean {
    return (
      (pauseAfter === 'prepare' && stage === 'ready') ||
      (pauseAfter === 'switch' && stage === 'settle')
    );
  }

  /** Has everybody done what the next phase needs? */
  #mayGoOn({ stage, version, waiting }: Progress): boolean {
    // What may be out of date decides nothing.
    if (waiting.length > 0 || this.#view.problem !== undefined) {
      this.#settling = undefined;
      return false;
    }
    if (stage === 'start' || stage === 'ready') return true;
    if (stage !== 'settle') return false;
    const nowMs = performance.now();
    if (this.#settling?.version !== version) this.#settling = { version, sinceMs: nowMs };
    return nowMs - this.#settling.sinceMs >= this.#options.settleMs;
  }

  /** A conflict is news: the next look has it. */
  async #start(begin: FirstStep): Promise<undefined> {
    await begin.write();
    this.#begin = undefined;
  }

  async #goOn(history: ConfigHistory, migration: Migration): Promise<undefined> {
    const draft = nextPhase(migration);
    if (draft === undefined) return;
    const { by } = this.#options;
    await writeVersion(this.#target, { base: history, draft: { ...draft, by, at: new Date() } });
  }

  /** A store that does not answer is waited for; anything else is told. */
  #later(error: unknown): undefined {
    if (!(error instanceof KeyValueError) || error.failure !== 'unavailable') throw error;
    if (this.#progress !== undefined) this.#options.onProgress(this.#progress, error.message);
  }

  async #pause(): Promise<void> {
    const { signal } = this.#options;
    const leftMs = this.#deadlineMs - performance.now();
    const ended = new AbortController();
    const end = (): void => ended.abort();
    signal.addEventListener('abort', end, { once: true });
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    const wait = (ms: number): Promise<void> =>
      sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined);
    await Promise.race([woken, wait(Math.max(0, Math.min(lookMs, leftMs)))]);
    if (!signal.aborted) await wait(Math.max(0, Math.min(gatherMs, leftMs)));
    end();
    signal.removeEventListener('abort', end);
  }
}
