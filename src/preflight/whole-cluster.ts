/**
 * Preflight of a whole cluster, from its file and from what the APIs show: every ordered pair of
 * nodes by classes of equal ones, and each node's firewalls in the cloud of the machine that asks.
 */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { withObservations } from '../../encap/observed.js';
import { verifyReport } from '../verify/report.js';
import type { FindingReport } from '../verify/report.js';
import type { CheckResult, Outcome } from './check.js';
import { fail, fix, ok, skip, warn } from './check.js';
import { mistakenOutcomes, trafficOutcomes } from './cloud/firewalls.js';
import { trafficClasses } from './cloud/wanted.js';
import type { CloudFacts, Way } from './facts.js';
import { someOf } from './peer-list.js';
import type { PreflightReport } from './run.js';
import { preflightReport, resultOf } from './run.js';

export interface WholeQuestion {
  readonly cluster: Cluster;
  readonly file: string;
  readonly cloud: CloudFacts | { readonly absent: string };
}

export function preflightCluster(question: WholeQuestion): PreflightReport {
  const { file, cloud } = question;
  const observed =
    'absent' in cloud || 'problem' in cloud.reading ? new Map() : cloud.reading.observed;
  const cluster = withObservations(question.cluster, observed);
  const results = [...pairResults(cluster, file), ...firewallResults(cluster, cloud)];
  return preflightReport({ cluster: cluster.name, node: null, file, keeper: null }, results);
}

function pairResults(cluster: Cluster, file: string): readonly CheckResult[] {
  const report = verifyReport(cluster, { file });
  const results = report.findings.map((finding) =>
    resultOf(
      { id: `pairs-${finding.code}`, group: 'cluster', title: finding.code.replaceAll('-', ' ') },
      outcomeOf(finding),
    ),
  );
  const name = { id: 'pairs', group: 'cluster', title: 'pairs' } as const;
  const { pairs, classes } = report.checked;
  const all = `${pairs} ordered pairs (${classes} classes of nodes)`;
  return [resultOf(name, ok(`${all}: ${report.counts.error} errors`)), ...results];
}

/** What `verify` calls an error loses packets; a note is worth knowing. */
function outcomeOf(finding: FindingReport): Outcome {
  const zones = someOf(finding.zonePairs.map(({ from, to }) => `${from} → ${to}`));
  const where =
    finding.source === null ? zones : `${zones === '' ? '' : `${zones}, `}${finding.source}`;
  const found = `${finding.text}${where === '' ? '' : ` (${where})`}`;
  const example = finding.zonePairs[0]?.example;
  const command =
    example === undefined
      ? 'selvage verify'
      : `selvage route-explain ${example.to} --from ${example.from}`;
  const wanted = { found, needed: finding.remedy, fix: fix(finding.remedy, command) };
  switch (finding.severity) {
    case 'error':
      return fail(wanted);
    case 'warning':
      return warn(wanted);
    case 'note':
      return ok(found);
  }
}

/** Peers that one node's firewalls are asked about, at most; nodes of a zone are much alike. */
const peersMax = 256;

function firewallResults(cluster: Cluster, cloud: WholeQuestion['cloud']): readonly CheckResult[] {
  const name = { id: 'cloud-firewalls', group: 'cloud', title: 'firewalls' } as const;
  if ('absent' in cloud) return [resultOf(name, skip(cloud.absent))];
  const { firewalls, provider } = cloud;
  if ('problem' in firewalls)
    return [resultOf(name, skip(`they could not be read: ${firewalls.problem}`))];
  const results: CheckResult[] = [];
  const nodes = [...new Set(firewalls.firewalls.map(({ node }) => node))];
  for (const nodeName of nodes) {
    const node = cluster.nodes.get(nodeName);
    if (node === undefined) continue;
    const question = { cluster, node, ways: waysOf(cluster, node), provider, reading: firewalls };
    for (const traffic of trafficClasses)
      results.push(
        ...trafficOutcomes(question, traffic)
          .filter(({ status }) => status === 'fail' || status === 'warn')
          .map((outcome) =>
            resultOf({ ...name, id: `cloud-firewall-${traffic}`, title: nodeName }, outcome),
          ),
      );
    results.push(
      ...mistakenOutcomes(question)
        .filter(({ status }) => status === 'warn')
        .map((outcome) => resultOf({ ...name, id: 'cloud-protocol-94', title: nodeName }, outcome)),
    );
  }
  const read = `the firewalls of ${nodes.length} nodes were read`;
  return results.length > 0 ? results : [resultOf(name, ok(`${read}: what is needed passes`))];
}

function waysOf(cluster: Cluster, node: ClusterNode): readonly Way[] {
  const snapshot = { cluster, local: undefined };
  const ways: Way[] = [];
  for (const peer of cluster.nodes.values()) {
    if (ways.length >= peersMax) break;
    if (peer.name === node.name || peer.withdrawn) continue;
    for (const prefix of peer.overlay) {
      const own = node.overlay.find(({ family }) => family === prefix.family);
      const out = decide(snapshot, { from: node, prefix, owner: peer });
      const back = own && decide(snapshot, { from: peer, prefix: own, owner: node });
      ways.push({ peer, out, back });
    }
  }
  return ways;
}
