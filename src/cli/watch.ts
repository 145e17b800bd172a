/**
 * Looks again and again and shows what changed. On a terminal the picture is drawn over the last one
 * (home, each line cleared to its end, then the rest: nothing flickers); in a pipe every changed
 * report is appended, as JSON one to a line.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes } from './exit-codes.js';
import { reportFailure } from './failure.js';
import type { Answer } from './output.js';
import { formatAnswer } from './output.js';

export interface Watch<T> extends Answer<T> {
  readonly seconds: number;
  ask(): Promise<T>;
  exitCode(report: T): number;
}

const home = '\x1b[H';
const clearLine = '\x1b[K';
const clearBelow = '\x1b[J';
const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

/** Until ^C or the end of whoever reads; the exit code is that of the last report. */
export async function watchAnswers<T>(watch: Watch<T>): Promise<void> {
  const { stdout } = process;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const screen = stdout.isTTY && watch.output === 'table';
  let shown = '';
  const show = (text: string): void => {
    if (screen) stdout.write(picture(text, stdout.rows));
    else if (text !== shown) stdout.write(appended(text, { ...watch, first: shown === '' }));
    shown = text;
  };
  // What is wrong with the question is said at once, and not looked at again and again.
  let text = await look(watch);
  if (screen) stdout.write(`${hideCursor}${home}${clearBelow}`);
  const redraw = (): void => show(shown);
  if (screen) stdout.on('resize', redraw);
  try {
    for (;;) {
      show(text);
      await sleep(watch.seconds * 1_000, undefined, { signal: ended.signal });
      text = await look(watch).catch((error: unknown) => failed(error, watch.output));
      if (ended.signal.aborted) return;
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    if (screen) {
      stdout.off('resize', redraw);
      stdout.write(`${showCursor}\n`);
    }
  }
}

async function look<T>(watch: Watch<T>): Promise<string> {
  const report = await watch.ask();
  process.exitCode = watch.exitCode(report);
  return watch.output === 'json' ? JSON.stringify(report) : formatAnswer(report, watch);
}

/** An agent that is away for a moment is a change like others. */
function failed(error: unknown, output: Watch<unknown>['output']): string {
  const { text, exitCode } = reportFailure(error, { debug: false });
  if (exitCode === exitCodes.internal) throw error;
  process.exitCode = exitCode;
  return output === 'table' ? text : JSON.stringify({ error: text });
}

/** What does not fit is left out below: the verdict is on top. */
function picture(text: string, rows: number): string {
  const lines = text.trimEnd().split('\n');
  const fitting =
    lines.length < rows
      ? lines
      : [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} more lines`];
  return `${home}${fitting.map((line) => `${line}${clearLine}\n`).join('')}${clearBelow}`;
}

function appended(
  text: string,
  { output, first }: { readonly output: Watch<unknown>['output']; readonly first: boolean },
): string {
  const before = output === 'json' ? '' : output === 'yaml' ? '---\n' : first ? '' : '\n';
  return `${before}${text.trimEnd()}\n`;
}
