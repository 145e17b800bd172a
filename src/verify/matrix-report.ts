/**
 * What `matrix` says, as plain data: zone by zone how packets go, and beside it, never mixed with
 * it, what probes have seen where somebody hands that in.
 */
import type { Family } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import type { MatrixZone } from '../../encap/verify/zone-matrix.js';
import { zoneMatrix } from '../../encap/verify/zone-matrix.js';
import type { Basis } from './report.js';

/** What probes say of the paths from a zone to a zone. */
export interface Health {
  readonly state: 'ok' | 'degraded' | 'broken';
  /** A few words: loss, round-trip time. */
  readonly text: string;
}

export type HealthOf = (path: {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
}) => Health | undefined;

export interface MatrixReport {
  readonly schema: 'selvage.matrix/1';
  readonly basis: Basis;
  readonly cluster: string;
  readonly zones: readonly (Omit<MatrixZone, 'region'> & { readonly region: string | null })[];
  readonly cells: readonly MatrixCellReport[];
}

export interface MatrixCellReport {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  /** From the most pairs to the fewest. */
  readonly ways: readonly MatrixWayReport[];
  /** Null: nobody has probed it. */
  readonly health: Health | null;
}

export interface MatrixWayReport {
  /** `native`, `ipip`, `vxlan`; null where packets are not carried. */
  readonly mode: string | null;
  /** Largest inner packet in bytes; null where none is carried. */
  readonly mtu: number | null;
  readonly text: string;
  /** Ordered pairs of nodes. */
  readonly pairs: number;
}

export function matrixReport(
  cluster: Cluster,
  options: {
    readonly basis: Basis;
    readonly families?: readonly Family[] | undefined;
    readonly health?: HealthOf | undefined;
  },
): MatrixReport {
  const { basis, families, health } = options;
  const matrix = zoneMatrix(cluster, families === undefined ? {} : { families });
  return {
    schema: 'selvage.matrix/1',
    basis,
    cluster: cluster.name,
    zones: matrix.zones.map((zone) => ({ ...zone, region: zone.region ?? null })),
    cells: matrix.cells.map(({ from, to, family, ways }) => ({
      ...{ from, to, family },
      ways: ways.map(({ outcome, text, pairs }) => ({
        mode: outcome.kind === 'forward' ? outcome.mode : null,
        mtu: outcome.kind === 'forward' ? outcome.mtu : null,
        text,
        pairs,
      })),
      health: health?.({ from, to, family }) ?? null,
    })),
  };
}
