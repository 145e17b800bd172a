/**
 * Shows a change while it is led: on a terminal one picture that is drawn over the last one, in a
 * pipe a line whenever something has changed, as JSON one report to a line.
 */
import type { Format } from '../options.js';
import { formatAnswer } from '../output.js';
import { progressLine, renderMigrate } from '../render/migrate.js';
import { stdoutTerminal } from '../terminal.js';
import type { MigrateReport } from './report.js';

const clearBelow = '\x1b[J';
const up = (lines: number): string => (lines === 0 ? '' : `\x1b[${lines}A\r`);
/** In a pipe, between two lines of one stage. */
const quietMs = 5_000;

export class Display {
  readonly #output: Format;
  readonly #isScreen: boolean;
  #lines = 0;
  #told = '';
  #stage: string | undefined;
  #toldAtMs = -Infinity;

  constructor(output: Format) {
    this.#output = output;
    this.#isScreen = output === 'table' && process.stdout.isTTY;
  }

  show(report: MigrateReport): void {
    if (this.#output === 'yaml') return;
    if (this.#isScreen) return this.#draw(renderMigrate(report, stdoutTerminal()));
    const line = this.#output === 'json' ? JSON.stringify(report) : progressLine(report);
    const stage = report.progress?.stage;
    const nowMs = performance.now();
    const isDue = stage !== this.#stage || nowMs - this.#toldAtMs >= quietMs;
    if (line === this.#told || !isDue) return;
    this.#told = line;
    this.#stage = stage;
    this.#toldAtMs = nowMs;
    process.stdout.write(`${line}\n`);
  }

  /** The last report, whole. */
  async end(report: MigrateReport): Promise<void> {
    const { outcome } = report;
    if (this.#isScreen) return this.#draw(renderMigrate(report, stdoutTerminal()));
    const text =
      this.#output === 'json'
        ? JSON.stringify(report)
        : await formatAnswer(report, {
            output: this.#output,
            render: (shown, terminal) =>
              renderMigrate(outcome === 'done' ? { ...shown, progress: null } : shown, terminal),
          });
    process.stdout.write(`${text}\n`);
  }

  #draw(text: string): void {
    const { stdout } = process;
    // What does not fit is left out below: a picture that scrolls cannot be drawn over.
    const lines = text.split('\n').slice(0, Math.max(1, stdout.rows - 1));
    stdout.write(`${up(this.#lines)}${clearBelow}${lines.join('\n')}\n`);
    this.#lines = lines.length;
  }
}
