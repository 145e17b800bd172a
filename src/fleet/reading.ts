/**
 * The fleet as the store has it now: the newest configuration, who is registered, who is alive, who
 * has which block. Read in one go for a command; agents follow the same keys by a watch instead.
 */
import type { Prefix } from '../../encap/prefix.js';
import { tryParsePrefix } from '../../encap/prefix.js';
import { formatProblem } from '../config/problem.js';
import { parseClusterFile } from '../config/parse.js';
import type { ReadFile } from '../config/parse.js';
import { clusterNamed } from '../store/fleet/cluster-name.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import { readAliveValue, readConfigValue, readRecordValue } from '../store/fleet/values.js';
import type { Entry, KeyValue } from '../store/kv.js';
import { FleetError } from './fleet-error.js';
import type { Block } from './values.js';
import { readBlock } from './values.js';

/** What a node has registered. */
export interface Registered {
  readonly name: string;
  readonly entry: Entry;
  /** As it would stand under `nodes:`. */
  readonly node: Readonly<Record<string, unknown>>;
  /** Of what it says, the part that IPAM looks at; texts that cannot be read are left out. */
  readonly overlay: readonly Prefix[];
  /** Without masks. */
  readonly addresses: readonly string[];
  readonly zone: string | undefined;
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface Alive {
  readonly instance: string | undefined;
  readonly since: string | undefined;
}

export interface Fleet extends ReadFile {
  /** Number of the configuration. */
  readonly version: number;
  readonly records: ReadonlyMap<string, Registered>;
  readonly alive: ReadonlyMap<string, Alive>;
  readonly blocks: readonly Block[];
  /** As they came. */
  readonly entries: Readonly<Record<'records' | 'blocks', readonly Entry[]>>;
  /** Values that cannot be used, one line each. */
  readonly problems: readonly string[];
}

export async function readFleet(kv: KeyValue, keys: FleetKeys): Promise<Fleet> {
  const [configs, records, alives, blocks] = await Promise.all(
    [keys.configs, keys.records, keys.alives, keys.blocks].map(
      async (prefix) => (await kv.list(prefix)).entries,
    ),
  );
  const problems: string[] = [];
  const usable = <T>(value: T | string): T[] => {
    if (typeof value !== 'string') return [value];
    problems.push(value);
    return [];
  };
  return {
    ...readConfiguration(configs!, keys),
    records: new Map(
      records!
        .flatMap((entry) => usable(readRegistered(entry, keys.records)))
        .map((record) => [record.name, record]),
    ),
    alive: new Map(alives!.map((entry) => [entry.key.slice(keys.alives.length), readAlive(entry)])),
    blocks: blocks!.flatMap((entry) => usable(readBlock(entry, keys.blocks))),
    entries: { records: records!, blocks: blocks! },
    problems,
  };
}

/** The newest one that can be used, as agents choose it too. */
function readConfiguration(
  entries: readonly Entry[],
  keys: FleetKeys,
): ReadFile & { readonly version: number } {
  const [newest] = entries.slice(-1);
  if (newest === undefined)
    throw new FleetError(
      'the store has no configuration of this cluster; write one with "selvage config set FILE"',
    );
  let problem: string | undefined;
  for (const entry of [...entries].reverse()) {
    const version = Number(entry.key.slice(keys.configs.length));
    const read = readVersion(entry, { version, cluster: keys.cluster });
    if (typeof read !== 'string') return { ...read, version };
    problem ??= read;
  }
  throw new FleetError(
    `no version of the configuration can be used; write one with "selvage config set FILE":\n  ${problem}`,
  );
}

function readVersion(
  entry: Entry,
  { version, cluster }: { readonly version: number; readonly cluster: string },
): ReadFile | string {
  const read = readConfigValue(entry);
  if (!read.ok) return `${entry.key}: ${read.problem}`;
  const { text } = read.value;
  const parsed = parseClusterFile({ text, file: `config ${version}`, members: 'registering' });
  if (parsed.ok) {
    const named = clusterNamed(parsed.cluster, cluster);
    return named.ok ? { ...parsed, cluster: named.cluster } : `config ${version}: ${named.problem}`;
  }
  return parsed.problems
    .filter(({ severity }) => severity === 'error')
    .map((problem) => formatProblem(problem))
    .join('\n  ');
}

export function readRegistered(entry: Entry, folder: string): Registered | string {
  const { key, createRevision, modRevision } = entry;
  const read = readRecordValue(entry);
  if (!read.ok) return `${key}: ${read.problem}`;
  const { node } = read.value;
  const { overlay, addresses = node['address'], zone } = node;
  return {
    name: key.slice(folder.length),
    entry,
    node,
    overlay: texts(overlay).flatMap((text) => {
      const prefix = tryParsePrefix(text);
      return typeof prefix === 'string' ? [] : [prefix];
    }),
    addresses: texts(addresses).map((text) => text.split('/')[0]!),
    zone: typeof zone === 'string' ? zone : undefined,
    createRevision,
    modRevision,
  };
}

/** That it is there is what counts. */
function readAlive(entry: Entry): Alive {
  const read = readAliveValue(entry);
  return read.ok ? read.value : { instance: undefined, since: undefined };
}

function texts(value: unknown): readonly string[] {
  return [value ?? []].flat().filter((text): text is string => typeof text === 'string');
}

/** Prefixes that are somebody's without being blocks of the store: of static nodes, and of records. */
export function reservedPrefixes(fleet: Fleet): readonly Prefix[] {
  return [
    ...[...fleet.cluster.nodes.values()].flatMap(({ overlay }) => overlay),
    ...[...fleet.records.values()].flatMap(({ overlay }) => overlay),
  ];
}
