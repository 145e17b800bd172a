/** What a run of the lab found out; the JSON that `lab run -o json` prints. */
import type { Family } from '../../encap/address.js';
import type { Provider } from '../../encap/cluster.js';
import type { Mode } from '../../encap/mode.js';

export const matrixSchema = 'selvage.lab.matrix/1';

/** `none`: nothing was seen. `mixed`: packets of one pair travelled in several ways. */
export type SeenMode = Mode | 'none' | 'mixed';

export type DecidedMode = Mode | 'deny' | 'unreachable';

export interface MatrixPair {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  readonly decided: DecidedMode;
  /** Who carries it at the sender: the kernel or a process. */
  readonly plane: string | undefined;
  /** On the underlay: packets by mode as they left the sender and as they reached the receiver. */
  readonly seen: SeenMode;
  readonly departed: Readonly<Partial<Record<Mode, number>>>;
  readonly arrived: Readonly<Partial<Record<Mode, number>>>;
  /** Family of the outer header, and the VXLAN network identifier, where there were such. */
  readonly outer: Family | undefined;
  readonly vni: number | undefined;
  /** Largest inner packet in bytes that the decision promises. */
  readonly mtu: number | undefined;
  /** Probes that had to arrive: small ones and the full-size one. */
  readonly sent: number;
  readonly lost: number;
  readonly fullSize: 'passed' | 'failed' | 'not-tried';
  /** A packet one byte too big: refused by the node with "fragmentation needed", as it must be. */
  readonly oversize: 'refused' | 'passed' | 'silent' | 'not-tried';
  /** What the network answered to a pair that is denied or unreachable. */
  readonly refusal: string | undefined;
  readonly transfer:
    | { readonly bytes: number; readonly durationMs: number; readonly problem: string | undefined }
    | undefined;
  /** Why this pair is a failure; empty when all is as decided. */
  readonly failures: readonly string[];
}

/** What the underlay dropped during the run, by rule. */
export interface UnderlayDrop {
  readonly node: string;
  readonly direction: 'from-node' | 'to-node';
  readonly because: string;
  readonly packets: number;
}

export interface Matrix {
  readonly schema: typeof matrixSchema;
  readonly lab: string;
  readonly configFile: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly zone: string;
    readonly provider: Provider;
  }[];
  readonly pairs: readonly MatrixPair[];
  readonly totals: {
    readonly pairs: number;
    readonly failed: number;
    readonly sent: number;
    readonly lost: number;
    /** Pairs by what was decided. */
    readonly decided: Readonly<Partial<Record<DecidedMode, number>>>;
  };
  readonly underlayDrops: readonly UnderlayDrop[];
  readonly notes: readonly string[];
  readonly ok: boolean;
}

export function isForwarded(decided: DecidedMode): decided is Mode {
  return decided !== 'deny' && decided !== 'unreachable';
}

export function matrixTotals(pairs: readonly MatrixPair[]): Matrix['totals'] {
  const decided: Partial<Record<DecidedMode, number>> = {};
  for (const pair of pairs) decided[pair.decided] = (decided[pair.decided] ?? 0) + 1;
  return {
    pairs: pairs.length,
    failed: pairs.filter((pair) => pair.failures.length > 0).length,
    sent: pairs.reduce((sum, pair) => sum + pair.sent, 0),
    lost: pairs.reduce((sum, pair) => sum + pair.lost, 0),
    decided,
  };
}
