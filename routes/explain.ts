/**
 * The explanation of one destination as one node sees it: what happens, why, what is on the wire,
 * what the kernel has, and how the answer comes back.
 *
 * The decision is made by the same function, from the same snapshot, as the one that the routes
 * come from; nothing here decides anything again in other words.
 */
import type { Address } from '../encap/address.js';
import type { ClusterNode, Snapshot } from '../encap/cluster.js';
import type { DecideOptions } from '../encap/decide.js';
import { decide } from '../encap/decide.js';
import type { Prefix } from '../encap/prefix.js';
import type { Decision } from '../encap/trail.js';
import type { UnderlayTable } from '../encap/underlay/index.js';
import { desiredRoute } from './desired-index.js';
import type { DesiredState } from './desired.js';
import type { ActualState } from './diff.js';
import type { ObjectHistory } from './explain-kernel.js';
import { explainKernel, kernelNotRead } from './explain-kernel.js';
import type {
  BasisReport,
  ExplainReport,
  FreezeReport,
  KernelReport,
  WhatIfReport,
} from './explain-report.js';
import { explainSchema } from './explain-report.js';
import { noFlips } from './explain-flips.js';
import { explainReturn, noReturn } from './explain-return.js';
import type { Destination } from './explain-target.js';
import { nodeByOuterAddress, ownerOf, poolOf } from './explain-target.js';
import type { VerdictWithoutExit } from './explain-verdict.js';
import { decidedVerdict, unownedVerdict, withoutDataPlane } from './explain-verdict.js';
import { explainWhy } from './explain-why.js';
import { explainWire } from './explain-wire.js';

export interface ExplainInput {
  readonly snapshot: Snapshot;
  readonly destination: Destination | Address;
  readonly from: ClusterNode;
  /** Of the sender's own kernel; both or the kernel section says that it was not read. */
  readonly desired?: DesiredState | undefined;
  readonly actual?: ActualState | undefined;
  /** Why there is no kernel state, where that needs more words than "this is another node". */
  readonly kernelReason?: string | undefined;
  readonly facts?: UnderlayTable | undefined;
  readonly history?: ObjectHistory | undefined;
  readonly freeze?: FreezeReport | undefined;
  readonly guardNotes?: readonly string[] | undefined;
  readonly basis?: Pick<BasisReport, 'kind' | 'note'> | undefined;
  readonly whatIf?: WhatIfReport | undefined;
}

export function explain(input: ExplainInput): ExplainReport {
  const { snapshot, from } = input;
  const { cluster } = snapshot;
  const destination = asDestination(input.destination);
  const { address } = destination;
  const options: DecideOptions = input.facts === undefined ? {} : { facts: input.facts };
  const owner = ownerOf(cluster, address);
  const pool = poolOf(cluster, address);
  const outerOf = nodeByOuterAddress(cluster, address);
  const question = owner ?? (pool === undefined ? undefined : { node: undefined, prefix: pool });
  const decision =
    question === undefined
      ? undefined
      : decide(snapshot, { from, prefix: question.prefix, owner: question.node }, options);
  const decided =
    decision === undefined || owner === undefined
      ? unownedVerdict({ cluster, address: address.text, pool, outerOf })
      : decidedVerdict(decision, { cluster, address: address.text });
  const verdict = owner === undefined ? decided : carried(decided, owner.prefix, input.desired);
  const kernel = kernelReport(input, { address, prefix: question?.prefix });
  const local = snapshot.local?.node === from.name;
  return {
    schema: explainSchema,
    question: {
      asked: destination.asked,
      kind: destination.kind,
      address: address.text,
      family: address.family,
      from: {
        node: from.name,
        zone: from.zone,
        provider: cluster.zones.get(from.zone)?.provider ?? 'unknown',
      },
      note: destination.note ?? null,
    },
    basis: {
      kind: input.basis?.kind ?? 'agent',
      cluster: cluster.name,
      revision: cluster.revision,
      localFacts: local,
      note: input.basis?.note ?? null,
      whatIf: input.whatIf ?? null,
    },
    freeze: input.freeze ?? null,
    verdict: { ...verdict, health: null, code: null, exitCode: exitCode(verdict, kernel) },
    why:
      decision === undefined
        ? { steps: [], rules: [], candidates: [], ...noFlips }
        : explainWhy(decision, { snapshot, from, owner: owner?.node, facts: input.facts }),
    wire:
      decision === undefined || owner === undefined || verdict.kind === 'NO-ROUTE'
        ? null
        : explainWire(decision, { cluster, from, owner: owner.node, destination: address }),
    kernel,
    returnPath: returnReport(input, { decision, owner: owner?.node, options }),
    guard: input.guardNotes ?? [],
    findings: [],
    hops: { from: null, to: null },
    probes: null,
  };
}

function asDestination(given: Destination | Address): Destination {
  if ('asked' in given) return given;
  return { asked: given.text, kind: 'address', address: given, note: undefined };
}

/** A decided way exists only if the desired state has a device for it. */
function carried(
  verdict: VerdictWithoutExit,
  prefix: Prefix,
  desired: DesiredState | undefined,
): VerdictWithoutExit {
  if (desired === undefined || verdict.mode === null) return verdict;
  const route = desiredRoute(desired.objects, prefix);
  if (route?.target.kind === 'unicast') {
    const byProcess =
      verdict.mode !== 'native' &&
      desired.userspace.some(
        ({ mode, outer, inner }) =>
          mode === verdict.mode && outer === verdict.outerFamily && inner === prefix.family,
      );
    if (!byProcess) return verdict;
    const summary = `${verdict.summary}, by a userspace process: this kernel has no ${verdict.mode}`;
    return { ...verdict, plane: 'userspace', summary };
  }
  const why =
    route === undefined
      ? 'no device of this node has its underlay address, so no route can be made'
      : (desired.problems[0] ?? `this kernel has no device for ${verdict.mode}`);
  return withoutDataPlane(verdict, why);
}

function kernelReport(
  input: ExplainInput,
  of: {
    readonly address: Address;
    readonly prefix: Prefix | undefined;
  },
): KernelReport {
  const { desired, actual, from, snapshot, kernelReason, history } = input;
  if (of.prefix === undefined) return kernelNotRead('no object of ours concerns this address');
  if (desired === undefined || actual === undefined)
    return kernelNotRead(
      kernelReason ??
        (snapshot.local === undefined
          ? 'this is the cluster file alone'
          : `this is the kernel of ${snapshot.local.node}, not of ${from.name}`),
    );
  return explainKernel({ desired, actual, prefix: of.prefix, address: of.address, history });
}

function returnReport(
  input: ExplainInput,
  of: {
    readonly decision: Decision | undefined;
    readonly owner: ClusterNode | undefined;
    readonly options: DecideOptions;
  },
): ExplainReport['returnPath'] {
  const { snapshot, from } = input;
  if (of.decision === undefined || of.owner === undefined) return noReturn('nobody would answer');
  return explainReturn({
    snapshot,
    from,
    owner: of.owner,
    forward: of.decision,
    options: of.options,
  });
}

function exitCode(verdict: VerdictWithoutExit, kernel: KernelReport): 0 | 1 {
  if (verdict.kind === 'DENIED' || verdict.kind === 'NO-ROUTE') return 1;
  if (kernel.objects.some((object) => object.state !== 'match')) return 1;
  // Addresses of our own are meant to be somebody else's routes: those of the workloads.
  return verdict.kind !== 'LOCAL' && kernel.effective?.ours === false ? 1 : 0;
}
