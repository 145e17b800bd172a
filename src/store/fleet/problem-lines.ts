/** What is wrong with keys, by key; and the lines of all, as few as a person reads. */
export class ProblemLines {
  readonly #lines = new Map<string, readonly string[]>();
  #version = 0;

  /** Another number, another content. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#lines.size;
  }

  set(key: string, lines: readonly string[]): void {
    const before = this.#lines.get(key);
    if (lines.length === 0) {
      this.delete(key);
      return;
    }
    if (before?.length === lines.length && before.every((line, i) => line === lines[i])) return;
    this.#lines.set(key, lines);
    this.#version += 1;
  }

  delete(key: string): void {
    if (this.#lines.delete(key)) this.#version += 1;
  }

  of(key: string): readonly string[] {
    return this.#lines.get(key) ?? [];
  }

  /** In an order that does not depend on what happened when. */
  all(): readonly string[] {
    return [...this.#lines].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, lines]) => lines);
  }
}

const shownLines = 30;

export function bounded(lines: readonly string[]): readonly string[] {
  const more = lines.length - shownLines;
  return more <= 0 ? lines : [...lines.slice(0, shownLines), `and ${more} more`];
}
