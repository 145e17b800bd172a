/**
 * What an agent knows of itself in numbers, for the metrics; and who wants to be told as it happens.
 * Cheap to ask for: whatever has to look something up is a function.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { Change } from '../../routes/diff.js';
import type { PassReport } from '../../routes/reconciler.js';
import type { ProbesStatus } from '../probe/continuous/service.js';
import type { StoreHealth } from '../store/health.js';
import type { ModeTraffic } from './traffic.js';
import type { PeerStatus } from './status.js';

export interface AgentFigures {
  readonly node: string;
  /** In force; undefined: nothing is yet. */
  readonly cluster: Cluster | undefined;
  /** What was read last of it is not usable, and this one, of that time, is. */
  readonly lastGoodOf: Date | undefined;
  readonly store: StoreHealth | undefined;
  readonly configurationProblems: number;
  readonly problems: number;
  /** Why it is not ready; undefined: it is. */
  readonly notReady: string | undefined;
  readonly lastPass: { readonly report: PassReport; readonly at: Date } | undefined;
  readonly contested: number;
  readonly frozen: boolean;
  readonly guardShut: boolean;
  readonly changeover: 'none' | 'waiting' | 'ending';
  /** Prefixes that stay on their old way during a change. */
  readonly kept: number;
  readonly probes: ProbesStatus;
  /** One entry a prefix. */
  peers(): readonly PeerStatus[];
  traffic(): readonly ModeTraffic[];
  guardDropped(): Promise<Readonly<Record<string, number>>>;
}

export interface AgentObserver {
  /** A pass is over; `repaired` are those of its changes that undid somebody else's. */
  passed?(report: PassReport, repaired: readonly Change[]): void;
  /** The store has a new version, or had one that cannot be used. */
  storeChanged?(version: 'new' | 'refused'): void;
  /** The configuration is read again because somebody asked, until `reloaded`. */
  reloading?(): void;
  reloaded?(): void;
}
