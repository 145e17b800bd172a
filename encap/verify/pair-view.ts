/** One pair of nodes and one family, as the findings look at it. */
import type { Family } from '../address.js';
import type { Cluster, ClusterNode } from '../cluster.js';
import type { Decision } from '../trail.js';
import type { UnderlayTable } from '../underlay/index.js';
import type { HeldAddresses } from './held-addresses.js';

export interface PairView {
  readonly cluster: Cluster;
  readonly facts: UnderlayTable;
  readonly held: HeldAddresses;
  readonly from: ClusterNode;
  readonly to: ClusterNode;
  readonly family: Family;
  readonly decision: Decision;
  /** Undefined: the sender owns no prefix of the family, so nothing has to come back. */
  readonly back: Decision | undefined;
}
