/**
 * The links of the file: what is known of the path between two zones or providers.
 */
import type { LinkEnd } from '../../encap/cluster.js';
import type { DraftLink, ReadContext } from './draft.js';
import type { Path } from './problem.js';
import type { References } from './references.js';
import type { Report } from './report.js';
import { type LinkEntry, linkSchema } from './schema.js';
import { readEntry } from './shape.js';

export function readLinks(
  raw: readonly unknown[] | undefined,
  context: { readonly report: Report; readonly references: References },
): readonly DraftLink[] {
  const { report, references } = context;
  const links: DraftLink[] = [];
  const pairs = new Map<string, Path>();
  for (const [i, item] of (raw ?? []).entries()) {
    const path = ['links', i];
    const entry = readEntry(item, { schema: linkSchema, path, report });
    if (entry === undefined) continue;
    const { value, bad } = entry;
    const ends = (value.between ?? []).map((end, j) =>
      readEnd(end, { report, references, path: [...path, 'between', j] }),
    );
    const [a, b] = ends;
    if (a === undefined || b === undefined) continue;
    const key = [endKey(a), endKey(b)].sort().join(' ');
    const first = pairs.get(key);
    if (first !== undefined) {
      report.add({
        code: 'duplicate-link',
        path: [...path, 'between'],
        value: key,
        message: `a link between the two stands already in ${report.lineOf(first)}`,
        remedy: 'merge the two, as a link speaks of both directions',
      });
      continue;
    }
    pairs.set(key, path);
    const link = Object.freeze({
      ends: Object.freeze([a, b] as const),
      mtu: value.mtu,
      modes: value.modes && Object.freeze([...new Set(value.modes)]),
      allowPublic: value.allowPublic ?? false,
      note: value.note,
      source: report.sourceRef(path),
    });
    links.push({ link, path, bad });
  }
  return links;
}

function readEnd(
  end: NonNullable<LinkEntry['between']>[number],
  context: ReadContext & { readonly references: References },
): LinkEnd | undefined {
  const { report, references, path } = context;
  if (typeof end === 'string' || (end.zone !== undefined && end.provider === undefined)) {
    const zone = typeof end === 'string' ? end : end.zone!;
    references.zone(zone, typeof end === 'string' ? path : [...path, 'zone']);
    return Object.freeze({ kind: 'zone', zone });
  }
  if (end.provider !== undefined && end.zone === undefined) {
    references.provider(end.provider, [...path, 'provider']);
    return Object.freeze({ kind: 'provider', provider: end.provider });
  }
  const both = end.zone !== undefined;
  report.add({
    code: both ? 'conflicting-keys' : 'missing-key',
    path,
    value: both ? 'zone, provider' : '{}',
    message: `an end of a link is ${both ? 'either a zone or a provider' : 'a zone or a provider'}`,
    remedy: both ? 'keep "zone"; its provider is known' : 'write the name of a zone',
  });
  return undefined;
}

function endKey(end: LinkEnd): string {
  return end.kind === 'zone' ? `zone:${end.zone}` : `provider:${end.provider}`;
}
