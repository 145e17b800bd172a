/** What a firewall has to be opened for, in no provider's words yet. */
import type { Prefix } from '../../../encap/prefix.js';
import type { Fix } from '../check.js';

export interface Opening {
  /** What it is for, as part of names: `ipip`, `vxlan`. */
  readonly name: string;
  readonly direction: 'ingress' | 'egress';
  /** 'all' for bare packets of workloads. */
  readonly protocol: number | 'all';
  readonly port: number | undefined;
  readonly icmp?: { readonly type: number; readonly code: number } | undefined;
  readonly ranges: readonly Prefix[];
  /** Id of the firewall, see `AppliedFirewall`. */
  readonly id: string;
}

export type OpeningWords = Pick<Fix, 'commands' | 'terraform'>;

export function ofFamily(ranges: readonly Prefix[], family: 4 | 6): readonly string[] {
  return ranges.filter((prefix) => prefix.family === family).map(({ text }) => text);
}
