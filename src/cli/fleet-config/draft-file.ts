/**
 * The text that is being edited: a file of its own that only this user can read, with what was wrong
 * with it in comments above, which are taken off again when it is read.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import type { Problem } from '../../config/problem.js';
import { unableFailure } from '../failure.js';

/** Begins the lines that are ours. */
const mark = '# selvage: ';

export class DraftFile {
  readonly path: string;
  readonly #folder: string;
  #first: string | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    // Editors choose the colours by the ending.
    this.path = join(folder, 'cluster.yaml');
  }

  static async make(): Promise<DraftFile> {
    return new DraftFile(await mkdtemp(join(tmpdir(), 'selvage-config-')));
  }

  async write(text: string, problems: readonly Problem[] = []): Promise<void> {
    this.#first ??= text;
    await writeFile(this.path, withProblems(text, problems), { mode: 0o600 });
  }

  async read(): Promise<string> {
    return withoutProblems(await readFile(this.path, 'utf8'));
  }

  /** Does it hold anything that was not there at first? */
  async isWorthKeeping(): Promise<boolean> {
    const text = await this.read().catch(() => '');
    return text.trim() !== '' && text !== this.#first;
  }

  /** Without the comments, for somebody who goes on by other means. */
  async keep(): Promise<void> {
    await this.write(await this.read());
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function withProblems(text: string, problems: readonly Problem[]): string {
  if (problems.length === 0) return text;
  const head = ['not valid, so nothing was written; save it unchanged to give up'];
  // Two lines of our own, and one a problem: so many lines further down is what they are about.
  const shift = problems.length + 2;
  const lines = problems.map(({ line, column, severity, message, remedy }) =>
    `${line + shift}:${column}: ${severity}: ${message} — ${remedy}`.replace(/\s*\n\s*/g, ' '),
  );
  return [...[...head, ...lines].map((line) => mark + line), mark.trimEnd(), text].join('\n');
}

export function withoutProblems(text: string): string {
  const lines = text.split('\n');
  const first = lines.findIndex(
    (line) => line.trimEnd() !== mark.trimEnd() && !line.startsWith(mark),
  );
  return first < 0 ? '' : lines.slice(first).join('\n');
}

/** `$VISUAL`, `$EDITOR` or vi, with whatever arguments stand there. */
export async function runEditor(
  path: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const editor = [env['VISUAL'], env['EDITOR']].find((name) => (name ?? '').trim() !== '') ?? 'vi';
  const status = await new Promise<number | null>((resolve, reject) => {
    // By the shell, as what stands in these variables is a command line.
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (status === 0) return;
  throw unableFailure(
    `the editor "${editor}" ended with ${status === null ? 'a signal' : `exit status ${status}`}; nothing was written; set $VISUAL or $EDITOR to another`,
  );
}
