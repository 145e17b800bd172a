/** The answer of `cloud detect`: the machine, and the cluster file held against it. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Cluster, ClusterNode, Zone } from '../../encap/cluster.js';
import { underlayFacts } from '../../encap/underlay/index.js';
import { machineFile } from '../agent/paths.js';
import type { Detection, Evidence } from '../cloud/detect.js';
import { detectMachine } from '../cloud/detect.js';
import type { Contradiction, Filled, Proposal } from '../cloud/fill.js';
import { fillFromMachine, quoted, zoneEntry } from '../cloud/fill.js';
import { deviceMtu } from '../cloud/kernel-nics.js';
import type { CloudProviderName, MachineFacts } from '../cloud/machine.js';
import { machineCache } from '../cloud/machine-cache.js';
import type { MachineJson } from '../cloud/machine-json.js';
import { machineToJson } from '../cloud/machine-json.js';
import { resolveNode } from '../explain/resolve.js';
import { readCluster, requireNode } from './cluster-file.js';
import type { ExitCode } from './exit-codes.js';
import { exitCodes } from './exit-codes.js';
import { Failure } from './failure.js';

export interface CloudDetectQuestion {
  readonly config: { readonly file: string; readonly isDefault: boolean };
  readonly node: { readonly text: string; readonly isDefault: boolean };
  readonly runtimeDir: string;
  readonly timeoutMs: number;
  readonly refresh: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

export interface CloudDetectReport {
  readonly schema: 'selvage.cloud-detect/1';
  /** `none`: nothing names one. */
  readonly provider: CloudProviderName | 'none';
  /** Why that is believed, and whoever else was asked. */
  readonly evidence: readonly Evidence[];
  /** Null: nothing was told. */
  readonly machine: MachineJson | null;
  /** MTU that this kernel's devices have, in bytes; and what is believed where nobody says. */
  readonly mtu: {
    readonly devices: Readonly<Record<string, number>>;
    readonly believed: MtuBelief;
  } | null;
  /** Seconds since it was told; 0: just now. */
  readonly ageSeconds: number | null;
  readonly notes: readonly string[];
  /** Why nothing was told, and what to do. */
  readonly problems: readonly string[];
  readonly file: FileReport | null;
  /** Lines for a file that does not have this machine yet; null: it has, or nothing is known. */
  readonly draft: { readonly zone: string; readonly node: string } | null;
  readonly exitCode: ExitCode;
}

/** What the decision takes for the path where neither the file nor a NIC says less. */
export interface MtuBelief {
  readonly bytes: number;
  readonly text: string;
}

export interface FileReport {
  readonly file: string;
  readonly node: string;
  readonly filled: readonly Filled[];
  readonly proposals: readonly Proposal[];
  readonly contradictions: readonly (Omit<Contradiction, 'source'> & {
    readonly at: string | null;
  })[];
}

export async function cloudDetect(question: CloudDetectQuestion): Promise<CloudDetectReport> {
  const { env = process.env, runtimeDir, timeoutMs, refresh } = question;
  const notes: string[] = [];
  const own = await ownEntry(question, (text) => void notes.push(text));
  const detection = await detectMachine({
    env,
    timeoutMs,
    refresh,
    cache: machineCache({ path: machineFile({ runtimeDir }) }),
    file: own && { provider: own.zone.provider, text: zoneText(own.zone) },
  });
  const file = own === undefined ? null : fileReport(own, detection, question.config.file);
  const report = reportOf(detection, file);
  return { ...report, notes: [...report.notes, ...notes] };
}

interface OwnEntry {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly zone: Zone;
}

