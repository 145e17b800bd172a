/**
 * From the bytes of a cluster file to the cluster, or to everything that is wrong with it.
 *
 * The text becomes a YAML tree, the tree plain data, each entry of the data is read by its schema,
 * then entries are checked against each other. Each stage goes on behind mistakes and leaves out
 * what a mistake has made unknowable, so that one mistake gives one problem and all come at once.
 */
import type { CloudSettings, Cluster, ProbeSettings } from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import { defaultCloud } from '../../encap/observed.js';
import type { Prefix } from '../../encap/prefix.js';
import { defaultProbes } from '../../encap/probe/settings.js';
import { isFault, readPrefix } from './address-text.js';
import { checkDuplicateAddresses } from './check-duplicates.js';
import { checkFamilies } from './check-families.js';
import { checkMetadata } from './check-metadata.js';
import { checkMtus } from './check-mtu.js';
import { checkPlan } from './check-plan.js';
import { checkFeasibility } from './check-rules.js';
import { checkRuleOrder } from './check-shadow.js';
import { type DraftZone, type Drafts, type PlacedPrefix, items } from './draft.js';
import { splitFiles } from './file-set.js';
import { defaultClusterName, defaultVni, defaultVxlanPort } from './limits.js';
import { readFiles } from './merge.js';
import { checkName } from './names.js';
import { exactUnion } from './pools.js';
import type { Problem } from './problem.js';
import { type BlockRange, readBlocks } from './read-blocks.js';
import { type FleetSettings, readFleet } from './read-fleet.js';
import { readLinks } from './read-links.js';
import { readMasquerade } from './read-masquerade.js';
import { readNodes } from './read-nodes.js';
import { readRules } from './read-rules.js';
import { readText, type TextFile } from './read-text.js';
import { readZones } from './read-zones.js';
import { References } from './references.js';
import type { Report } from './report.js';
import type { CloudEntry, ProbesEntry } from './schema.js';
import { fileSchema, registeringFileSchema } from './schema.js';
import { readEntry } from './shape.js';

/** One file, or several as `joinFiles` makes one of them. */
export interface ClusterFile extends TextFile {
  /** Revision of the cluster; default 1. */
  readonly revision?: number;
  /** Default `listed`. */
  readonly members?: Members;
}

/**
 * Where the nodes come from. `listed`: all of them are in the file, and a name that is not there is
 * a mistake. `registering`: others register themselves in the store, so that the file may have none.
 */
export type Members = 'listed' | 'registering';

