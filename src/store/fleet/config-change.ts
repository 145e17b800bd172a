/**
 * A change of the fleet's configuration, judged before it is written: is the text one that every
 * agent will take, with the nodes that are registered now; whom does it touch; does it cut anybody
 * off?
 */
import type { Problem } from '../../config/problem.js';
import { readClusterFile } from '../../config/reader.js';
import { type DiffReport, diffReport } from '../../verify/report.js';
import { clusterNamed } from './cluster-name.js';
import {
  type ConfigHistory,
  type ConfigVersion,
  currentOf,
  describeVersion,
  lastNumber,
  readHistory,
} from './config-history.js';
import {
  type Claims,
  type Membership,
  problemsTogether,
  readClaims,
  withRegistered,
} from './config-members.js';
import {
  type ConfigDraft,
  type ConfigTarget,
  type ConfigWritten,
  configValue,
  maxValueBytes,
  writeVersion,
} from './config-write.js';
import { formatVersion } from './records.js';

export interface ConfigProposal extends ConfigDraft {
  /** Name for messages. */
  readonly file: string;
  /** The version that it was made from, where that is known; else the last one. */
  readonly ifVersion?: number | undefined;
}

export type ConfigJudgement =
  /** At least one error; what is in the store stays. */
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  | { readonly kind: 'unusable'; readonly why: string }
  | { readonly kind: 'unchanged'; readonly number: number }
  | { readonly kind: 'conflict'; readonly other: ConfigVersion | undefined }
  | AcceptableChange;

export interface AcceptableChange {
  readonly kind: 'acceptable';
  /** Number of the version that it follows; 0: it is the first. */
  readonly base: number;
  /** Undefined: there is nothing usable to compare with. */
  readonly effect: DiffReport | undefined;
  readonly registered: number;
  /** Whom it cuts off or runs into: it is written only by somebody who says so, one line each. */
  readonly dangers: readonly string[];
  readonly remarks: readonly string[];
  readonly warnings: readonly Problem[];
  /** Throws a `KeyValueError`. */
  write(): Promise<ConfigWritten>;
}

export async function judgeChange(
  target: ConfigTarget,
  proposal: ConfigProposal,
): Promise<ConfigJudgement> {
  const { kv, keys } = target;
  const { text, file, ifVersion } = proposal;
  const base = await readHistory(kv, keys);
  const last = base.versions.at(-1);
  if (ifVersion !== undefined && ifVersion !== lastNumber(base))
    return { kind: 'conflict', other: last };
  const current = currentOf(base);
  if (current !== undefined && current === last && current.value.text === text)
    return { kind: 'unchanged', number: current.number };
  const unusable = laterFormat(last) ?? tooLong(configValue(base, proposal));
  if (unusable !== undefined) return { kind: 'unusable', why: unusable };
  const parsed = await parse(text, file);
  if (!parsed.ok) return { kind: 'invalid', problems: parsed.problems };
  const named = clusterNamed(parsed.cluster, keys.cluster);
  if (!named.ok) return { kind: 'unusable', why: named.problem };
  const claims = await readClaims(kv, keys);
  const next: Side = [withRegistered(named.cluster, claims), file];
  const old = await sideOf(current, claims);
  const errors = newErrors(old, next);
  if (errors.length > 0) return { kind: 'invalid', problems: errors };
  const effect = old === undefined ? undefined : effectOf(old, next);
  return {
    kind: 'acceptable',
    base: lastNumber(base),
    effect,
    registered: next[0].registered.size,
    dangers: dangersOf({ old: old?.[0], next: next[0], effect, current }),
    remarks: remarksOf(base, proposal.changeover === undefined ? effect : undefined),
    warnings: parsed.warnings,
    write: () => writeVersion(target, { base, draft: proposal }),
  };
}

/** What the agents of the fleet would do otherwise, with the nodes that are registered now. */
export async function effectBetween(
  { kv, keys }: ConfigTarget,
  versions: readonly [ConfigVersion, ConfigVersion],
): Promise<DiffReport | undefined> {
  const claims = await readClaims(kv, keys);
  const [old, next] = await Promise.all(versions.map((version) => sideOf(version, claims)));
  return old === undefined || next === undefined ? undefined : effectOf(old, next);
}

/** What nodes that came since have made of the text in force holds up no change of anything else. */
function newErrors(old: Side | undefined, next: Side): readonly Problem[] {
  if (next[0].registered.size === 0) return [];
  const errors = errorsOf(next);
  if (errors.length === 0 || old === undefined) return errors;
  const known = new Set(errorsOf(old).map(({ code, message }) => `${code} ${message}`));
  return errors.filter(({ code, message }) => !known.has(`${code} ${message}`));
}

