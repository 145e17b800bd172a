/**
 * The guard's folder: from a spec (guard.ts) to packet-filter rules, on whatever this kernel has.
 *
 * facts.ts puts the spec in order; nft-program.ts and iptables-program.ts turn it into rules;
 * nftables.ts and iptables.ts bring them into the kernel; foreign-rules.ts looks for rules of
 * others that would break the tunnels. Everything of ours is named in names.ts.
 */
import type { Guard } from './guard.js';
import { IptablesGuard } from './iptables.js';
import { NftablesGuard, type PacketFilterOptions } from './nftables.js';

export type { Guard, GuardApplyOptions, GuardMasquerade, GuardPeer, GuardSpec } from './guard.js';
export { type DropReason, dropReasons } from './names.js';
export {
  type ForeignRule,
  type Rulesets,
  findForeignRules,
  judgeRulesets,
  readRulesets,
} from './foreign-rules.js';
export { RulesetReader } from './ruleset-reader.js';

/** `log` is also told in one line why a better back end is not used. */
export type OpenGuardOptions = PacketFilterOptions;

/** The guard was not to be had; without it no tunnel may come up. */
export class NoGuardError extends Error {}

/**
 * The best guard that this kernel holds, each one tried and not guessed: nftables, else iptables.
 */
export async function openGuard(options: OpenGuardOptions = {}): Promise<Guard> {
  const refusals: string[] = [];
  for (const guard of [new NftablesGuard(options), new IptablesGuard(options)]) {
    try {
      await guard.probe();
      for (const refusal of refusals)
        options.log?.(`using ${guard.backend} for the guard: ${refusal}`);
      return guard;
    } catch (error) {
      refusals.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new NoGuardError(
    `no guard, so no tunnel: ${refusals.join('; ')}. Install nftables (a kernel with nf_tables), ` +
      'or iptables with the kernel modules iptable_filter and xt_u32, and give the service CAP_NET_ADMIN',
  );
}
