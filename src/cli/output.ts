/** Answers go to standard output whole: as a table for people, or as JSON or YAML for programs. */
import type { Format } from './options.js';
import type { Terminal } from './terminal.js';
import { stdoutTerminal } from './terminal.js';

export interface Answer<T> {
  readonly output: Format;
  readonly render: (report: T, terminal: Terminal) => string;
}

export async function printAnswer<T>(report: T, answer: Answer<T>): Promise<void> {
  print(await formatAnswer(report, answer));
}

export async function formatAnswer<T>(report: T, answer: Answer<T>): Promise<string> {
  switch (answer.output) {
    case 'json':
      return JSON.stringify(report, null, 2);
    case 'yaml': {
      const { stringify } = await import('yaml');
      // By way of JSON, so that both formats leave out the same fields.
      const plain: unknown = JSON.parse(JSON.stringify(report));
      return stringify(plain, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd();
    }
    case 'table':
      return answer.render(report, stdoutTerminal());
  }
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** A remark that is not part of the answer. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}
