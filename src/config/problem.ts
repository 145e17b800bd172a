/**
 * What is wrong with a cluster file: where, which value, and what would be right.
 *
 * Codes are stable, for scripts and for the documentation; messages are for people and may change.
 */
export type ProblemCode =
  // the file and its text
  | 'file-missing'
  | 'file-not-readable'
  | 'file-not-regular'
  | 'file-too-large'
  | 'too-many-files'
  /** Of a directory: a name that looks as if it were meant, and is not read. */
  | 'file-name'
  | 'not-utf8'
  | 'not-text'
  /** Not a fault of the file: what reads it did not get to its end. */
  | 'reader-failed'
  // YAML
  | 'yaml-syntax'
  | 'tab-indent'
  | 'duplicate-key'
  | 'several-documents'
  | 'unknown-tag'
  | 'unknown-alias'
  | 'circular-alias'
  | 'alias-bomb'
  | 'nested-too-deeply'
  | 'bad-key'
  // shape
  | 'empty-file'
  | 'unknown-key'
  | 'missing-key'
  | 'empty-value'
  | 'wrong-type'
  | 'unknown-value'
  | 'out-of-range'
  | 'unsupported-version'
  | 'conflicting-keys'
  | 'bad-name'
  | 'bad-text'
  // addresses
  | 'bad-address'
  | 'bad-prefix'
  | 'host-bits'
  | 'unusable-address'
  | 'mapped-address'
  | 'network-address'
  | 'too-many-addresses'
  // names that must exist once
  | 'duplicate-name'
  | 'duplicate-address'
  | 'port-conflict'
  | 'duplicate-link'
  | 'unknown-zone'
  | 'unknown-node'
  | 'unknown-region'
  /** In a patch only: elsewhere nothing refers to rules or links. */
  | 'unknown-rule'
  | 'unknown-link'
  | 'ambiguous-zone'
  | 'no-zone'
  // the plan of addresses
  | 'address-outside-zone'
  | 'overlay-overlap'
  | 'underlay-overlap'
  | 'subnet-overlap'
  | 'pool-overlap'
  | 'outside-pools'
  | 'range-outside-pools'
  | 'range-overlap'
  | 'range-too-small'
  | 'small-prefix'
  | 'mask-differs'
  | 'private-public-address'
  /** A cloud's own service would be routed into the tunnels. */
  | 'metadata-address'
  // paths and rules
  | 'mtu-too-small'
  | 'mtu-tight'
  | 'link-to-itself'
  | 'rule-never-matches'
  | 'rule-shadowed'
  | 'rule-infeasible'
  | 'no-mode'
  | 'no-common-family'
  | 'unused-key'
  | 'unused-value';

export type Severity = 'error' | 'warning';

export interface Problem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number;
  /** E.g. `nodes[3].address`; empty for the file as a whole. */
  readonly path: string;
  /** The value as written, shortened; empty when there is none. */
  readonly value: string;
  readonly message: string;
  /** What would be right. */
  readonly remedy: string;
}

export type Path = readonly (string | number)[];

/** `nodes[3].labels["a b"]` */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w/-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** By file and the place in it; errors before warnings at the same place. */
export function compareProblems(a: Problem, b: Problem): number {
  return (
    (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
    a.line - b.line ||
    a.column - b.column ||
    a.severity.localeCompare(b.severity) ||
    a.code.localeCompare(b.code)
  );
}

export interface FormatOptions {
  /** The text of the file or its lines: adds the line concerned with a caret below the column. */
  readonly source?: string | readonly string[];
}

/** `file:line:column: error: message (value) — remedy`, and the excerpt when the text is given. */
export function formatProblem(problem: Problem, options: FormatOptions = {}): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const told = problem.value === '' || problem.message.includes(`"${problem.value}"`);
  const value = told ? '' : ` (${problem.value})`;
  const head = `${where}: ${problem.severity}: ${problem.message}${value} — ${problem.remedy}`;
  if (options.source === undefined) return head;
  const lines =
    typeof options.source === 'string'
      ? options.source.split(/\r\n|\n/, problem.line)
      : options.source;
  const line = lines[problem.line - 1];
  return line === undefined ? head : `${head}\n${excerpt(line.replace(/^\uFEFF/, ''), problem)}`;
}

/** A long line is cut to a window around the column; tabs stay tabs, so that the caret lines up. */
function excerpt(line: string, problem: Problem): string {
  const width = 100;
  const start = problem.column <= width - 20 ? 0 : problem.column - 60;
  const shown = line.slice(start, start + width);
  const before = shown.slice(0, problem.column - 1 - start).replace(/[^\t]/g, ' ');
  const gutter = String(problem.line);
  return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${before}^`;
}