export type ParseResult =
  | {
      readonly ok: true;
      readonly cluster: Cluster;
      /** Where nodes that join get their blocks from. */
      readonly ranges: readonly BlockRange[];
      readonly fleet: FleetSettings;
      readonly warnings: readonly Problem[];
    }
  /** Errors and warnings; at least one error. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function parseClusterFile(input: ClusterFile): ParseResult {
  const parts = splitFiles(input.text);
  const { data, report } = parts === undefined ? readText(input) : readFiles(parts, input.file);
  const read = data === undefined ? undefined : readCluster(data, { ...input, report });
  const problems = report.problems();
  return read === undefined || report.hasErrors
    ? { ok: false, problems }
    : { ok: true, ...read, warnings: problems };
}

export interface ReadOptions {
  readonly revision?: number;
  readonly members?: Members;
  readonly report: Report;
}

export interface ReadFile {
  readonly cluster: Cluster;
  readonly ranges: readonly BlockRange[];
  readonly fleet: FleetSettings;
}

/** The second half: from the document's plain data to the cluster; the report has what is wrong. */
export function readCluster(data: unknown, options: ReadOptions): ReadFile | undefined {
  const { report, members: membership = 'listed' } = options;
  if (data === null) {
    report.add({
      code: 'empty-file',
      path: [],
      message: 'the file is empty',
      remedy: 'write "nodes:" with at least one node: name, address, overlay',
    });
    return undefined;
  }
  const schema = membership === 'listed' ? fileSchema : registeringFileSchema;
  const file = readEntry(data, { schema, path: [], report });
  if (file === undefined) return undefined;
  const { value, bad } = file;
  checkName(value.cluster, { report, path: ['cluster'] });

  const zones = readZones(value.zones, { report, complete: !bad.has('zones') });
  const nodes = readNodes(value.nodes, { report, zones, complete: membership === 'listed' });
  const references = new References({ zones, nodes }, report);
  const links = readLinks(value.links, { report, references });
  const rules = readRules(value.rules, { report, references });
  const pools = readPools(value.overlay?.pools, report);
  const ranges = readBlocks(value.overlay?.blocks, { pools, references, report });
  const masquerade = readMasquerade(value.overlay?.masquerade, report);

  const port = value.overlay?.vxlan?.port ?? defaultVxlanPort;
  const probes = value.probes === undefined ? undefined : readProbes(value.probes);
  if ((probes ?? defaultProbes).port === port)
    report.add({
      code: 'port-conflict',
      path: probes === undefined ? ['overlay', 'vxlan', 'port'] : ['probes', 'port'],
      value: String(port),
      message: `the VXLAN devices use port ${port}, so agents cannot answer probes there`,
      remedy: `write another port than ${port}`,
    });
  checkDuplicateAddresses(nodes.list, report);
  checkFamilies(nodes.list, report);
  checkPlan(
    { zones: zones.list, nodes: nodes.list, pools: pools.list, poolsComplete: pools.complete },
    report,
  );
  checkMetadata({ zones: zones.list, nodes: nodes.list, pools: pools.list }, report);
  checkMtus({ zones: zones.list, links, nodes: nodes.list }, report);
  checkRuleOrder(rules, { known: { zones, nodes }, report });

  const members = nodes.list.map(({ node }) => node);
  const cluster: Cluster = Object.freeze({
    name: value.cluster ?? defaultClusterName,
    revision: options.revision ?? 1,
    pools:
      pools.list.length === 0
        ? exactUnion(members.flatMap((node) => node.overlay))
        : Object.freeze(pools.list.map(({ prefix }) => prefix)),
    vxlan: Object.freeze({
      vni: value.overlay?.vxlan?.vni ?? defaultVni,
      port,
    }),
    ...(value.overlay?.settleSeconds === undefined
      ? {}
      : { settleMs: value.overlay.settleSeconds * 1000 }),
    masquerade,
    ...(probes === undefined ? {} : { probes }),
    ...(value.cloud === undefined ? {} : { cloud: readCloud(value.cloud) }),
    zones: zonesByName(zones),
    links: Object.freeze(links.map(({ link }) => link)),
    rules: Object.freeze(rules.map(({ rule }) => rule)),
    nodes: nodeTable(members),
  });
  // The decision needs a cluster that is whole.
  if (!report.hasErrors) checkFeasibility(cluster, { written: { rules, links, nodes }, report });
  return { cluster, ranges, fleet: readFleet(value.fleet) };
}

function readCloud({ manage, refreshSeconds, routeLimit }: CloudEntry): CloudSettings {
  return Object.freeze({
    manage: manage ?? defaultCloud.manage,
    refreshMs: refreshSeconds === undefined ? defaultCloud.refreshMs : refreshSeconds * 1000,
    routeLimit: routeLimit ?? defaultCloud.routeLimit,
  });
}

function readProbes(written: ProbesEntry): ProbeSettings {
  const given = typeof written === 'string' ? { mode: written } : written;
  return Object.freeze({
    policy: given.mode ?? defaultProbes.policy,
    port: given.port ?? defaultProbes.port,
    packetsPerSecond: given.packetsPerSecond ?? defaultProbes.packetsPerSecond,
  });
}

function zonesByName(zones: Drafts<DraftZone>): Cluster['zones'] {
  return new Map(zones.list.map(({ zone }) => [zone.name, zone]));
}

function readPools(
  written: string | readonly string[] | undefined,
  report: Report,
): { readonly list: readonly PlacedPrefix[]; readonly complete: boolean } {
  const list: PlacedPrefix[] = [];
  let complete = true;
  for (const [text, path] of items(written, ['overlay', 'pools'])) {
    const prefix: Prefix | ReturnType<typeof readPrefix> = readPrefix(text);
    if (isFault(prefix)) {
      report.add({ ...prefix, path, value: text });
      complete = false;
    } else {
      list.push({ prefix, path });
    }
  }
  return { list, complete };
}
