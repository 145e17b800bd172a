/**
 * A cluster written back as the document that it could have been read from, so that a patch can be
 * laid over it and the whole be read and checked again like any file.
 *
 * It is made from the cluster in force and not from a file's text: an agent may work with a file
 * that has changed since, with its last good cluster or with a change that nobody has confirmed. What the
 * reader derives (a node's zone, masks, pools) is left out where it would be derived again, so that
 * a patch of subnets has the effect that an edit of the file would have. Every entry keeps the
 * place it was read from.
 */
import type { Cluster, ClusterNode, Selector, SourceRef, Zone } from '../../encap/cluster.js';
import { familyBits } from '../../encap/address.js';
import { defaultMasquerade, everyPrefix } from '../../encap/masquerade.js';
import { modes } from '../../encap/mode.js';
import { type InterfaceAddress, type Prefix, prefixContains } from '../../encap/prefix.js';
import { exactUnion } from './pools.js';
import type { Path } from './problem.js';
import type { Locator } from './report.js';

export type Fields = Record<string, unknown>;

/** What a patch wrote: the place below the entry, and who knows where that stands in the option. */
export interface Written {
  readonly path: Path;
  readonly patch: { readonly file: string; readonly locator: Locator };
  readonly patchPath: Path;
}

/** One zone, link, rule or node, or the part of the file that is not in a list. */
export interface DocumentEntry {
  readonly fields: Fields;
  readonly source: SourceRef | undefined;
  /** Places of parts, by their path below the entry. */
  readonly parts: ReadonlyMap<string, SourceRef>;
  readonly written: Written[];
  /** The last option that changed it. */
  changedBy: string | undefined;
}

export const sections = ['zones', 'links', 'rules', 'nodes'] as const;
export type Section = (typeof sections)[number];

export interface ClusterDocument extends Record<Section, DocumentEntry[]> {
  /** `cluster`, `overlay`, `probes` and `cloud`. */
  readonly top: DocumentEntry;
}

export function clusterDocument(cluster: Cluster): ClusterDocument {
  const nodes = [...cluster.nodes.values()].filter((node) => !node.withdrawn);
  const zones = [...cluster.zones.values()];
  return {
    top: entry(
      {
        cluster: cluster.name,
        overlay: overlayFields(cluster, nodes),
        ...probesField(cluster),
        ...cloudField(cluster),
      },
      undefined,
    ),
    zones: zones.map((zone) => entry(zoneFields(zone), zone.source, subnetPlaces(zone))),
    links: cluster.links.map((link) =>
      entry(
        defined({
          between: link.ends.map((end) =>
            end.kind === 'zone' ? { zone: end.zone } : { provider: end.provider },
          ),
          mtu: link.mtu,
          modes: link.modes && [...link.modes],
          allowPublic: link.allowPublic || undefined,
          note: link.note,
        }),
        link.source,
      ),
    ),
    rules: cluster.rules.map((rule) =>
      entry(
        defined({
          name: rule.name,
          from: rule.from && selectorFields(rule.from),
          to: rule.to && selectorFields(rule.to),
          between: rule.between?.map(selectorFields),
          same: subjects(rule.relations, 'same'),
          different: subjects(rule.relations, 'different'),
          family: rule.family,
          mode: rule.mode,
          force: rule.force || undefined,
          reason: rule.reason,
        }),
        rule.source,
      ),
    ),
    nodes: nodes.map((node) => entry(nodeFields(node, zones), node.source)),
  };
}

/** An entry that stands in the document so far, or that a patch adds. */
export function entry(
  fields: Fields,
  source: SourceRef | undefined,
  parts: ReadonlyMap<string, SourceRef> = noParts,
): DocumentEntry {
  return { fields, source, parts, written: [], changedBy: undefined };
}

const noParts: ReadonlyMap<string, SourceRef> = new Map();

/** The document as the reader of files takes it. */
export function documentData(document: ClusterDocument): Fields {
  const list = (section: Section): unknown[] => document[section].map(({ fields }) => fields);
  const [zone] = document.zones;
  // The zone that a file without zones has is nobody's writing, unless a patch made it so.
  const implicit =
    document.zones.length === 1 && zone!.source === undefined && zone!.changedBy === undefined;
  return {
    ...document.top.fields,
    ...(implicit ? {} : { zones: list('zones') }),
    links: list('links'),
    rules: list('rules'),
    nodes: list('nodes'),
  };
}

