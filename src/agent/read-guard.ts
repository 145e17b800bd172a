/**
 * The packet filter of this node, read and not written: does the kernel hold the guard that a plan
 * asks for, and do rules of others break the tunnels?
 */
import { findForeignRules, openGuard } from '../../tunnel/guard/index.js';
import type { Guard, GuardSpec } from '../../tunnel/guard/index.js';
import type { NodeRuntime } from './node-runtime.js';
import { foreignRuleLine } from './foreign-rule-line.js';

export interface GuardReading {
  /** What of the guard is not as the plan asks; undefined: nothing. */
  readonly difference: string | undefined;
  /** Rules of others with what mends each, and what could not be read; one line each. */
  readonly problems: readonly string[];
}

export type ReadGuard = (spec: GuardSpec) => Promise<GuardReading>;

export interface GuardSources {
  /** Rejects where this kernel holds none; absent: its own rules are not looked at. */
  readonly guard?: (() => Promise<Pick<Guard, 'verify'>>) | undefined;
  foreignRules(spec: GuardSpec): Promise<readonly string[]>;
}

/** What cannot be read is told, and keeps nothing else from its answer. */
export async function readGuard(spec: GuardSpec, sources: GuardSources): Promise<GuardReading> {
  const problems: string[] = [];
  const told = (what: string) => (error: unknown) => {
    problems.push(`cannot read ${what}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  };
  const verdict = await sources
    .guard?.()
    .then((guard) => guard.verify(spec))
    .catch(told('the guard'));
  const foreign = await sources.foreignRules(spec).catch(told('the packet-filter rules of others'));
  const difference = verdict?.ok === false ? (verdict.difference ?? 'its rules') : undefined;
  return { difference, problems: [...problems, ...(foreign ?? [])] };
}

/** Of what a process holds that writes in this kernel. */
export function sourcesOf(runtime: Pick<NodeRuntime, 'guard' | 'foreignRules'>): GuardSources {
  return {
    guard: () => Promise.resolve(runtime.guard),
    foreignRules: (spec) => runtime.foreignRules(spec),
  };
}

/** Without an agent: opened for this question alone. */
export const readNodeGuard: ReadGuard = (spec) =>
  readGuard(spec, {
    guard: () => openGuard(),
    foreignRules: async (asked) => (await findForeignRules(asked)).map(foreignRuleLine),
  });
