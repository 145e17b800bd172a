/**
 * Collects problems by their path in the file and gives each its place. Two findings with the same
 * code at the same place are one: an alias makes one mistake visible at many paths.
 */
import type { SourceRef } from '../../encap/cluster.js';
import {
  type Path,
  type Problem,
  type ProblemCode,
  compareProblems,
  formatPath,
} from './problem.js';

/** Which part of a pair a problem is about. */
export type Part = 'key' | 'value';

export interface Finding {
  readonly code: ProblemCode;
  readonly severity?: 'error' | 'warning';
  readonly path: Path;
  readonly part?: Part;
  /** As the operator wrote it; shortened here. */
  readonly value?: string;
  readonly message: string;
  readonly remedy: string;
}

/** Where a value was written. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** Where that is not the file that is being read. */
  readonly file?: string;
  /** What was laid over it since, see `SourceRef`. */
  readonly changedBy?: string;
}

export interface Locator {
  /** The place of a path, or of its nearest ancestor that was written. */
  locate(path: Path, part?: Part): Place;
  /** The scalar as it stands in the file, where the path leads to one. */
  sourceText(path: Path): string | undefined;
}

export class Report {
  readonly file: string;
  readonly #locator: Locator;
  readonly #problems = new Map<string, Problem>();

  constructor(file: string, locator: Locator) {
    this.file = file;
    this.#locator = locator;
  }

  add(finding: Finding): void {
    const place = this.#locator.locate(finding.path, finding.part);
    this.place({ ...finding, ...place });
  }

  /** A finding whose place is known already. */
  place(finding: Finding & Place): void {
    const { code, line, column, file = this.file } = finding;
    const value = shorten(finding.value ?? '');
    const key = `${file}:${line}:${column}:${code}:${finding.part === 'key' ? value : ''}`;
    if (this.#problems.has(key)) return;
    this.#problems.set(key, {
      code,
      severity: finding.severity ?? 'error',
      file,
      line,
      column,
      path: formatPath(finding.path),
      value,
      message: finding.message,
      remedy: finding.remedy,
    });
  }

  /** Of a file that is a part of this one. */
  include(problems: readonly Problem[]): void {
    for (const problem of problems) {
      const { file, line, column, code, path } = problem;
      this.#problems.set(`${file}:${line}:${column}:${code}:${path}`, problem);
    }
  }

  sourceRef(path: Path): SourceRef {
    return Object.freeze({ file: this.file, ...this.#locator.locate(path) });
  }

  sourceText(path: Path): string | undefined {
    return this.#locator.sourceText(path);
  }

  /** `line 12`, for a message about two places. */
  lineOf(path: Path): string {
    return this.lineAt(this.#locator.locate(path));
  }

  lineAt({ file = this.file, line }: Pick<Place, 'file' | 'line'>): string {
    if (isOption(file)) return file;
    return file === this.file ? `line ${line}` : `line ${line} of ${file}`;
  }

  get hasErrors(): boolean {
    for (const problem of this.#problems.values()) if (problem.severity === 'error') return true;
    return false;
  }

  /** All of them, by place in the file. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()].sort(compareProblems);
  }
}

/** An option of the command line instead of a file: it has one line. */
function isOption(file: string): boolean {
  return file.startsWith('--');
}

function shorten(text: string): string {
  const line = text.replace(/\s*\n\s*/g, ' ');
  return line.length <= 80 ? line : `${line.slice(0, 77)}…`;
}