/** From a path in the data to the line of the file, or to the option that wrote it. */
export function documentLocator(document: ClusterDocument, file: string): Locator {
  const find = (path: Path): { readonly at: DocumentEntry; readonly rest: Path } => {
    const [section, index, ...rest] = path;
    const list = sections.find((name) => name === section);
    const at = list === undefined ? undefined : document[list][index as number];
    return at === undefined ? { at: document.top, rest: path } : { at, rest };
  };
  return {
    locate: (path, part) => {
      const { at, rest } = find(path);
      const { written, below } = writtenAt(at, rest);
      if (written !== undefined)
        return {
          ...written.patch.locator.locate([...written.patchPath, ...below], part),
          file: written.patch.file,
          ...(rest.length > 0 || at.changedBy === undefined || at.changedBy === written.patch.file
            ? {}
            : { changedBy: at.changedBy }),
        };
      for (let length = rest.length; length > 0; length--) {
        const place = at.parts.get(rest.slice(0, length).join('/'));
        if (place !== undefined) return { ...place };
      }
      const base = at.source ?? { file, line: 1, column: 1 };
      return at.changedBy === undefined || rest.length > 0
        ? { ...base }
        : { ...base, changedBy: at.changedBy };
    },
    sourceText: (path) => {
      const { at, rest } = find(path);
      const { written, below } = writtenAt(at, rest);
      return written?.patch.locator.sourceText([...written.patchPath, ...below]);
    },
  };
}

/** The longest part of the path that a patch wrote; of several patches the last. */
function writtenAt(
  at: DocumentEntry,
  path: Path,
): { readonly written: Written | undefined; readonly below: Path } {
  for (let length = path.length; length >= 0; length--) {
    const written = at.written.findLast(
      (one) => one.path.length === length && one.path.every((step, i) => step === path[i]),
    );
    if (written !== undefined) return { written, below: path.slice(length) };
  }
  return { written: undefined, below: [] };
}

function overlayFields(cluster: Cluster, nodes: readonly ClusterNode[]): Fields {
  const union = exactUnion(nodes.flatMap((node) => node.overlay));
  return defined({
    pools: sameTexts(union, cluster.pools) ? undefined : texts(cluster.pools),
    vxlan: { ...cluster.vxlan },
    masquerade: masqueradeField(cluster),
    settleSeconds: cluster.settleMs === undefined ? undefined : cluster.settleMs / 1000,
  });
}

function cloudField({ cloud }: Cluster): Fields {
  if (cloud === undefined) return {};
  const { manage, refreshMs, routeLimit } = cloud;
  return { cloud: { manage, refreshSeconds: refreshMs / 1000, routeLimit } };
}

function probesField({ probes }: Cluster): Fields {
  if (probes === undefined) return {};
  const { policy, port, packetsPerSecond } = probes;
  return { probes: { mode: policy, port, packetsPerSecond } };
}

function masqueradeField({ masquerade }: Cluster): unknown {
  if (masquerade === undefined) return undefined;
  const { sources, exclude } = masquerade;
  if (exclude.length === 0) {
    if (sources.length === 0) return false;
    if (sameTexts(sources, everyPrefix)) return true;
    if (sameTexts(sources, defaultMasquerade.sources)) return undefined;
  }
  return {
    sources: texts(sources),
    ...(exclude.length === 0 ? {} : { exclude: texts(exclude) }),
  };
}

function zoneFields(zone: Zone): Fields {
  const [first] = zone.subnets;
  const common = zone.subnets.every(({ segment }) => segment === first?.segment);
  return defined({
    name: zone.name,
    provider: zone.provider,
    region: zone.region,
    subnets:
      first === undefined
        ? undefined
        : zone.subnets.map(({ prefix, segment }) =>
            common || segment === undefined ? prefix.text : { prefix: prefix.text, segment },
          ),
    segment: common ? first?.segment : undefined,
    mtu: zone.mtu,
    ...switchFields(zone),
  });
}

