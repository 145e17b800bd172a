/** An agent's figures for tests of who reads them. */
import type { AgentFigures } from '../../src/agent/figures.js';
import type { PeerStatus } from '../../src/agent/status.js';
import type { Change } from '../../routes/diff.js';
import type { PassReport } from '../../routes/reconciler.js';
import { sketchCluster } from './cluster-builder.js';

export const pair = sketchCluster({
  rules: [{ name: 'all', mode: 'vxlan' }],
  nodes: [1, 2].map((n) => ({
    name: `n${n}`,
    at: `192.0.2.${n}/24`,
    overlay: `10.64.${n}.0/24`,
  })),
});

export function passReport(more: Partial<PassReport> = {}): PassReport {
  return {
    reasons: ['test'],
    startedAtMs: 0,
    durationMs: 20,
    changes: [],
    failed: [],
    skipped: [],
    withheld: [],
    foreign: [],
    contested: [],
    error: undefined,
    ...more,
  };
}

export function sysctlChange(path: string): Change {
  return { kind: 'create', key: `sysctl ${path}`, desired: { type: 'sysctl', path, value: '1' } };
}

export function peer(node: string, more: Partial<PeerStatus> = {}): PeerStatus {
  return {
    node,
    prefix: '10.64.9.0/24',
    verdict: 'forward',
    mode: 'vxlan',
    plane: 'kernel',
    outer: '192.0.2.9',
    mtu: 1450,
    state: 'ok',
    error: undefined,
    ...more,
  };
}

export function figures(more: Partial<AgentFigures> = {}): AgentFigures {
  return {
    node: 'n1',
    cluster: pair,
    lastGoodOf: undefined,
    store: undefined,
    configurationProblems: 0,
    problems: 0,
    notReady: undefined,
    lastPass: { report: passReport(), at: new Date(1_700_000_000_000) },
    contested: 0,
    frozen: false,
    guardShut: false,
    changeover: 'none',
    kept: 0,
    probes: { policy: 'off', packetsPerSecond: 0, probed: [], findings: [] },
    peers: () => [],
    traffic: () => [],
    guardDropped: () => Promise.resolve({}),
    ...more,
  };
}
