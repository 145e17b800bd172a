/**
 * A configuration with the nodes that have registered themselves, as every agent puts them together,
 * for judging a text before it is written.
 */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import { nodeTable } from '../../../encap/node-table.js';
import { readCluster } from '../../config/parse.js';
import type { Problem } from '../../config/problem.js';
import { Report } from '../../config/report.js';
import { clusterDocument, documentData, documentLocator } from '../../config/what-if-document.js';
import type { Entry, KeyValue } from '../kv.js';
import { groundOf } from './ground.js';
import type { FleetKeys } from './keys.js';
import { RecordClaims } from './record-claims.js';

/** What nodes say of themselves, and the blocks that are given away. */
export interface Claims {
  readonly keys: FleetKeys;
  readonly records: readonly Entry[];
  readonly blocks: readonly Entry[];
}

export async function readClaims(kv: KeyValue, keys: FleetKeys): Promise<Claims> {
  const [records, blocks] = await Promise.all([kv.list(keys.records), kv.list(keys.blocks)]);
  return { keys, records: records.entries, blocks: blocks.entries };
}

export interface Membership {
  /** With the registered nodes that count by this configuration. */
  readonly cluster: Cluster;
  readonly registered: ReadonlySet<string>;
  /** Of records and blocks, one line each. */
  readonly problems: readonly string[];
}

export function withRegistered(cluster: Cluster, claims: Claims): Membership {
  const { keys } = claims;
  const all = new RecordClaims({ fileOf: (node) => keys.record(node) });
  for (const entry of claims.blocks) all.putBlock(entry.key.slice(keys.blocks.length), entry);
  for (const entry of claims.records) all.putRecord(entry.key.slice(keys.records.length), entry);
  all.setGround(groundOf(cluster));
  all.settle();
  const nodes = [...all.names()].flatMap((name): ClusterNode[] => {
    const node = all.get(name);
    return node === undefined ? [] : [node];
  });
  return {
    cluster:
      nodes.length === 0
        ? cluster
        : Object.freeze({ ...cluster, nodes: nodeTable([...cluster.nodes.values(), ...nodes]) }),
    registered: new Set(nodes.map(({ name }) => name)),
    problems: all.problems(),
  };
}

/**
 * What the reader of cluster files would say of the configuration if its registered nodes stood in
 * it: a rule that none of them can follow has its line in `file`.
 */
export function problemsTogether({ cluster }: Membership, file: string): readonly Problem[] {
  let { nodes } = cluster;
  // What two records have against each other hides what the configuration has against them.
  for (let round = 0; round < maxRounds; round++) {
    const document = clusterDocument({ ...cluster, nodes });
    const report = new Report(file, documentLocator(document, file));
    readCluster(documentData(document), { report, members: 'registering' });
    const errors = report.problems().filter(({ severity }) => severity === 'error');
    const elsewhere = new Set(errors.map((problem) => problem.file).filter((at) => at !== file));
    if (elsewhere.size === 0) return report.problems();
    const rest = [...nodes.values()].filter(({ source }) => !elsewhere.has(source?.file ?? file));
    if (rest.length === nodes.size) return errors.filter((problem) => problem.file === file);
    nodes = nodeTable(rest);
  }
  return [];
}

/** Each leaves out all records that something is wrong with; what is left then has nothing. */
const maxRounds = 5;
