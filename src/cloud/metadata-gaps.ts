/**
 * Questions of which some may stay without an answer: what is known is used, and what is not is
 * told in one sentence for each reason.
 */
import { MetadataError } from './metadata-error.js';

export class Gaps {
  readonly #missing = new Map<
    string,
    { readonly error: MetadataError; readonly names: string[] }
  >();
  #answered = 0;

  /** Undefined where the service failed, which is remembered under the name. */
  async ask<T>(name: string, asked: Promise<T>): Promise<T | undefined> {
    try {
      const answer = await asked;
      this.#answered += 1;
      return answer;
    } catch (error) {
      if (!(error instanceof MetadataError)) throw error;
      const key = `${error.failure} ${error.status ?? ''}`;
      const known = this.#missing.get(key);
      if (known === undefined) this.#missing.set(key, { error, names: [name] });
      else known.names.push(name);
      return undefined;
    }
  }

  /** Throws when nothing at all was answered; else a sentence for each reason. */
  finish(note: (text: string) => void): void {
    const gaps = [...this.#missing.values()];
    const [first] = gaps;
    if (this.#answered === 0 && first !== undefined) throw first.error;
    for (const { error, names } of gaps)
      note(`the metadata service did not tell ${shortList(names)}: ${error.text}`);
  }
}

const shownNames = 6;

function shortList(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  const shown = distinct.slice(0, shownNames).join(', ');
  const rest = distinct.length - shownNames;
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
