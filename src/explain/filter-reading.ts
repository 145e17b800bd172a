/** The packet filters of a node as a question about it reads them: ours, and those of others. */
import type { Rulesets } from '../../tunnel/guard/index.js';
import { RulesetReader } from '../../tunnel/guard/index.js';
import type { Guard, GuardSpec } from '../../tunnel/guard/guard.js';

export interface FilterReading {
  /** What the guard has to be now. */
  readonly spec: GuardSpec;
  /** Does the kernel hold it? Throws when that cannot be read. */
  guard(): Promise<{ readonly ok: boolean; readonly difference: string | undefined }>;
  /** Packets that the guard has dropped so far, by reason. */
  dropped(): Promise<Readonly<Record<string, number>>>;
  /** Everybody's rules, for `judgeRulesets`. */
  rulesets(): Promise<Rulesets>;
}

export interface FilterSources {
  /** May throw where this kernel holds no guard. */
  open(): Promise<Guard>;
  /** Of who asks again, so that it need not read again what has not changed. */
  readonly reader?: RulesetReader;
}

export function liveFilters(spec: GuardSpec, sources: FilterSources): FilterReading {
  const { reader = new RulesetReader() } = sources;
  let opened: Promise<Guard> | undefined;
  const guard = (): Promise<Guard> => (opened ??= sources.open());
  return {
    spec,
    guard: async () => (await guard()).verify(spec),
    dropped: async () => (await guard()).counters(),
    rulesets: () => reader.read(),
  };
}
