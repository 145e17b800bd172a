/** The answers of commands that change a fleet or look for what is wrong with it, as `-o json` has them. */
import type { IpamFinding } from '../../fleet/ipam-check.js';
import type { Joined } from '../../fleet/join.js';
import type { Left } from '../../fleet/leave.js';

export interface JoinReport extends Joined {
  readonly schema: 'selvage.node-join/1';
  readonly cluster: string;
  readonly store: string;
  /** Null: the store asks nobody who they are. */
  readonly account: string | null;
  readonly files: readonly string[];
  /** The credentials were written for this machine's agent. */
  readonly here: boolean;
}

export interface LeaveReport extends Left {
  readonly schema: 'selvage.node-leave/1';
  readonly cluster: string;
  readonly files: readonly string[];
}

export interface CheckReport {
  readonly schema: 'selvage.ipam-check/1';
  readonly cluster: string;
  readonly config: number;
  /** Looked at. */
  readonly blocks: number;
  readonly records: number;
  readonly findings: readonly IpamFinding[];
}

export interface ReleaseReport {
  readonly schema: 'selvage.ipam-release/1';
  readonly cluster: string;
  readonly blocks: readonly { readonly prefix: string; readonly node: string }[];
}
