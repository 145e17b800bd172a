/**
 * The way back: the owner's own decision towards the sender, and what about it differs. Rules may
 * be one-sided, so a pair can be native one way and tunnelled the other.
 */
import type { ClusterNode, Snapshot } from '../encap/cluster.js';
import type { DecideOptions } from '../encap/decide.js';
import { decide } from '../encap/decide.js';
import { describeRule } from '../encap/describe.js';
import type { Decision } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';
import type { ReturnPathReport } from './explain-report.js';
import { decidedVerdict } from './explain-verdict.js';
import { tunnelAddress } from './vtep.js';

export interface ReturnInput {
  readonly snapshot: Snapshot;
  readonly from: ClusterNode;
  readonly owner: ClusterNode;
  readonly forward: Decision;
  readonly options: DecideOptions;
}

export function explainReturn(input: ReturnInput): ReturnPathReport {
  const { snapshot, from, owner, forward } = input;
  const { family } = forward.prefix;
  const prefix = from.overlay.find((entry) => entry.family === family);
  if (owner.name === from.name) return noReturn('the packet does not leave the node');
  if (owner.withdrawn) return noReturn(`${owner.name} has been withdrawn`);
  if (prefix === undefined)
    return noReturn(`${from.name} owns no IPv${family} overlay prefix to answer to`);
  const back = decide(snapshot, { from: owner, prefix, owner: from }, input.options);
  const address = tunnelAddress(from, family)!.text;
  const there = decidedVerdict(forward, { cluster: snapshot.cluster, address: '' });
  const verdict = decidedVerdict(back, { cluster: snapshot.cluster, address });
  const differences = [
    ...(there.kind === verdict.kind ? [] : [`${there.kind} there, ${verdict.kind} back`]),
    ...(there.mode === verdict.mode && there.outerFamily !== verdict.outerFamily
      ? [`outer IPv${there.outerFamily} there, IPv${verdict.outerFamily} back`]
      : []),
    ...(there.mtu !== null && verdict.mtu !== null && there.mtu !== verdict.mtu
      ? [`MTU ${there.mtu} there, ${verdict.mtu} back`]
      : []),
    ...endsDiffer(forward, back),
  ];
  const rule = stepOf(back, 'rule');
  return {
    omitted: null,
    from: owner.name,
    to: from.name,
    prefix: prefix.text,
    kind: verdict.kind,
    summary: verdict.summary,
    rule: rule === undefined ? null : rule.rule === undefined ? 'default' : describeRule(rule.rule),
    mode: verdict.mode,
    mtu: verdict.mtu,
    asymmetric: differences.length > 0,
    differences,
  };
}

export function noReturn(reason: string): ReturnPathReport {
  return {
    omitted: reason,
    from: null,
    to: null,
    prefix: null,
    kind: null,
    summary: null,
    rule: null,
    mode: null,
    mtu: null,
    asymmetric: false,
    differences: [],
  };
}

/** Tunnel packets that go to a public address one way and come from a private one the other. */
function endsDiffer(forward: Decision, back: Decision): readonly string[] {
  if (forward.verdict.kind !== 'forward' || back.verdict.kind !== 'forward') return [];
  const there = forward.verdict.ends;
  const home = back.verdict.ends;
  // Different families are told as such already.
  if (there?.family === undefined || there.family !== home?.family) return [];
  if (there.remote.text === home.local.text && there.local.text === home.remote.text) return [];
  return [
    `outer ${there.local.text} → ${there.remote.text} there, ${home.local.text} → ${home.remote.text} back`,
  ];
}
