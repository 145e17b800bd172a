/**
 * Lays one patch over a cluster's document. Names are looked up here; what the values may be is
 * the business of the reader that comes afterwards, the same as for a file.
 */
import { modes } from '../../encap/mode.js';
import { nearestKey } from './nearest.js';
import { suggestName } from './names.js';
import type { Path, ProblemCode } from './problem.js';
import {
  type ClusterDocument,
  type DocumentEntry,
  type Fields,
  type Section,
  entry,
} from './what-if-document.js';
import type { Patch, PatchEntry } from './what-if-patch.js';

interface Change {
  readonly document: ClusterDocument;
  readonly patch: Patch;
  readonly change: PatchEntry;
}

export function layPatch(document: ClusterDocument, patch: Patch): void {
  for (const change of patch.entries) layEntry({ document, patch, change });
}

function layEntry(context: Change): void {
  const { document, change } = context;
  const [name = ''] = change.names;
  switch (change.word) {
    case 'zone':
    case 'node':
    case 'rule':
      return layNamed(context, `${change.word}s`, name);
    case 'provider':
      return layProvider(context, name);
    case 'link':
      return layLink(context);
    case 'cluster':
      return layOverlay(context);
    case 'rules':
      return addRules(context, name === 'prepend' ? 0 : document.rules.length);
  }
}

function layNamed(context: Change, section: 'zones' | 'nodes' | 'rules', name: string): void {
  const list = context.document[section];
  const at = list.find(({ fields }) => fields['name'] === name);
  if (at !== undefined) return layOrRemove(context, section, at);
  const names = list.map(({ fields }) => String(fields['name']));
  const { word } = context.change;
  complain(context, {
    code: word === 'zone' ? 'unknown-zone' : word === 'node' ? 'unknown-node' : 'unknown-rule',
    value: name,
    message: `there is no ${word} "${name}"`,
    remedy: suggestName(name, names, 'correct the name'),
  });
}

function layProvider(context: Change, name: string): void {
  const { zones } = context.document;
  const own = zones.filter(({ fields }) => fields['provider'] === name);
  for (const at of own) layFields(context, at);
  if (own.length > 0) return;
  const used = [...new Set(zones.map(({ fields }) => String(fields['provider'])))];
  complain(context, {
    code: 'unused-value',
    value: name,
    message: `no zone is of provider "${name}"`,
    remedy: suggestName(name, used, 'correct the name'),
  });
}

/** The link with just these ends; a new one where there is none and both ends are known. */
function layLink(context: Change): void {
  const { document, change } = context;
  const ends = change.names.map((name) => linkEnd(document, name));
  const unknown = change.names.find((_, i) => ends[i] === undefined);
  if (unknown !== undefined) {
    const known = document.zones.flatMap(({ fields }) => [
      String(fields['name']),
      String(fields['provider']),
    ]);
    complain(context, {
      code: 'unknown-zone',
      value: unknown,
      message: `"${unknown}" is neither a zone nor a provider of the cluster`,
      remedy: suggestName(unknown, new Set(known), 'correct the name'),
    });
    return;
  }
  const key = endsKey(ends);
  const at = document.links.find(({ fields }) => endsKey(fields['between']) === key);
  if (at !== undefined) return layOrRemove(context, 'links', at);
  if (change.value === removal) {
    complain(context, {
      code: 'unknown-link',
      value: change.names.join(' '),
      message: `there is no link between ${change.names.join(' and ')}`,
      remedy: 'nothing is to be removed: leave it out',
    });
    return;
  }
  const added = entry({ between: ends }, undefined);
  added.written.push({ path: [], patch: context.patch, patchPath: change.path });
  if (!layFields(context, added)) return;
  document.links.push(added);
}

/** A zone's name goes before a provider's. */
function linkEnd(document: ClusterDocument, name: string): Fields | undefined {
  if (document.zones.some(({ fields }) => fields['name'] === name)) return { zone: name };
  if (document.zones.some(({ fields }) => fields['provider'] === name)) return { provider: name };
  return undefined;
}

function endsKey(ends: unknown): string {
  return (ends as readonly Fields[])
    .map((end) => JSON.stringify(end))
    .sort()
    .join(' ');
}

const overlayKeys = ['pools', 'vxlan', 'masquerade', 'settleSeconds'];

