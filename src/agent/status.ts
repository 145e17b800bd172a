/** What `selvage status` shows: one frozen report, made from the last pass. */
import { carriageKey } from '../../encap/mode.js';
import type { Decision } from '../../encap/trail.js';
import { wayOf } from '../../routes/blast-radius.js';
import { pathRouteKey } from '../../routes/ownership.js';
import type { Contest } from '../../routes/fight.js';
import type { PassReport } from '../../routes/reconciler.js';
import { formatObject } from '../../tunnel/format.js';
import type { PlaneStatus } from '../../tunnel/userspace/plane.js';
import type { FreezeReport } from '../../routes/explain-report.js';
import type { CloudStatus } from '../cloud/status.js';
import type { ProbesStatus } from '../probe/continuous/service.js';
import { changeLine } from '../journal/change-line.js';
import type { ChangeReport } from './change.js';
import type { ChangeoverReport } from './changeover-report.js';
import type { Freeze } from './freeze.js';
import type { NodePlan } from './planner.js';
import type { StoreHealth } from '../store/health.js';
import type { ModeTraffic } from './traffic.js';

export interface PeerStatus {
  readonly node: string;
  readonly prefix: string;
  readonly verdict: Decision['verdict']['kind'];
  readonly mode: string | undefined;
  readonly plane: string | undefined;
  readonly outer: string | undefined;
  readonly mtu: number | undefined;
  /**
   * `foreign`: somebody else holds the key of its route; `failed`: the kernel refused it;
   * `contested`: somebody keeps undoing it.
   */
  readonly state: 'ok' | 'failed' | 'held' | 'foreign' | 'contested';
  /** The way that its packets still go, while the decided one waits for the peer; e.g. `ipip 1480`. */
  readonly keeps?: string;
  readonly error: string | undefined;
}

export interface StatusReport {
  readonly schema: 'selvage.status/1';
  readonly node: string;
  readonly cluster: string;
  readonly revision: number;
  readonly config: {
    readonly file: string;
    /** Set when the file cannot be used and what was kept of it on disk at this time is in force. */
    readonly lastGoodOf?: string;
    readonly problems: readonly string[];
  };
  readonly pid: number;
  readonly ready: boolean;
  readonly guard: { readonly backend: string; readonly dropped: Readonly<Record<string, number>> };
  /** Workloads that leave the overlay under an address of the node's; absent: none do. */
  readonly masquerade?:
    { readonly sources: readonly string[]; readonly exclude: readonly string[] } | undefined;
  readonly planes: readonly PlaneStatus[];
  readonly problems: readonly string[];
  /** True and worth knowing, but nothing that is wrong. */
  readonly notes: readonly string[];
  /** By tunnel mode since the agent's start or the device's; absent in reports of older agents. */
  readonly traffic?: readonly ModeTraffic[];
  /** How it stands with the machines that serve the store; absent for a file. */
  readonly store?: StoreHealth;
  readonly repairs: number;
  /** Objects that somebody keeps changing back, and how often each was repaired so far. */
  readonly contested: readonly { readonly object: string; readonly repairs: number }[];
  readonly lastPass:
    | {
        readonly at: string;
        readonly durationMs: number;
        readonly reasons: readonly string[];
        readonly changes: number;
        readonly failed: readonly string[];
        readonly foreign: readonly string[];
        readonly error: string | undefined;
      }
    | undefined;
  readonly peers: readonly PeerStatus[];
  /** What agents find out about the paths to each other; absent in reports of older agents. */
  readonly probes?: ProbesStatus | undefined;
  /** What is known of the provider's API; absent where the file does not speak of it. */
  readonly cloud?: CloudStatus | undefined;
  /** The agent writes nothing; what differs from the decision meanwhile, a line an object. */
  readonly freeze?: (FreezeReport & { readonly drift: readonly string[] }) | undefined;
  /** A change of configuration that is under way. */
  readonly changeover?: ChangeoverReport | undefined;
  /** A change that waits for its confirmation. */
  readonly change?: ChangeReport | undefined;
}

