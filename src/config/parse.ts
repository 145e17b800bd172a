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
import { parseYaml, reportYamlErrors } from './document.js';
import { type DraftZone, type Drafts, type PlacedPrefix, items } from './draft.js';
import { defaultClusterName, defaultVni, defaultVxlanPort, maxDepth } from './limits.js';
import { checkName } from './names.js';
import { exactUnion } from './pools.js';
import type { Problem } from './problem.js';
import { type BlockRange, readBlocks } from './read-blocks.js';
import { type FleetSettings, readFleet } from './read-fleet.js';
import { readLinks } from './read-links.js';
import { readMasquerade } from './read-masquerade.js';
import { readNodes } from './read-nodes.js';
import { readRules } from './read-rules.js';
import { readZones } from './read-zones.js';
import { References } from './references.js';
import { Report } from './report.js';
import type { CloudEntry, ProbesEntry } from './schema.js';
import { fileSchema, registeringFileSchema } from './schema.js';
import { readEntry } from './shape.js';
import { decodeText } from './text.js';
import { Tree } from './tree.js';

export interface ClusterFile {
  readonly text: Uint8Array | string;
  /** Name for messages and for the `source` of what is read. */
  readonly file: string;
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
  const { file } = input;
  const decoded = decodeText(input.text);
  if (!decoded.ok) {
    const { code, line, column, value, message, remedy } = decoded;
    return failed([
      { code, severity: 'error', file, line, column, path: '', value, message, remedy },
    ]);
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
    return failed(report.problems());
  }
  const tree = new Tree(parsed);
  const report = new Report(file, tree);
  const sound = reportYamlErrors(parsed, decoded.text, report);
  const data = sound ? tree.toData(report) : undefined;
  const read = data === undefined ? undefined : readCluster(data, { ...input, report });
  const problems = report.problems();
  return read === undefined || report.hasErrors
    ? failed(problems)
    : { ok: true, ...read, warnings: problems };
}

function failed(problems: readonly Problem[]): ParseResult {
  return { ok: false, problems };
}

const topOfFile = {
  locate: () => ({ line: 1, column: 1 }),
  sourceText: () => undefined,
};

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
