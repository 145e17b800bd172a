/**
 * A patch in the words of `--what-if` (config/what-if-patch.ts), written into the text of a cluster
 * file: comments, order and everything that the patch does not speak of stay as somebody wrote them.
 * What comes of it is read again and held against the patched cluster, so a text that cannot be
 * edited in this way (one that builds its entries by anchors, say) is refused and not spoilt.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Document, type Node, isMap, isSeq, parseDocument } from 'yaml';
import type { Cluster } from '../../encap/cluster.js';
import { parseClusterFile } from '../config/parse.js';
import type { Problem } from '../config/problem.js';
import { layPatch } from '../config/what-if-apply.js';
import {
  type ClusterDocument,
  type DocumentEntry,
  type Fields,
  clusterDocument,
  documentData,
  sections,
} from '../config/what-if-document.js';
import { parsePatch } from '../config/what-if-patch.js';

export type PatchedText =
  | { readonly ok: true; readonly text: string }
  /** At least one error, of the patches or of the text. */
  | { readonly ok: false; readonly problems: readonly Problem[] }
  /** The patches are good, and this text cannot take them. */
  | { readonly ok: false; readonly problems: undefined };

export function patchText(
  source: { readonly text: string; readonly file: string },
  patches: readonly string[],
): PatchedText {
  const parsed = parse(source.text, source.file);
  if (!parsed.ok) return { ok: false, problems: parsed.problems };
  const document = clusterDocument(parsed.cluster);
  const before = structuredClone(dataOf(document));
  const entries = Object.fromEntries(sections.map((name) => [name, [...document[name]]]));
  const read = patches.map((text, i) => parsePatch(text, i + 1));
  for (const patch of read) layPatch(document, patch);
  const problems = read.flatMap(({ report }) => report.problems());
  if (read.some(({ report }) => report.hasErrors)) return { ok: false, problems };

  const yaml = parseDocument(source.text);
  setFields(yaml, [], { before: before.top, after: document.top.fields });
  for (const name of sections) {
    const change = { before: before[name], entries: entries[name]!, after: document[name] };
    if (!setEntries(yaml, name, change)) return { ok: false, problems: undefined };
  }
  const text = yaml.toString({ lineWidth: 0 });
  const again = parse(text, source.file);
  if (!again.ok) return { ok: false, problems: again.problems };
  return isSame(again.cluster, document) ? { ok: true, text } : { ok: false, problems: undefined };
}

function parse(text: string, file: string): ReturnType<typeof parseClusterFile> {
  return parseClusterFile({ text: Buffer.from(text, 'utf8'), file, members: 'registering' });
}

type SectionName = (typeof sections)[number];

function dataOf(document: ClusterDocument): Readonly<Record<SectionName, readonly Fields[]>> & {
  readonly top: Fields;
} {
  const list = (name: SectionName): readonly Fields[] => document[name].map(({ fields }) => fields);
  return {
    top: document.top.fields,
    zones: list('zones'),
    links: list('links'),
    rules: list('rules'),
    nodes: list('nodes'),
  };
}

/** By what both say in the end: a value may be written in several ways. */
function isSame(cluster: Cluster, document: ClusterDocument): boolean {
  const meant = parseClusterFile({
    text: Buffer.from(JSON.stringify(documentData(document)), 'utf8'),
    file: '',
    members: 'registering',
  });
  return (
    meant.ok &&
    isDeepStrictEqual(dataOf(clusterDocument(meant.cluster)), dataOf(clusterDocument(cluster)))
  );
}

/** False: the list in the text is not the one that was read from it. */
function setEntries(
  yaml: Document,
  name: SectionName,
  change: {
    readonly before: readonly Fields[];
    readonly entries: readonly DocumentEntry[];
    readonly after: readonly DocumentEntry[];
  },
): boolean {
  const { before, entries, after } = change;
  const isChanged =
    after.length !== entries.length ||
    after.some((entry, i) => entry !== entries[i] || !isDeepStrictEqual(entry.fields, before[i]));
  if (!isChanged) return true;
  const list = yaml.get(name, true);
  if (list === undefined && entries.length === 0) {
    yaml.set(name, yaml.createNode(after.map(({ fields }) => fields)));
    return true;
  }
  if (!isSeq(list) || list.items.length !== entries.length) return false;
  for (const [i, entry] of entries.entries())
    if (after.includes(entry))
      setFields(yaml, [name, i], { before: before[i]!, after: entry.fields });
  const items = list.items as Node[];
  list.items = after.map((entry) => {
    const i = entries.indexOf(entry);
    return i < 0 ? yaml.createNode(entry.fields) : items[i]!;
  });
  return true;
}

function setFields(
  yaml: Document,
  path: readonly (string | number)[],
  { before, after }: { readonly before: Fields; readonly after: Fields },
): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const at = [...path, key];
    const [old, next] = [before[key], after[key]];
    if (isDeepStrictEqual(old, next)) continue;
    if (next === undefined) yaml.deleteIn(at);
    else if (isMapping(old) && isMapping(next) && isMap(yaml.getIn(at, true)))
      setFields(yaml, at, { before: old, after: next });
    else yaml.setIn(at, yaml.createNode(next));
  }
}

function isMapping(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
