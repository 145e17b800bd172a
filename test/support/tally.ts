/**
 * Counts what test files say in TAP and tells it in plain lines: one a file, each failure in full as
 * soon as it is known. The numbers are what a run's last line is made of; tap's own summary is for
 * people, and its reporters draw on a terminal.
 */
import { Parser, type FinalResults, type Result } from 'tap-parser';

export interface Numbers {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Each skipped point, with its reason. */
  readonly skips: readonly string[];
}

/** How a test file's process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly seconds: number;
}

interface Run extends Pick<Ending, 'code' | 'signal'> {
  readonly points: number;
  /** Absent when the stream was cut off. */
  readonly final: FinalResults | undefined;
}

/** What is wrong with a file none of whose assertions failed. */
function faultOf({
  points,
  final,
  code,
  signal,
}: Run): Readonly<Record<string, unknown>> | undefined {
  const exit = signal === null ? `with exit code ${String(code)}` : `by ${signal}`;
  if (final === undefined) return { ended: `${exit}, its output cut off` };
  if (points === 0) return { ended: `${exit}, without a test` };
  if (final.ok && code === 0) return undefined;
  const complaints = final.failures.map(({ tapError, name }): unknown => tapError ?? name);
  return { ended: `${exit}, though no assertion failed`, complaints };
}

export class Tally {
  readonly #print: (line: string) => void;
  #passed = 0;
  #failed = 0;
  readonly #skips: string[] = [];

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  get numbers(): Numbers {
    return {
      passed: this.#passed,
      failed: this.#failed,
      skipped: this.#skips.length,
      skips: this.#skips,
    };
  }

  /** Reads one file's stream; what it returns is called when stream and process have both ended. */
  read(file: string, tap: NodeJS.ReadableStream): (ending: Ending) => void {
    let points = 0;
    let failures = 0;
    let final: FinalResults | undefined;
    const fail = (name: string, diagnosis: unknown): void => {
      failures++;
      this.#fail(name, diagnosis);
    };
    const parser = new Parser({}, (results) => (final = results));
    this.#showTables(parser);
    // A single assertion, at any depth.
    parser.on('result', (point: Result) => {
      points++;
      const name = `${file} > ${point.fullname}`;
      // To TAP a skipped point is "ok"; here it has neither passed nor failed.
      if (point.skip === true) this.#skips.push(`${name}: no reason given`);
      else if (point.skip !== false) this.#skips.push(`${name}: ${point.skip}`);
      else if (point.ok) this.#passed++;
      else fail(name, point.diag);
    });
    parser.on('bailout', (reason: string) => {
      fail(`${file}: bail out`, { reason });
    });
    tap.pipe(parser);
    return ({ code, signal, seconds }) => {
      // A failure that no assertion shows (a crash, a hang) is one all the same.
      const wrong = failures === 0 ? faultOf({ points, final, code, signal }) : undefined;
      if (wrong !== undefined) fail(file, wrong);
      const outcome = failures === 0 ? 'ok' : 'FAILED';
      this.#print(`  ${outcome} ${file} (${String(points)} in ${seconds.toFixed(1)} s)`);
    };
  }

  #fail(name: string, diagnosis: unknown): void {
    this.#failed++;
    this.#print(`\nFAILED ${name}`);
    if (typeof diagnosis !== 'object' || diagnosis === null) return;
    for (const [key, value] of Object.entries(diagnosis as Record<string, unknown>)) {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      this.#print(`  ${key}: ${text.trimEnd().replaceAll('\n', '\n    ')}`);
    }
    this.#print('');
  }

  /** What a test has measured, as a table of comments. */
  #showTables(parser: Parser): void {
    parser.on('comment', (comment: string) => {
      const [, row] = /^\s*# (\|.*\|)\s*$/.exec(comment) ?? [];
      if (row !== undefined) this.#print(`  ${row}`);
    });
    parser.on('child', (child: Parser) => {
      this.#showTables(child);
    });
  }
}