function errorsOf([membership, file]: Side): readonly Problem[] {
  return problemsTogether(membership, file).filter(({ severity }) => severity === 'error');
}

/** With the name that its text was read by. */
type Side = readonly [Membership, string];

function effectOf([old, oldName]: Side, [next, nextName]: Side): DiffReport {
  return diffReport(
    { cluster: old.cluster, basis: { file: oldName } },
    { cluster: next.cluster, basis: { file: nextName } },
  );
}

function parse(text: string, file: string): ReturnType<typeof readClusterFile> {
  return readClusterFile({ bytes: Buffer.from(text, 'utf8'), file, members: 'registering' });
}

/** Undefined: there is no such version, or it is not valid for this release. */
async function sideOf(
  version: ConfigVersion | undefined,
  claims: Claims,
): Promise<Side | undefined> {
  if (version?.value === undefined) return undefined;
  const file = `version ${version.number}`;
  const parsed = await parse(version.value.text, file);
  const named = parsed.ok ? clusterNamed(parsed.cluster, claims.keys.cluster) : parsed;
  return named.ok ? [withRegistered(named.cluster, claims), file] : undefined;
}

/** Names in a line; `selvage node list` has all of them. */
const shownNames = 4;

function dangersOf(change: {
  readonly old: Membership | undefined;
  readonly next: Membership;
  readonly effect: DiffReport | undefined;
  readonly current: ConfigVersion | undefined;
}): readonly string[] {
  const { old, next, effect, current } = change;
  const dangers: string[] = [];
  const underWay = current?.value?.changeover;
  if (underWay !== undefined && underWay.phase !== 'settled')
    dangers.push(
      `the change from version ${underWay.from} to version ${current!.number} is in its phase "${underWay.phase}": finish it or take it back with "selvage migrate"`,
    );
  const refused = [...(old?.registered ?? [])].filter((name) => !next.registered.has(name));
  const listed = refused.filter((name) => next.cluster.nodes.get(name) === undefined);
  if (listed.length > 0) {
    const known = new Set(old?.problems);
    const why = next.problems.find((line) => !known.has(line));
    dangers.push(
      `registered nodes would no longer count: ${namesOf(listed)}${why === undefined ? '' : ` (${why})`}`,
    );
  }
  const lost = (effect?.groups ?? []).filter(
    ({ effect: kind, cause }) => kind === 'lost' && cause.text !== 'nodes go',
  );
  const pairs = lost.reduce((sum, group) => sum + group.pairs, 0);
  if (pairs > 0)
    dangers.push(
      `${pairs} ordered ${pairs === 1 ? 'pair loses its' : 'pairs lose their'} way: ${lost[0]!.cause.text}`,
    );
  return dangers;
}

function namesOf(names: readonly string[]): string {
  const rest = names.length - shownNames;
  return names.slice(0, shownNames).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function remarksOf(base: ConfigHistory, effect: DiffReport | undefined): readonly string[] {
  const remarks = base.foreign.map((key) => `${key} is no version and is passed over`);
  const last = base.versions.at(-1);
  if (last?.problem !== undefined)
    remarks.push(`version ${last.number} is passed over by agents: ${last.problem}`);
  const segment =
    effect?.records.settings.some((line) => line.startsWith('overlay.vxlan.')) ?? false;
  const modes = effect?.groups.some((group) => group.effect === 'mode') ?? false;
  if (segment || modes)
    remarks.push(
      `${segment ? 'the VXLAN segment changes' : 'modes change'}: written like this, each node goes over by its settle time; "selvage migrate" leads all of them in phases and waits until every receiver is ready`,
    );
  return remarks;
}

function laterFormat(last: ConfigVersion | undefined): string | undefined {
  if (last === undefined || last.value !== undefined) return undefined;
  try {
    const { version } = JSON.parse(last.entry.value) as { readonly version?: unknown };
    if (typeof version === 'number' && version > formatVersion)
      return `${describeVersion(last)}, is of format ${version}, and this release knows ${formatVersion}: update selvage on this machine first`;
  } catch {
    // Garbage: what is written now takes its place.
  }
  return undefined;
}

function tooLong(value: string): string | undefined {
  const size = Buffer.byteLength(value);
  return size <= maxValueBytes
    ? undefined
    : `the text takes ${inMegabytes(size)} in the store, and a value has room for ${inMegabytes(maxValueBytes)} (etcd's usual limit of a request): shorten it; comments count, and nodes that register themselves ("selvage node join") need not be listed`;
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB (${bytes} bytes)`;
}
