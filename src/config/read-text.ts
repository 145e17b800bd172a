/**
 * The first half of reading: from the bytes of one file to plain data, and the way back from a path
 * in the data to its line.
 */
import { parseYaml, reportYamlErrors } from './document.js';
import { maxDepth } from './limits.js';
import { type Locator, Report } from './report.js';
import { decodeText } from './text.js';
import { Tree } from './tree.js';

export interface TextFile {
  readonly text: Uint8Array | string;
  /** Name for messages and for the `source` of what is read. */
  readonly file: string;
}

export interface ReadText {
  /** Null: there is nothing but comments; undefined: the report says why it cannot be told. */
  readonly data: unknown;
  readonly report: Report;
  readonly locator: Locator;
}

export function readText({ text, file }: TextFile): ReadText {
  const decoded = decodeText(text);
  if (!decoded.ok) {
    const { ok: _, ...finding } = decoded;
    const report = new Report(file, topOfFile);
    report.place({ ...finding, path: [] });
    return { data: undefined, report, locator: topOfFile };
  }
  const parsed = parseYaml(decoded.text);
  if (parsed === 'nested-too-deeply') {
    const report = new Report(file, topOfFile);
    report.add({
      code: 'nested-too-deeply',
      path: [],
      message: `lists and mappings are nested more than ${maxDepth} deep`,
      remedy: 'check for runaway brackets or indentation',
    });
    return { data: undefined, report, locator: topOfFile };
  }
  const tree = new Tree(parsed);
  const report = new Report(file, tree);
  const sound = reportYamlErrors(parsed, decoded.text, report);
  return { data: sound ? tree.toData(report) : undefined, report, locator: tree };
}

export const topOfFile: Locator = {
  locate: () => ({ line: 1, column: 1 }),
  sourceText: () => undefined,
};