/** Undefined where nobody named a file, or a node, and the usual ones do not fit this machine. */
async function ownEntry(
  { config, node }: CloudDetectQuestion,
  note: (text: string) => void,
): Promise<OwnEntry | undefined> {
  const nobodyAsked = config.isDefault && node.isDefault;
  if (nobodyAsked && !existsSync(config.file)) return undefined;
  let cluster: Cluster;
  try {
    cluster = await readCluster(config.file);
  } catch (error) {
    if (!nobodyAsked || !(error instanceof Failure)) throw error;
    note(`${config.file} cannot be used: see "selvage validate ${config.file}"`);
    return undefined;
  }
  if (nobodyAsked && typeof resolveNode(cluster, node.text) === 'string') return undefined;
  const own = requireNode(cluster, { ...node, option: '--node' });
  return { cluster, node: own, zone: cluster.zones.get(own.zone)! };
}

function zoneText(zone: Zone): string {
  const at = zone.source === undefined ? '' : ` (${zone.source.file}:${zone.source.line})`;
  return `zone ${zone.name}${at} has provider ${zone.provider}`;
}

function fileReport(own: OwnEntry, detection: Detection, file: string): FileReport {
  const base = { file, node: own.node.name };
  if (detection.kind !== 'found') return { ...base, filled: [], proposals: [], contradictions: [] };
  const { zones } = own.cluster;
  const { filled, proposals, contradictions } = fillFromMachine(own.node, detection.facts, {
    zones,
  });
  return {
    ...base,
    filled,
    proposals,
    contradictions: contradictions.map(({ source, ...rest }) => ({
      ...rest,
      at: source === undefined ? null : `${source.file}:${source.line}`,
    })),
  };
}

function reportOf(detection: Detection, file: FileReport | null): CloudDetectReport {
  const nothing = {
    machine: null,
    mtu: null,
    ageSeconds: null,
    notes: [],
    problems: [],
    file,
    draft: null,
  };
  const schema = 'selvage.cloud-detect/1' as const;
  switch (detection.kind) {
    case 'none':
      return { schema, provider: 'none', evidence: [], ...nothing, exitCode: exitCodes.ok };
    case 'failed': {
      const { evidence, refusals } = detection;
      const problems = refusals.map(({ provider, text }) => `${provider}: ${text}`);
      const { provider } = evidence[0]!;
      const exitCode = exitCodes.unable;
      return { schema, provider, evidence, ...nothing, problems, exitCode };
    }
    case 'found': {
      const { facts, evidence, notes, ageMs = 0 } = detection;
      const contradicted = (file?.contradictions.length ?? 0) > 0;
      return {
        schema,
        provider: facts.provider,
        evidence,
        machine: machineToJson(facts),
        mtu: mtuOf(facts.provider, detection),
        ageSeconds: Math.round(ageMs / 1000),
        notes,
        problems: [],
        file,
        draft: file === null ? draftOf(facts) : null,
        exitCode: contradicted ? exitCodes.found : exitCodes.ok,
      };
    }
  }
}

function mtuOf(
  provider: CloudProviderName,
  { facts }: Extract<Detection, { readonly kind: 'found' }>,
): CloudDetectReport['mtu'] {
  const devices = facts.nics.flatMap(({ device }) => {
    const bytes = device === undefined ? undefined : deviceMtu(device);
    return device === undefined || bytes === undefined ? [] : [[device, bytes] as const];
  });
  const { bytes, fact } = underlayFacts[provider].mtu;
  return {
    devices: Object.fromEntries(devices),
    believed: { bytes, text: `${fact.text} [${fact.source}, ${fact.mark}]` },
  };
}

function draftOf(facts: MachineFacts): CloudDetectReport['draft'] {
  const address = facts.nics[0]?.addresses[0]?.address.text;
  if (address === undefined) return null;
  const published = facts.nics[0]?.publicAddresses[0]?.text;
  const parts = [
    `name: ${hostname().toLowerCase()}`,
    `address: ${quoted(address)}`,
    ...(published === undefined ? [] : [`publicAddress: ${quoted(published)}`]),
    'overlay: PREFIX',
  ];
  return { zone: zoneEntry(facts), node: `{ ${parts.join(', ')} }` };
}
