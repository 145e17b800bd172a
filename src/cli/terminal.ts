/** What the terminal can show: its width, and whether colours reach a person. */
import picocolors from 'picocolors';

export interface Terminal {
  /** Columns. */
  readonly width: number;
  readonly paint: Paint;
}

export type Paint = ReturnType<typeof picocolors.createColors>;

const widest = 120;
const narrowest = 60;
/** Of a pipe or a file, where nobody knows how wide it will be read. */
const unknownWidth = 80;

export interface TerminalQuestion {
  readonly isTty: boolean;
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--no-color` was given. */
  readonly noColor: boolean;
}

/** No colours in a pipe, with NO_COLOR (https://no-color.org) or on a dumb terminal. */
export function terminalFor(question: TerminalQuestion): Terminal {
  const { isTty, columns, env, noColor } = question;
  const refused = noColor || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const forced = (env['FORCE_COLOR'] ?? '0') !== '0';
  const width = isTty ? (columns ?? unknownWidth) : Number(env['COLUMNS']) || unknownWidth;
  return {
    width: Math.max(narrowest, Math.min(widest, width)),
    paint: picocolors.createColors(!refused && (isTty || forced)),
  };
}

/** The terminal of this process's standard output. */
export function stdoutTerminal(): Terminal {
  return terminalFor({
    isTty: process.stdout.isTTY,
    columns: process.stdout.columns,
    env: process.env,
    noColor: process.argv.includes('--no-color'),
  });
}
