/**
 * The text of one `--what-if`: YAML whose keys say what is changed and whose values say how.
 *
 *     zone eu-west-1a: { sourceDestinationCheck: disabled }
 *     node aws-a-1: { accepts: { ipip: none } }
 *     link rack-a aws: { modes: [vxlan] }        two ends, each a zone or a provider
 *     provider aws: { mtu: 8500 }                every zone of it
 *     cluster: { vxlan: { port: 8472 } }         what stands below "overlay:" in the file
 *     rule cross-subnet: { mode: ipip }
 *     rule cross-subnet: remove                  as well for node, link and zone
 *     rules: prepend { same: zone, mode: native }
 *
 * Values are laid over the entry as a merge patch (RFC 7396): mappings are merged, anything else
 * replaces what was there, and `null` removes a key.
 */
import { parseYaml, reportYamlErrors } from './document.js';
import { maxDepth } from './limits.js';
import { nearestName } from './nearest.js';
import type { Path, Problem } from './problem.js';
import { type Locator, Report } from './report.js';
import { decodeText } from './text.js';
import { Tree } from './tree.js';

export const targetWords = [
  'zone',
  'node',
  'link',
  'rule',
  'provider',
  'cluster',
  'rules',
] as const;
export type TargetWord = (typeof targetWords)[number];

/** One key of the text. */
export interface PatchEntry {
  readonly word: TargetWord;
  /** What stands behind the word: a name, for a link two. */
  readonly names: readonly string[];
  readonly value: unknown;
  /** Where key and value stand in the text. */
  readonly path: Path;
}

export interface Patch {
  /** `--what-if 1`: how problems and sources name it. */
  readonly file: string;
  readonly text: string;
  readonly locator: Locator;
  readonly report: Report;
  /** Empty when the text could not be read. */
  readonly entries: readonly PatchEntry[];
}

export function parsePatch(text: string, position: number): Patch {
  const file = `--what-if ${position}`;
  const decoded = decodeText(withPlainAdditions(text));
  if (!decoded.ok) return failed({ file, text }, decoded);
  const parsed = parseYaml(decoded.text);
  if (parsed === 'nested-too-deeply')
    return failed(
      { file, text },
      {
        code: 'nested-too-deeply',
        line: 1,
        column: 1,
        value: '',
        message: `lists and mappings are nested more than ${maxDepth} deep`,
        remedy: 'check for runaway brackets',
      },
    );
  const tree = new Tree(parsed);
  const report = new Report(file, tree);
  const sound = reportYamlErrors(parsed, decoded.text, report);
  const data = sound ? tree.toData(report) : undefined;
  const entries = data === undefined ? [] : readEntries(data, report);
  return { file, text, locator: tree, report, entries };
}

/** `rules: prepend {…}` is no YAML, but how one says it; every column stays where it is. */
function withPlainAdditions(text: string): string {
  return text.replace(/^(\s*)rules:(\s+)(prepend|append)(\s)(?=\s*[{[])/gm, '$1rules$2$3:$4');
}

function readEntries(data: unknown, report: Report): readonly PatchEntry[] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    report.add({
      code: data === null ? 'empty-value' : 'wrong-type',
      path: [],
      value: typeof data === 'string' ? data : '',
      message: data === null ? 'the change is empty' : 'a change names what it changes, and how',
      remedy: example,
    });
    return [];
  }
  return Object.entries(data).flatMap(([key, value]) => readTarget({ key, value, report }));
}

const example = "write for example 'zone NAME: {sourceDestinationCheck: disabled}'";

interface Reading {
  readonly key: string;
  readonly value: unknown;
  readonly report: Report;
}

function readTarget({ key, value, report }: Reading): readonly PatchEntry[] {
  const [first = '', ...behind] = key.trim().split(/\s+/);
  const complain = (message: string, remedy: string): [] => {
    report.add({ code: 'unknown-key', path: [key], part: 'key', value: key, message, remedy });
    return [];
  };
  const word = targetWords.find((one) => one === first);
  if (word === undefined) {
    const meant = nearestName(first, targetWords);
    return complain(
      `"${first}" is nothing that can be changed`,
      meant === undefined
        ? `known: ${targetWords.join(', ')}; ${example}`
        : `did you mean "${meant}"?`,
    );
  }
  switch (word) {
    case 'cluster':
      return behind.length === 0
        ? [{ word, names: [], value, path: [key] }]
        : complain('there is one cluster, without a name', "write 'cluster: {…}'");
    case 'rules':
      return additions({ key, value, report }, behind);
    case 'link':
      return behind.length === 2
        ? [{ word, names: behind, value, path: [key] }]
        : complain(
            'a link has two ends',
            "write 'link A B: {…}', each a zone or a provider of the file",
          );
    case 'rule':
    case 'zone':
    case 'node':
    case 'provider':
      return behind.length > 0
        ? [{ word, names: [key.trim().slice(first.length).trim()], value, path: [key] }]
        : complain(`which ${word} is meant?`, `write '${word} NAME: {…}'`);
  }
}

/** What `rules: prepend {…}` has become, or `rules: {prepend: {…}}` as it stands. */
function additions(reading: Reading, behind: readonly string[]): readonly PatchEntry[] {
  const { key, value, report } = reading;
  const [where] = behind;
  if (isPlace(where) && behind.length === 1)
    return [{ word: 'rules', names: [where], value, path: [key] }];
  if (behind.length === 0 && typeof value === 'object' && value !== null) {
    const parts = Object.entries(value as Readonly<Record<string, unknown>>);
    if (parts.length > 0 && parts.every(([place]) => isPlace(place)))
      return parts.map(([place, rules]) => ({
        word: 'rules',
        names: [place],
        value: rules,
        path: [key, place],
      }));
  }
  report.add({
    code: 'unknown-key',
    path: [key],
    part: 'key',
    value: key,
    message: 'rules can be added before or behind all others',
    remedy: "write 'rules: prepend {same: zone, mode: native}' or 'rules: append {…}'",
  });
  return [];
}

function isPlace(word: string | undefined): word is 'prepend' | 'append' {
  return word === 'prepend' || word === 'append';
}

function failed(
  patch: { readonly file: string; readonly text: string },
  problem: Pick<Problem, 'code' | 'line' | 'column' | 'value' | 'message' | 'remedy'>,
): Patch {
  const locator: Locator = {
    locate: () => ({ line: problem.line, column: problem.column }),
    sourceText: () => undefined,
  };
  const { code, value, message, remedy, line, column } = problem;
  const report = new Report(patch.file, locator);
  report.place({ code, value, message, remedy, line, column, path: [] });
  return { ...patch, locator, report, entries: [] };
}