/** `cluster:` speaks of what is below `overlay:`, of the name, the probes and the cloud. */
function layOverlay(context: Change): void {
  const { document, change, patch } = context;
  if (!isMapping(change.value)) return notAMapping(context);
  const { name, probes, cloud, ...overlay } = change.value;
  const unknown = Object.keys(overlay).filter((key) => !overlayKeys.includes(key));
  for (const key of unknown) {
    const meant = nearestKey(key, [...overlayKeys, 'name', 'probes', 'cloud']);
    patch.report.add({
      code: 'unknown-key',
      path: [...change.path, key],
      part: 'key',
      value: key,
      message: `unknown key "${key}"`,
      remedy:
        meant === undefined
          ? `known here: name, probes, cloud, ${overlayKeys.join(', ')}`
          : `did you mean "${meant}"?`,
    });
  }
  if (unknown.length > 0) return;
  const { top } = document;
  if (name !== undefined) {
    top.fields['cluster'] = name;
    top.written.push({ path: ['cluster'], patch, patchPath: [...change.path, 'name'] });
  }
  merge(overlay, { ...context, at: top, below: ['overlay'], from: change.path });
  if (cloud !== undefined) merge({ cloud }, { ...context, at: top, below: [], from: change.path });
  if (probes === undefined) return;
  // One word stands for the mode.
  const settings = isMapping(probes) || probes === null ? probes : { mode: probes };
  merge({ probes: settings }, { ...context, at: top, below: [], from: change.path });
}

function addRules(context: Change, position: number): void {
  const { document, change, patch } = context;
  const list = Array.isArray(change.value);
  const rules = (list ? change.value : [change.value]) as readonly unknown[];
  const taken = new Set(document.rules.map(({ fields }) => fields['name']));
  const added: DocumentEntry[] = [];
  for (const [i, rule] of rules.entries()) {
    const path = list ? [...change.path, i] : change.path;
    if (!isMapping(rule)) return notAMapping(context, path);
    const at = entry({ name: freeName(taken), ...rule }, undefined);
    taken.add(at.fields['name']);
    at.written.push({ path: [], patch, patchPath: path });
    at.changedBy = patch.file;
    added.push(at);
  }
  document.rules.splice(position, 0, ...added);
}

function freeName(taken: ReadonlySet<unknown>): string {
  for (let i = 1; ; i++) if (!taken.has(`what-if-${i}`)) return `what-if-${i}`;
}

const removal = 'remove';

function layOrRemove(context: Change, section: Section, at: DocumentEntry): void {
  const list = context.document[section];
  if (context.change.value === removal) list.splice(list.indexOf(at), 1);
  else layFields(context, at);
}

function layFields(context: Change, at: DocumentEntry): boolean {
  const { change, patch } = context;
  if (!isMapping(change.value)) {
    notAMapping(context);
    return false;
  }
  forgetRivals(change.value, at.fields);
  merge(change.value, { ...context, at, below: [], from: change.path });
  at.changedBy = patch.file;
  return true;
}

interface Merging extends Change {
  readonly at: DocumentEntry;
  /** Path below the entry. */
  readonly below: Path;
  /** Path of the value in the patch. */
  readonly from: Path;
}

/** RFC 7396: mappings are merged, null removes, anything else replaces. */
function merge(value: Fields, context: Merging): void {
  const { at, below, from, patch } = context;
  const target = below.reduce<Fields>((fields, step) => fields[step] as Fields, at.fields);
  for (const [key, part] of Object.entries(value)) {
    const path = [...below, key];
    const patchPath = [...from, key];
    if (part === null) {
      Reflect.deleteProperty(target, key);
    } else if (isMapping(part) && isMapping(target[key])) {
      // The value may be shared with the cluster that it was taken from.
      target[key] = { ...target[key] };
      if (path[0] === 'accepts') forgetRivals({ accepts: part }, at.fields);
      merge(part, { ...context, below: path, from: patchPath });
    } else {
      target[key] = part;
      at.written.push({ path, patch, patchPath });
    }
  }
}

/** Keys that say the same in another way, and would contradict or outrank what is laid over them. */
function forgetRivals(value: Fields, fields: Fields): void {
  if ('address' in value && !('addresses' in value)) delete fields['addresses'];
  if ('addresses' in value && !('address' in value)) delete fields['address'];
  if ('between' in value && !('from' in value)) delete fields['from'];
  if ('between' in value && !('to' in value)) delete fields['to'];
  if (('from' in value || 'to' in value) && !('between' in value)) delete fields['between'];
  const { accepts } = fields;
  if (!isMapping(value['accepts']) || !isMapping(accepts)) return;
  for (const mode of modes)
    if (mode in value['accepts'])
      for (const key of Object.keys(accepts))
        if (key.startsWith(`${mode}/`)) Reflect.deleteProperty(accepts, key);
}

function isMapping(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notAMapping({ change, patch }: Change, path: Path = change.path): void {
  const { value, word } = change;
  const removable = word !== 'cluster' && word !== 'provider' && word !== 'rules';
  patch.report.add({
    code: value === null ? 'empty-value' : 'wrong-type',
    path,
    value: typeof value === 'string' ? value : '',
    message: value === null ? `nothing is said of it` : 'this is no mapping',
    remedy: `write {key: value, …}${removable ? ', or remove' : ''}`,
  });
}

function complain(
  { patch, change }: Change,
  finding: {
    readonly code: ProblemCode;
    readonly value: string;
    readonly message: string;
    readonly remedy: string;
  },
): void {
  patch.report.add({ ...finding, path: change.path, part: 'key' });
}