function subnetPlaces(zone: Zone): ReadonlyMap<string, SourceRef> {
  const places = new Map<string, SourceRef>();
  for (const [i, { source }] of zone.subnets.entries())
    if (source !== undefined) places.set(`subnets/${i}`, source);
  return places;
}

function nodeFields(node: ClusterNode, zones: readonly Zone[]): Fields {
  const zone = zones.find(({ name }) => name === node.zone);
  const addresses = node.underlay.map((address) => addressText(address, zone));
  return defined({
    name: node.name,
    zone: derivesZone(node, zones) ? undefined : node.zone,
    ...(addresses.length === 1 ? { address: addresses[0] } : { addresses }),
    publicAddress: someTexts(node.publicAddresses),
    overlay: texts(node.overlay),
    labels: Object.keys(node.labels).length === 0 ? undefined : { ...node.labels },
    mtu: node.mtu,
    accepts: acceptsFields(node),
    masquerade: node.masquerade,
    ...switchFields(node),
  });
}

/** Would the reader find the zone by the node's addresses? */
function derivesZone(node: ClusterNode, zones: readonly Zone[]): boolean {
  if (zones.length === 1 && zones[0]!.subnets.length === 0) return true;
  for (const { address } of node.underlay) {
    const holding = zones.flatMap((zone) =>
      zone.subnets
        .filter(({ prefix }) => prefixContains(prefix, address))
        .map(({ prefix }) => ({ zone, length: prefix.length })),
    );
    const longest = Math.max(...holding.map(({ length }) => length));
    const best = holding.filter(({ length }) => length === longest);
    if (best.length > 0) return best.length === 1 && best[0]!.zone.name === node.zone;
  }
  return false;
}

/** Without the mask where the zone's subnet, or a host's, would give the same. */
function addressText({ address, length }: InterfaceAddress, zone: Zone | undefined): string {
  const subnet = zone?.subnets.find(({ prefix }) => prefixContains(prefix, address));
  const derived = subnet?.prefix.length ?? familyBits(address.family);
  return length === derived ? address.text : `${address.text}/${length}`;
}

/** A mode stands for all its carriages where they agree. */
function acceptsFields({ accepts }: ClusterNode): Fields | undefined {
  const fields: Fields = {};
  for (const mode of modes) {
    const keys = [4, 6].flatMap((outer) =>
      [4, 6].filter((inner) => mode !== 'native' || inner === outer).map((inner) => [outer, inner]),
    );
    const planes = keys.map(
      ([outer, inner]) => (accepts as Readonly<Fields>)[`${mode}:${outer}:${inner}`],
    );
    if (planes[0] !== undefined && planes.every((plane) => plane === planes[0]))
      fields[mode] = planes[0];
    else
      for (const [i, [outer, inner]] of keys.entries())
        if (planes[i] !== undefined) fields[`${mode}/${outer}/${inner}`] = planes[i];
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function switchFields({ switches }: Pick<Zone, 'switches'>): Fields {
  const { firewall, ...rest } = switches;
  return { ...rest, ...(firewall === undefined ? {} : { firewall: { ...firewall } }) };
}

function selectorFields(selector: Selector): Fields {
  return defined({
    zone: selector.zones,
    region: selector.regions,
    provider: selector.providers,
    subnet: selector.subnets && texts(selector.subnets),
    label: selector.labels && { ...selector.labels },
    node: selector.nodes,
  });
}

function subjects(
  relations: Cluster['rules'][number]['relations'],
  wanted: 'same' | 'different',
): readonly string[] | undefined {
  const found = Object.entries(relations).filter(([, value]) => value === wanted);
  return found.length === 0 ? undefined : found.map(([subject]) => subject);
}

function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function texts(values: readonly { readonly text: string }[]): string[] {
  return values.map(({ text }) => text);
}

function someTexts(values: readonly { readonly text: string }[]): string[] | undefined {
  return values.length === 0 ? undefined : texts(values);
}

function sameTexts(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return a.length === b.length && a.every(({ text }, i) => text === b[i]!.text);
}