export function peerStatuses(plan: NodePlan, pass: PassReport | undefined): readonly PeerStatus[] {
  const failed = new Map(pass?.failed.map((entry) => [entry.change.key, entry.failure.message]));
  const failedPeers = new Map(pass?.failed.map((entry) => [entry.peer, entry.failure.message]));
  const contested = new Map(
    pass?.contested.map((entry) => [entry.key, `undone again and again: ${entry.repairs} repairs`]),
  );
  const held = new Set(pass?.skipped.map((change) => change.key));
  const withheld = new Set(pass?.withheld.map((change) => change.key));
  const withheldPeers = new Set([...withheld].map((key) => plan.desired.peers.get(key)));
  const foreign = new Map(
    pass?.foreign.map((entry) => [entry.key, `held by ${formatObject(entry.actual)}`]),
  );
  const keeps = new Map(plan.kept.map(({ route }) => [route.prefix.text, wayOf(route)]));
  return [...plan.rib.decisions.values()]
    .filter((decision) => decision.verdict.kind !== 'local')
    .map((decision): PeerStatus => {
      const { verdict, prefix, owner = '' } = decision;
      const forward = verdict.kind === 'forward' ? verdict : undefined;
      const key = pathRouteKey(prefix);
      const route = plan.objects.get(key);
      const noRoute =
        forward !== undefined && !(route?.type === 'route' && route.target.kind === 'unicast')
          ? 'no device of this node can carry it: see the problems above'
          : undefined;
      const error =
        noRoute ??
        failed.get(key) ??
        foreign.get(key) ??
        contested.get(key) ??
        failedPeers.get(owner) ??
        (withheld.has(key) || withheldPeers.has(owner) ? 'not as decided, and frozen' : undefined);
      const state = foreign.has(key)
        ? 'foreign'
        : failed.has(key) || noRoute !== undefined
          ? 'failed'
          : contested.has(key)
            ? 'contested'
            : held.has(key) || withheld.has(key) || withheldPeers.has(owner)
              ? 'held'
              : error === undefined
                ? 'ok'
                : 'failed';
      return {
        node: owner,
        prefix: prefix.text,
        verdict: verdict.kind,
        mode: forward?.mode,
        plane: forward === undefined ? undefined : planeOf(plan, forward),
        outer: forward?.ends?.remote.text,
        mtu: forward?.mtu,
        state,
        ...(keeps.has(prefix.text) ? { keeps: keeps.get(prefix.text)! } : {}),
        error,
      };
    });
}

/** The same while the tunnels are kept down, see guard-keeper.ts. */
export function whileShut(peers: readonly PeerStatus[]): readonly PeerStatus[] {
  return peers.map((peer) =>
    peer.state !== 'ok' || peer.mode === undefined || peer.mode === 'native'
      ? peer
      : {
          ...peer,
          state: 'held',
          error: 'the tunnels are down while somebody fights over the guard',
        },
  );
}

export function masqueradeStatus(plan: NodePlan): StatusReport['masquerade'] {
  const { sources = [], exclude = [] } = plan.guard.masquerade ?? {};
  if (sources.length === 0) return undefined;
  return {
    sources: sources.map(({ text }) => text),
    exclude: exclude.map(({ text }) => text),
  };
}

/** What carries the packets here: the process where this kernel cannot, whatever was declared. */
function planeOf(
  plan: NodePlan,
  verdict: Extract<Decision['verdict'], { readonly kind: 'forward' }>,
): string | undefined {
  if (verdict.mode === 'native') return undefined;
  const key = carriageKey(verdict.carriage);
  const here = plan.desired.userspace.some((carriage) => carriageKey(carriage) === key);
  return here ? 'userspace' : verdict.plane;
}

export function contestSummary(pass: PassReport): StatusReport['contested'] {
  return pass.contested.map((contest) => ({
    object: describeContest(contest),
    repairs: contest.repairs,
  }));
}

export function describeContest(contest: Contest): string {
  return contest.wish === 'absent' ? `the absence of ${contest.key}` : formatObject(contest.wish);
}

export function passSummary(pass: PassReport, at: Date): NonNullable<StatusReport['lastPass']> {
  return {
    at: at.toISOString(),
    durationMs: Math.round(pass.durationMs * 10) / 10,
    reasons: pass.reasons,
    changes: pass.changes.length,
    failed: pass.failed.map(
      (entry) => `${entry.peer === undefined ? '' : `${entry.peer}: `}${entry.failure.message}`,
    ),
    foreign: pass.foreign.map(
      (entry) => `${formatObject(entry.desired)}: the kernel has ${formatObject(entry.actual)}`,
    ),
    error: pass.error?.message,
  };
}

/** Drift can be as much as a whole cluster: the rest is in `plan`. */
const maxDrift = 100;

export function freezeStatus(freeze: Freeze): StatusReport['freeze'] {
  const { report, withheld } = freeze;
  return report && { ...report, drift: withheld.slice(0, maxDrift).map(changeLine) };
}
